#include "config/rules.h"

#include "ask/method.h"
#include "ask/rule.h"
#include "config/scalar.h"
#include "config/text.h"

#include <inttypes.h>

/* What an entry of one of the lists has to be. */
struct list_kind {
    bool (*is_valid)(const char *text);
    const char *is_not; /* follows the text in quotes */
};

static const struct list_kind methods_kind = {
    rule_method_is_valid,
    "is no method that a rule knows; write " METHOD_NAMES ", in capitals; all other methods are "
    "OTHER",
};
static const struct list_kind paths_kind = {
    rule_path_is_valid,
    "matches no path, for paths begin with /; write a path or a glob, such as /search or "
    "/static/*",
};
static const struct list_kind networks_kind = {
    rule_network_is_valid,
    "is no network; write an address (192.0.2.7, ::1) or a network with no bit set behind its "
    "prefix (10.0.0.0/8, fd00::/8)",
};

/* Checks one list of a rule. *texts: its entries. */
static bool check_list(char *const *raw, uint32_t count, const struct list_kind *kind,
                       struct arena *arena, struct faults *faults, const char *const **texts)
{
    bool is_good = true;
    const char **list = arena_take(arena, count * sizeof *list);
    if (list == NULL) {
        faults_add(faults, 0, 0, "out of memory");
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct placed text = scalar_placed(raw[i]);
        char shortened[CONFIG_SHORT_MAX];
        list[i] = text.text;
        if (!kind->is_valid(text.text)) {
            faults_add(faults, text.line, text.column, "\"%s\" %s",
                       config_shorten(text.text, shortened), kind->is_not);
            is_good = false;
        }
    }
    *texts = list;
    return is_good;
}

static bool check_paths(const struct raw_rule *raw, struct faults *faults)
{
    bool is_good = true;
    for (uint32_t i = 0; i < raw->paths_count; i++)
        is_good &= scalar_check_glob(faults, "this path", scalar_placed(raw->paths[i]));
    return is_good;
}

static bool check_rule(const struct raw_rule *raw, struct arena *arena, struct faults *faults,
                       struct check_rule_terms *terms)
{
    terms->methods_count = raw->methods_count;
    terms->paths_count = raw->paths_count;
    terms->networks_count = raw->networks_count;
    bool is_good =
        check_list(raw->methods, raw->methods_count, &methods_kind, arena, faults, &terms->methods);
    is_good &= check_list(raw->paths, raw->paths_count, &paths_kind, arena, faults, &terms->paths);
    is_good &= check_paths(raw, faults);
    is_good &= check_list(raw->networks, raw->networks_count, &networks_kind, arena, faults,
                          &terms->networks);
    return is_good;
}

/* Whether a rule names anything, or may name something that is faulty. */
static bool names_something(const struct raw_rule *raw)
{
    return raw->methods_count > 0 || raw->paths_count > 0 || raw->networks_count > 0 ||
           mapping_lacks(raw->place, "methods") || mapping_lacks(raw->place, "paths") ||
           mapping_lacks(raw->place, "networks");
}

static bool check_skip_rule(const struct raw_rule *raw, struct arena *arena, struct faults *faults,
                            struct check_rule_terms *terms)
{
    if (names_something(raw))
        return check_rule(raw, arena, faults, terms);
    struct placed place = scalar_placed(raw->place);
    faults_add(faults, place.line, place.column,
               "this rule would let every request pass; give it methods, paths or networks");
    return false;
}

static bool check_cost_rule(const struct raw_rule *raw, struct arena *arena, struct faults *faults,
                            struct check_rule_terms *terms)
{
    terms->tokens = scalar_number(faults, "tokens", raw->tokens, 1, TOKENS_MAX, 0);
    return check_rule(raw, arena, faults, terms) && terms->tokens > 0;
}

static bool check_rules(const struct raw_rule *raw, uint32_t count,
                        bool (*check)(const struct raw_rule *raw, struct arena *arena,
                                      struct faults *faults, struct check_rule_terms *terms),
                        struct arena *arena, struct faults *faults,
                        const struct check_rule_terms **terms)
{
    bool is_good = true;
    struct check_rule_terms *rules = arena_take(arena, count * sizeof *rules);
    if (rules == NULL) {
        faults_add(faults, 0, 0, "out of memory");
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        rules[i] = (struct check_rule_terms){0};
        is_good &= check(&raw[i], arena, faults, &rules[i]);
    }
    *terms = rules;
    return is_good;
}

bool config_rules_check(const struct raw_check *raw, struct arena *arena, struct faults *faults,
                        struct check_terms *terms)
{
    terms->skip_count = raw->skip_count;
    terms->cost_count = raw->cost_count;
    bool is_good =
        check_rules(raw->skip, raw->skip_count, check_skip_rule, arena, faults, &terms->skip);
    is_good &=
        check_rules(raw->cost, raw->cost_count, check_cost_rule, arena, faults, &terms->cost);
    return is_good;
}

/* ---- printing ---- */

static void print_list(const char *name, const char *const *texts, uint32_t count,
                       const char **lead, FILE *out)
{
    if (count == 0)
        return;
    fprintf(out, "%s%s:\n", *lead, name);
    *lead = "        ";
    for (uint32_t i = 0; i < count; i++)
        config_write_named(out, "          - ", texts[i]);
}

static void print_rules(const char *name, const struct check_rule_terms *rules, uint32_t count,
                        FILE *out)
{
    if (count > 0)
        fprintf(out, "    %s:\n", name);
    for (uint32_t i = 0; i < count; i++) {
        const char *lead = "      - ";
        print_list("methods", rules[i].methods, rules[i].methods_count, &lead, out);
        print_list("paths", rules[i].paths, rules[i].paths_count, &lead, out);
        print_list("networks", rules[i].networks, rules[i].networks_count, &lead, out);
        if (rules[i].tokens > 0)
            fprintf(out, "%stokens: %" PRIu64 "\n", lead, rules[i].tokens);
    }
}

void config_rules_print(const struct check_terms *terms, FILE *out)
{
    print_rules("skip", terms->skip, terms->skip_count, out);
    print_rules("cost", terms->cost, terms->cost_count, out);
}
