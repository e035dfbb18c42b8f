#include "edge/config.h"

#include "edge/config_check.h"
#include "edge/config_file.h"
#include "edge/config_scalar.h"
#include "edge/config_schema.h"
#include "edge/config_shape.h"
#include "edge/config_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool load_file(const char *path, struct config *config, struct faults *faults)
{
    size_t len;
    char *bytes = config_file_read(path, &len, faults);
    if (bytes == NULL)
        return false;
    struct config_copy copy = config_shape_check(bytes, len, faults);
    free(bytes);
    if (copy.yaml == NULL)
        return false;

    bool is_loaded = false;
    struct raw_config *raw = config_raw_load(copy.yaml, copy.len, faults);
    free(copy.yaml);
    if (raw != NULL)
        is_loaded = config_check(raw, copy.is_cut, config, faults);
    config_raw_free(raw);
    return is_loaded;
}

bool config_load(const char *path, struct config *config, struct faults *faults)
{
    static const struct raw_config defaults = {0};
    bool is_loaded = path == NULL ? config_check(&defaults, false, config, faults)
                                  : load_file(path, config, faults);
    faults_sort(faults);
    return is_loaded;
}

void config_release(struct config *config)
{
    limits_release(config->limits);
    *config = (struct config){0};
}

static void print_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    config_write_quotable(out, text, strlen(text));
    fputc('"', out);
}

static void print_limit(const struct limit *limit, FILE *out)
{
    char rate[QUANTITY_TEXT_MAX];
    quantity_print_rate(&limit->allowance.bucket[0].rate, rate);
    fputs("  - name: ", out);
    print_quoted(out, limit->name);
    if (limit->match[0] != '\0') {
        fputs("\n    match: ", out);
        print_quoted(out, limit->match);
    }
    fprintf(out, "\n    burst: %" PRIu64 "\n    rate: %s\n", limit->allowance.burst, rate);
}

void config_print(const struct config *config, FILE *out)
{
    char text[ADDRESS_TEXT_MAX], tick[QUANTITY_TEXT_MAX];
    fputs("listen:\n", out);
    for (uint32_t i = 0; i < config->listen_count; i++) {
        address_print(&config->listen[i], text);
        fputs("  - ", out);
        print_quoted(out, text);
        fputc('\n', out);
    }
    quantity_print_duration(config->limits->tick_ms, tick);
    fprintf(out,
            "threads: %" PRIu32 "\ntick: %s\nmax_keys: %" PRIu32 "\nwhen_full: %s\nlimits:\n",
            config->threads, tick, config->max_keys, when_full_names[config->when_full]);
    for (uint32_t i = 0; i < config->limits->count; i++)
        print_limit(&config->limits->limit[i], out);
}
