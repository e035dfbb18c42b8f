#include "config/hosts.h"

#include "config/scalar.h"
#include "config/text.h"

#include <string.h>
#include <strings.h>

/* Letters as HTTP compares them: one name in several cases is one name. */
static bool is_name(const char *text)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789-_.";
    size_t len = strlen(text);
    return len > 0 && len <= HOST_NAME_BYTES_MAX && strspn(text, characters) == len &&
           text[0] != '.' && text[len - 1] != '.' && strstr(text, "..") == NULL;
}

static void add(const char *raw, struct faults *faults, struct config *config)
{
    struct placed value = scalar_placed(raw);
    char shortened[CONFIG_SHORT_MAX];
    config_shorten(value.text, shortened);
    if (!is_name(value.text)) {
        faults_add(faults, value.line, value.column,
                   "\"%s\" is not the name of a host; write it as callers have it in their URLs, "
                   "without scheme, port and path, such as allowd.example.net",
                   shortened);
        return;
    }
    for (uint32_t i = 0; i < config->hosts_count; i++)
        if (strcasecmp(config->hosts[i], value.text) == 0) {
            faults_add(faults, value.line, value.column,
                       "\"%s\" is listed already; list each name once", shortened);
            return;
        }
    strcpy(config->hosts[config->hosts_count++], value.text);
}

void config_hosts_check(const struct raw_config *raw, struct faults *faults, struct config *config)
{
    for (uint32_t i = 0; i < raw->hosts_count; i++)
        add(raw->hosts[i], faults, config);
}

void config_hosts_print(const struct config *config, FILE *out)
{
    if (config->hosts_count > 0)
        fputs("hosts:\n", out);
    for (uint32_t i = 0; i < config->hosts_count; i++)
        config_write_named(out, "  - ", config->hosts[i]);
}
