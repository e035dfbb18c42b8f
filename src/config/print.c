#include "config/config.h"

#include "base/date.h"
#include "config/text.h"

#include <inttypes.h>
#include <string.h>

static void print_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    config_write_quotable(out, text, strlen(text));
    fputc('"', out);
}

static void print_named(FILE *out, const char *name, const char *text)
{
    fputs(name, out);
    print_quoted(out, text);
    fputc('\n', out);
}

/* `lead` is what stands in front of each name: its indent. */
static void print_bucket(const struct bucket_terms *bucket, const char *lead, FILE *out)
{
    char rate[QUANTITY_TEXT_MAX];
    quantity_print_rate(&bucket->rate, rate);
    fprintf(out, "%sburst: %" PRIu64 "\n%srate: %s\n", lead, bucket->burst, lead, rate);
}

static void print_allowance(const struct allowance *allowance, const char *lead, FILE *out)
{
    bool is_list = allowance->count > 0 && allowance->bucket[0].name[0] != '\0';
    char inner[16];
    snprintf(inner, sizeof inner, "%s    ", lead);
    if (is_list)
        fprintf(out, "%sbuckets:\n", lead);
    for (uint32_t i = 0; i < allowance->count; i++) {
        if (is_list) {
            fprintf(out, "%s  - ", lead);
            print_named(out, "name: ", allowance->bucket[i].name);
        }
        print_bucket(&allowance->bucket[i], is_list ? inner : lead, out);
    }
}

static void print_override(const struct override *override, FILE *out)
{
    static const char *const actions[] = {
        [OVERRIDE_TERMS] = "",
        [OVERRIDE_ALLOW] = "        action: allow\n",
        [OVERRIDE_DENY] = "        action: deny\n",
    };
    print_named(out, "      - key: ", override->key);
    print_allowance(&override->allowance, "        ", out);
    fputs(actions[override->action], out);
    if (override->until_s != OVERRIDE_FOR_EVER) {
        char until[DATE_TEXT_MAX];
        date_print(override->until_s, until);
        fprintf(out, "        until: %s\n", until);
    }
}

static void print_limit(const struct limit *limit, FILE *out)
{
    print_named(out, "  - name: ", limit->name);
    if (limit->match[0] != '\0')
        print_named(out, "    match: ", limit->match);
    print_allowance(&limit->allowance, "    ", out);
    fprintf(out, "    shadow: %s\n", limit->shadow ? "true" : "false");
    if (limit->overrides_count > 0)
        fputs("    overrides:\n", out);
    for (uint32_t i = 0; i < limit->overrides_count; i++)
        print_override(&limit->overrides[i], out);
}

static void print_check(const struct check_terms *terms, FILE *out)
{
    print_named(out, "  - name: ", terms->name);
    if (terms->limit != NULL)
        print_named(out, "    limit: ", terms->limit);
    print_named(out, "    key: ", terms->key);
    fprintf(out, "    deny_status: %u\n    missing: %s\n", terms->deny_status,
            terms->missing_allows ? "allow" : "deny");
    if (terms->trusted_count > 0)
        fputs("    trusted_proxies:\n", out);
    for (uint32_t i = 0; i < terms->trusted_count; i++)
        print_named(out, "      - ", terms->trusted[i]);
}

static void print_listen(const char *name, const struct address *addresses, uint32_t count,
                         FILE *out)
{
    char text[ADDRESS_TEXT_MAX];
    if (count > 0)
        fputs(name, out);
    for (uint32_t i = 0; i < count; i++) {
        address_print(&addresses[i], text);
        print_named(out, "  - ", text);
    }
}

static void print_sockets(const struct socket_access *sockets, FILE *out)
{
    if (sockets->mode != SOCKET_MODE_BY_UMASK)
        fprintf(out, "socket_mode: %04o\n", (unsigned)sockets->mode);
    if (sockets->group != SOCKET_GROUP_OWN)
        print_named(out, "socket_group: ", sockets->group_name);
}

static void print_log(const struct log_settings *log, const struct rate *denials, FILE *out)
{
    char rate[QUANTITY_TEXT_MAX];
    fprintf(out, "log:\n  level: %s\n  format: %s\n", log_level_names[log->level],
            log_format_names[log->format]);
    if (denials->tokens == 0)
        return;
    quantity_print_rate(denials, rate);
    fprintf(out, "  denials: %s\n", rate);
}

void config_print(const struct config *config, FILE *out)
{
    const struct contract *contract = config->contract;
    char tick[QUANTITY_TEXT_MAX];
    print_listen("listen:\n", config->listen, config->listen_count, out);
    print_listen("admin_listen:\n", config->admin_listen, config->admin_listen_count, out);
    if (config->admin_token_file[0] != '\0')
        print_named(out, "admin_token_file: ", config->admin_token_file);
    print_sockets(&config->sockets, out);
    quantity_print_duration(config->limits->tick_ms, tick);
    fprintf(out, "threads: %" PRIu32 "\ntick: %s\nmax_keys: %" PRIu32 "\n", config->threads, tick,
            config->max_keys);
    if (config->state[0] != '\0')
        print_named(out, "state: ", config->state);
    fprintf(out, "when_full: %s\nheaders: %s\n", when_full_names[config->when_full],
            headers_dialect_names[contract->headers]);
    print_log(&config->log, &config->limits->shown_denials, out);
    fputs("limits:\n", out);
    for (uint32_t i = 0; i < config->limits->count; i++)
        print_limit(&config->limits->limit[i], out);
    if (contract->checks_count > 0)
        fputs("checks:\n", out);
    for (uint32_t i = 0; i < contract->checks_count; i++)
        print_check(check_terms(contract->checks[i]), out);
}
