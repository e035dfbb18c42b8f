#include "config/config_state.h"

#include "config/config_scalar.h"
#include "config/config_text.h"

#include <assert.h>
#include <string.h>

void config_state_check(const struct raw_config *raw, struct faults *faults, struct config *config)
{
    if (!scalar_is_usable(raw->state))
        return;
    struct placed path = scalar_placed(raw->state);
    size_t len = strlen(path.text);
    if (path.text[0] != '/' || path.text[len - 1] == '/' || len > CONFIG_PATH_MAX) {
        char shortened[CONFIG_SHORT_MAX];
        faults_add(faults, path.line, path.column,
                   "state \"%s\" is not the path of a file; write an absolute one of at most 1023 "
                   "bytes, such as /var/lib/allowd/state",
                   config_shorten(path.text, shortened));
        return;
    }
    memcpy(config->state, path.text, len + 1);
}
static_assert(CONFIG_PATH_MAX == 1023, "the text says so");
