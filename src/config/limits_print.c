#include "config/limits.h"

#include "base/date.h"
#include "config/text.h"

#include <inttypes.h>
#include <stdio.h>

/* `lead` stands before each name, as its indent. */
static void print_bucket(const struct bucket_terms *bucket, const char *lead, FILE *out)
{
    char rate[QUANTITY_TEXT_MAX];
    if (bucket->holds_slots) {
        fprintf(out, "%sconcurrent: %" PRIu64 "\n", lead, bucket->burst);
        return;
    }
    quantity_print_rate(&bucket->rate, rate);
    fprintf(out, "%sburst: %" PRIu64 "\n%srate: %s\n%sdebt_max: %" PRIu64 "\n", lead, bucket->burst,
            lead, rate, lead, bucket->debt_max);
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
            config_write_named(out, "name: ", allowance->bucket[i].name);
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
    config_write_named(out, "      - key: ", override->key);
    print_allowance(&override->allowance, "        ", out);
    fputs(actions[override->action], out);
    if (override->until_s != OVERRIDE_FOR_EVER) {
        char until[DATE_TEXT_MAX];
        date_print(override->until_s, until);
        fprintf(out, "        until: \"%s\"\n", until);
    }
    if (override->reason != NULL)
        config_write_named(out, "        reason: ", override->reason);
}

static void print_limit(const struct limit *limit, FILE *out)
{
    config_write_named(out, "  - name: ", limit->name);
    if (limit->was[0] != '\0')
        config_write_named(out, "    was: ", limit->was);
    if (limit->match[0] != '\0')
        config_write_named(out, "    match: ", limit->match);
    print_allowance(&limit->allowance, "    ", out);
    fprintf(out, "    shadow: %s\n", limit->shadow ? "true" : "false");
    fprintf(out, "    scope: %s\n", limit->is_fleet ? "fleet" : "local");
    if (limit->warn_percent > 0)
        fprintf(out, "    warn: %" PRIu32 "%%\n", limit->warn_percent);
    if (limit_has_tokens(limit) && !limit->is_fleet)
        fprintf(out, "    on_expiry: %s\n", limit->returns_on_expiry ? "return" : "keep");
    if (limit->overrides_count > 0)
        fputs("    overrides:\n", out);
    for (uint32_t i = 0; i < limit->overrides_count; i++)
        print_override(&limit->overrides[i], out);
}

void config_limits_print(const struct config *config, FILE *out)
{
    fputs("limits:\n", out);
    for (uint32_t i = 0; i < config->limits->count; i++)
        print_limit(&config->limits->limit[i], out);
}
