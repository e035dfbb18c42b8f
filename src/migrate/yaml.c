#include "migrate/yaml.h"

#include "base/quantity.h"
#include "config/text.h"
#include "migrate/line.h"
#include "migrate/notes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- limits ---- */

static void write_terms(FILE *out, const struct bucket_terms *terms, const char *indent)
{
    char rate[QUANTITY_TEXT_MAX];
    quantity_print_rate(&terms->rate, rate);
    fprintf(out, "%sburst: %" PRIu64 "\n%srate: %s\n", indent, terms->burst, indent, rate);
}

/* What a key may take; indent: of its names. */
static void write_allowance(FILE *out, const struct plan *plan, const char *indent)
{
    char inner[16];
    if (plan->buckets == 1) {
        write_terms(out, &plan->bucket[0], indent);
        return;
    }
    snprintf(inner, sizeof inner, "%s    ", indent);
    fprintf(out, "%sbuckets:\n", indent);
    for (uint32_t i = 0; i < plan->buckets; i++) {
        fprintf(out, "%s  - ", indent);
        config_write_named(out, "name: ", plan->bucket[i].name);
        write_terms(out, &plan->bucket[i], inner);
    }
}

static void write_exceptions(FILE *out, const struct plan *plan)
{
    const struct key *key = plan->key;
    if (key->exceptions > 0)
        fputs("    overrides:\n", out);
    for (size_t i = 0; i < key->exceptions; i++) {
        config_write_named(out, "      - key: ", key->exception[i].text);
        if (key->exception[i].is_limited)
            write_allowance(out, plan, "        ");
        else
            fputs("        action: allow\n", out);
    }
}

static void write_limit(FILE *out, const struct plan *plan)
{
    notes_of_limit(out, plan);
    config_write_named(out, "  - name: ", plan->name);
    write_allowance(out, plan, "    ");
    if (plan->is_dry_run)
        fputs("    shadow: true\n", out);
    write_exceptions(out, plan);
}

/* ---- checks ---- */

static void write_check(FILE *out, const struct plan *plan)
{
    notes_of_check(out, plan);
    config_write_named(out, "  - name: ", plan->name);
    config_write_named(out, "    limit: ", plan->name);
    config_write_named(out, "    key: ", plan->key->template);
    fputs("    missing: allow\n"
          "    deny_status: 403\n"
          "    trusted_proxies: [127.0.0.1, \"::1\", unix]\n",
          out);
}

void yaml_write(FILE *out, const char *name, const struct tree *tree,
                const struct limit_reqs *found, const struct plans *plans)
{
    line_write(out,
               "What the limit_req lines of %s come to. allowd-migrating(7) says what differs;",
               name);
    fputs("# check this with allowd -t, and put the lines at the end into nginx.\n\n", out);
    fprintf(out, "tick: %" PRIu64 "ms\n\nlimits:\n", plans->tick_ms);
    for (const struct plan *plan = plans->plans; plan != NULL; plan = plan->next)
        write_limit(out, plan);
    fputs("  # For callers that ask by a key of their own; no check below uses it.\n"
          "  - name: default\n    burst: 10\n    rate: 1/s\n\nchecks:\n",
          out);
    for (const struct plan *plan = plans->plans; plan != NULL; plan = plan->next)
        write_check(out, plan);
    fputs("\n", out);
    notes_of_places(out, tree, plans);
    notes_of_rest(out, tree, found, plans);
}
