/* Rules of checks: which requests pass uncounted, and what the others cost. */
#include "ask/check.h"
#include "support/fields.h"
#include "support/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct asked {
    const char *method, *suffix, *client, *path; /* client, path: from a trusted proxy, or NULL */
};

static const char *find_field(void *context, const char *name, unsigned index, size_t *len)
{
    const struct asked *asked = context;
    const char *value = strcasecmp(name, "X-Forwarded-For") == 0   ? asked->client
                        : strcasecmp(name, "X-Forwarded-Uri") == 0 ? asked->path
                                                                   : NULL;
    if (value == NULL || index > 0)
        return NULL;
    *len = strlen(value);
    return value;
}

static void pass_fields(void *context, const char *name,
                        bool (*take)(void *taker, const char *value, size_t len), void *taker)
{
    pass_found(find_field, context, name, take, taker);
}

static void no_parameters(void *context, void (*take)(void *, const struct form_pair *),
                          void *taker)
{
    (void)context;
    (void)take;
    (void)taker;
}

static struct check *check_of(const struct check_rule_terms *skip, uint32_t skip_count,
                              const struct check_rule_terms *cost, uint32_t cost_count)
{
    static const char *const trusted[] = {"unix"};
    struct check *check = check_new(&(struct check_terms){.name = "edge",
                                                          .key = "{client_ip}",
                                                          .trusted = trusted,
                                                          .trusted_count = 1,
                                                          .skip = skip,
                                                          .skip_count = skip_count,
                                                          .cost = cost,
                                                          .cost_count = cost_count});
    assert_non_null(check);
    return check;
}

/* What is asked, of a peer that the check trusts. */
static struct check_request request_of(const struct check *check, struct asked *asked)
{
    static const struct sockaddr peer = {.sa_family = AF_UNIX};
    return (struct check_request){.method = asked->method,
                                  .suffix = asked->suffix,
                                  .peer = &peer,
                                  .is_trusted = check_trusts(check, &peer),
                                  .fields = pass_fields,
                                  .parameters = no_parameters,
                                  .context = asked};
}

static bool skips(const struct check_rule_terms *rules, uint32_t count, struct asked asked)
{
    struct check *check = check_of(rules, count, NULL, 0);
    const struct check_request request = request_of(check, &asked);
    bool does = check_skips(check, &request);
    check_free(check);
    return does;
}

static uint64_t cost(const struct check_rule_terms *rules, uint32_t count, struct asked asked)
{
    struct check *check = check_of(NULL, 0, rules, count);
    const struct check_request request = request_of(check, &asked);
    uint64_t tokens = check_cost(check, &request);
    check_free(check);
    return tokens;
}

#define STRINGS(...)                                                                               \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void methods_are_matched(void **state)
{
    (void)state;
    const struct check_rule_terms rule = {.methods = STRINGS("OPTIONS", "HEAD", "OTHER"),
                                          .methods_count = 3};
    static const char *const do_match[] = {"OPTIONS", "HEAD", "PROPFIND", "options"};
    static const char *const do_not[] = {"GET",   "POST",  "PUT",    "DELETE",
                                         "PATCH", "TRACE", "CONNECT"};
    for (size_t i = 0; i < LENGTH(do_match); i++)
        assert_true(skips(&rule, 1, (struct asked){do_match[i], "", NULL, NULL}));
    for (size_t i = 0; i < LENGTH(do_not); i++)
        assert_false(skips(&rule, 1, (struct asked){do_not[i], "", NULL, NULL}));
}

static void paths_are_matched(void **state)
{
    (void)state;
    static const struct {
        const char *glob, *suffix, *told;
        bool matches;
    } cases[] = {
        {"/static/*", "/static/a/b.css", NULL, true},
        {"/static/*", "/static", NULL, false},
        {"/static*", "/static", NULL, true},
        {"/static/*", "/st%61tic/x", NULL, true},
        {"/static/*", "/Static/x", NULL, false},
        {"/", "", NULL, true},
        {"/", "", "?a=b", true},
        {"/a b", "/a%20b", NULL, true},
        {"/a+b", "/a+b", NULL, true},
        {"*.css", "/x/y.css", NULL, true},
        {"*.css", "/x/y.css", "/z.js", false},
        {"*.css", "/x/y.js", "/z.css?v=1#f", true},
        {"/a?c", "/abc", NULL, true},
        {"/[ab]", "/b", NULL, true},
        {"/\\*", "/*", NULL, true},
        {"/\\*", "/x", NULL, false},
        /* A NUL does not hide what follows it. */
        {"/a", "/a%00/b", NULL, false},
        {"/a%00*", "/a%00/b", NULL, true},
        {"/a%zz", "/a%zz", NULL, true},
        {"/a%", "/a%", NULL, true},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const struct check_rule_terms rule = {.paths = STRINGS(cases[i].glob), .paths_count = 1};
        if (skips(&rule, 1, (struct asked){"GET", cases[i].suffix, NULL, cases[i].told}) !=
            cases[i].matches)
            fail_msg("%s and %s", cases[i].glob,
                     cases[i].told != NULL ? cases[i].told : cases[i].suffix);
    }
}

/* Of a longer path the beginning counts, so that nobody leaves a rule by making it longer. */
static void the_beginning_of_a_long_path_counts(void **state)
{
    (void)state;
    static char path[2 * CHECK_RULE_PATH_MAX];
    const struct check_rule_terms rule = {.paths = STRINGS("/search*"), .paths_count = 1};
    memset(path, 'x', sizeof path - 1);
    memcpy(path, "/search/", strlen("/search/"));
    assert_true(skips(&rule, 1, (struct asked){"GET", path, NULL, NULL}));
    path[1] = 'S';
    assert_false(skips(&rule, 1, (struct asked){"GET", path, NULL, NULL}));
}

static void networks_are_matched(void **state)
{
    (void)state;
    const struct check_rule_terms rule = {
        .networks = STRINGS("10.0.0.0/8", "192.0.2.7", "2001:db8::/32"), .networks_count = 3};
    static const char *const inside[] = {
        "10.0.0.0",    "10.255.255.255",  "::ffff:10.1.2.3",  "192.0.2.7",
        "2001:db8::1", "2001:DB8:ffff::", "64:ff9b::10.1.2.3"};
    static const char *const outside[] = {"11.0.0.0", "192.0.2.8", "2001:db9::1",
                                          "::1",      "unknown",   ""};
    for (size_t i = 0; i < LENGTH(inside); i++)
        if (!skips(&rule, 1, (struct asked){"GET", "", inside[i], NULL}))
            fail_msg("%s is inside", inside[i]);
    for (size_t i = 0; i < LENGTH(outside); i++)
        if (skips(&rule, 1, (struct asked){"GET", "", outside[i], NULL}))
            fail_msg("%s is outside", outside[i]);
    /* Nobody knows where this one comes from. */
    assert_false(skips(&rule, 1, (struct asked){"GET", "", NULL, NULL}));
}

static void a_rule_wants_one_of_each_kind(void **state)
{
    (void)state;
    const struct check_rule_terms rule = {
        .methods = STRINGS("GET", "HEAD"),
        .methods_count = 2,
        .paths = STRINGS("/a", "/b"),
        .paths_count = 2,
        .networks = STRINGS("::1", "10.0.0.0/8"),
        .networks_count = 2,
    };
    assert_true(skips(&rule, 1, (struct asked){"HEAD", "/b", "::1", NULL}));
    assert_false(skips(&rule, 1, (struct asked){"POST", "/b", "::1", NULL}));
    assert_false(skips(&rule, 1, (struct asked){"HEAD", "/c", "::1", NULL}));
    assert_false(skips(&rule, 1, (struct asked){"HEAD", "/b", "::2", NULL}));
}

static void without_rules_all_cost_one(void **state)
{
    (void)state;
    assert_false(skips(NULL, 0, (struct asked){"OPTIONS", "/", "10.0.0.1", NULL}));
    assert_int_equal(cost(NULL, 0, (struct asked){"GET", "/", "10.0.0.1", NULL}), 1);
}

static void the_first_rule_that_holds_counts(void **state)
{
    (void)state;
    const struct check_rule_terms rules[] = {
        {.methods = STRINGS("POST"),
         .methods_count = 1,
         .paths = STRINGS("/search*"),
         .paths_count = 1,
         .tokens = 7},
        {.paths = STRINGS("/search*"), .paths_count = 1, .tokens = 5},
        {.methods = STRINGS("DELETE"), .methods_count = 1, .tokens = 999999999999999},
        {.tokens = 2},
    };
    assert_int_equal(cost(rules, 4, (struct asked){"POST", "/search/x", NULL, NULL}), 7);
    assert_int_equal(cost(rules, 4, (struct asked){"GET", "/search", NULL, NULL}), 5);
    assert_int_equal(cost(rules, 4, (struct asked){"DELETE", "/search", NULL, NULL}), 5);
    assert_int_equal(cost(rules, 4, (struct asked){"DELETE", "/", NULL, NULL}), 999999999999999);
    assert_int_equal(cost(rules, 4, (struct asked){"GET", "/", NULL, NULL}), 2);
    assert_int_equal(cost(rules, 3, (struct asked){"GET", "/", NULL, NULL}), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_are_matched),
        cmocka_unit_test(paths_are_matched),
        cmocka_unit_test(the_beginning_of_a_long_path_counts),
        cmocka_unit_test(networks_are_matched),
        cmocka_unit_test(a_rule_wants_one_of_each_kind),
        cmocka_unit_test(without_rules_all_cost_one),
        cmocka_unit_test(the_first_rule_that_holds_counts),
    };
    return cmocka_run_group_tests_name("check_rules", tests, NULL, NULL);
}
