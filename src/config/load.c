#include "config/config.h"

#include "config/file.h"
#include "config/schema.h"
#include "config/shape.h"
#include "config/state.h"

#include <stdlib.h>

static bool load_file(const char *path, struct config *config, struct faults *faults)
{
    size_t len;
    /* Taken before it is read: if it changes meanwhile, it counts as changed since. */
    const struct file_mark mark = file_mark_at(path);
    char *bytes = config_file_read(path, CONFIG_FILE_MAX, &len, faults);
    if (bytes == NULL)
        return false;
    struct config_copy copy = config_shape_check(SHAPE_CONFIGURATION, bytes, len, faults);
    free(bytes);
    if (copy.yaml == NULL)
        return false;

    bool is_loaded = false;
    struct raw_config *raw = config_raw_load(copy.yaml, copy.len, faults);
    free(copy.yaml);
    if (raw != NULL) {
        config_state_check_apart(raw, path, faults);
        is_loaded = config_check(raw, config, faults);
    }
    config_raw_free(raw);
    if (is_loaded)
        config->file_mark = mark;
    return is_loaded;
}

bool config_load(const char *path, struct config *config, struct faults *faults)
{
    static const struct raw_config defaults = {0};
    bool is_loaded =
        path == NULL ? config_check(&defaults, config, faults) : load_file(path, config, faults);
    faults_sort(faults);
    return is_loaded;
}
