/* Routes: each row of the table says what it should, and all say it alike. */
#include "http/request.h"
#include "http/routes/table.h"
#include "support/source.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

static struct request request; /* too large for the stack of a test */

static bool ask(const char *method, const char *target)
{
    request_begin(&request, &route_table, target);
    request.method = method_parse(method);
    bool asks = request_finish(&request, NULL);
    request_release(&request);
    return asks;
}

/* The path itself, or one below it. */
static void target_of(const struct route *route, const char *query, char target[64])
{
    snprintf(target, 64, "%s%s%s", route->path, route->below != NULL ? route->below : "", query);
}

static void a_route_is_found_by_its_path_alone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < route_table.count; i++) {
        char target[64];
        target_of(route_table.routes[i], "", target);
        request_begin(&request, &route_table, target);
        assert_int_equal(request.route_number, i + 1);
        assert_ptr_equal(request.route, route_table.routes[i]);
        assert_string_equal(route_path(&route_table, i + 1), request.route->path);
        /* Neither what all of its paths are below, nor what would be below one that has none */
        const struct route *route = request.route;
        snprintf(target, sizeof target, "%s%s", route->path, route->below != NULL ? "" : "/");
        request_begin(&request, &route_table, target);
        assert_null(request.route);
        assert_int_equal(request.route_number, 0);
    }
    assert_string_equal(route_path(&route_table, 0), "none");
    assert_null(route_path(&route_table, route_table.count + 1));
}

static void those_with_paths_below_come_first(void **state)
{
    (void)state;
    for (unsigned i = 1; i < route_table.count; i++)
        assert_false(route_table.routes[i]->below != NULL &&
                     route_table.routes[i - 1]->below == NULL);
}

static void readers_are_told_of_each(void **state)
{
    (void)state;
    static const char *const files[] = {"man/allowd-http.7", "README.md"};
    for (size_t i = 0; i < LENGTH(files); i++) {
        char *text = source_read(files[i]);
        for (unsigned j = 0; j < route_table.count; j++)
            if (strstr(text, route_table.routes[j]->path) == NULL)
                fail_msg("%s does not tell of %s", files[i], route_table.routes[j]->path);
        free(text);
    }
}

static void whoever_asks_for_another_path_is_told_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < route_table.count; i++)
        assert_non_null(strstr(route_table.no_such_path, route_table.routes[i]->path));
}

/* Methods as bits, as words in an Allow header, and those that are taken. */
static void a_route_takes_the_methods_that_it_allows(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "HEAD", "POST", "DELETE", "QUERY", "PUT"};
    for (unsigned i = 0; i < route_table.count; i++)
        for (size_t j = 0; j < LENGTH(methods); j++) {
            const struct route *route = route_table.routes[i];
            char target[64];
            bool is_taken = (route->methods & method_parse(methods[j])) != 0;
            assert_int_equal(strstr(route->allow, methods[j]) != NULL, is_taken);
            target_of(route, "", target);
            ask(methods[j], target);
            assert_int_equal(request.fault_status == 405, !is_taken);
        }
}

/* Each parameter has a bit in what was seen. */
static void parameters_have_names_of_their_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < route_table.count; i++) {
        const struct parameter *const *parameters = route_table.routes[i]->parameters;
        for (unsigned j = 0; parameters != NULL && parameters[j] != NULL; j++) {
            assert_true(j < 32);
            assert_non_null(parameters[j]->parse);
            for (unsigned k = 0; k < j; k++)
                assert_string_not_equal(parameters[j]->name, parameters[k]->name);
        }
    }
}

static void what_a_route_takes_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *takes;
    } cases[] = {
        {"GET", "/allow?x=1", "/allow takes key, tokens, limit, wait, deny_status, once and mode"},
        {"POST", "/reset?tokens=1", "/reset takes key and limit"},
        {"POST", "/refund?x", "/refund takes key, tokens, limit and once"},
        {"GET", "/status?tokens=1", "/status takes key, limit and lease"},
        {"POST", "/acquire?x",
         "/acquire takes key, tokens, slots, limit, ttl, wait, deny_status and once"},
        {"POST", "/release?ttl=1s", "/release takes lease and used"},
        {"POST", "/renew?used=1", "/renew takes lease and ttl"},
        {"GET", "/keys?key=a", "/keys takes prefix, limit, sort, count and cursor"},
        {"GET", "/explain?key=a&prefix=b", "/explain takes key, limit and tokens"},
        {"GET", "/metrics?key=a", "/metrics takes no parameters"},
        {"GET", "/healthz?a", "/healthz takes no parameters"},
        {"GET", "/readyz?", ""},
        {"POST", "/reload?file=a", "/reload takes no parameters"},
        {"GET", "/metrics?a-name-of-more-than-15-bytes", "/metrics takes no parameters"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        bool asks = ask(cases[i].method, cases[i].target);
        assert_int_equal(asks, cases[i].takes[0] == '\0');
        if (!asks)
            assert_non_null(strstr(request.detail, cases[i].takes));
    }
}

/* The main thread is asked for a reload, and nobody else for it. */
static void whom_a_route_asks(void **state)
{
    (void)state;
    for (unsigned i = 0; i < route_table.count; i++) {
        const struct route *route = route_table.routes[i];
        assert_int_equal(route->asks == ROUTE_ASKS_MAIN_THREAD,
                         route == &route_reload || route == &route_overrides);
        assert_int_equal(route_asks(route, METHOD_GET) == ROUTE_ASKS_MAIN_THREAD,
                         route == &route_reload);
        assert_int_equal(route->reply_stalled != NULL,
                         route == &route_healthz || route == &route_readyz || route == &route_page);
    }
}

/* What changes something is no GET that a link could make, but for /allow. */
static void what_changes_state_is_posted(void **state)
{
    (void)state;
    for (unsigned i = 0; i < route_table.count; i++) {
        const struct route *route = route_table.routes[i];
        unsigned changing = route->methods & ~route->reads;
        assert_int_equal(route->reads | METHOD_GET | METHOD_HEAD, METHOD_GET | METHOD_HEAD);
        if (route->changes_state && route != &route_allow)
            assert_int_equal(changing & (METHOD_GET | METHOD_HEAD), 0);
        if (!route->changes_state && !route->header_only)
            assert_int_equal(route->methods & (METHOD_POST | METHOD_PUT | METHOD_DELETE), 0);
        assert_true(route->is_admin || !route->is_guarded);
        assert_true(!route->is_tokenless || (route->is_admin && !route->changes_state));
        if (route->is_for_all != NULL)
            assert_true(route->is_admin && !route->is_guarded && !route->changes_state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_is_found_by_its_path_alone),
        cmocka_unit_test(those_with_paths_below_come_first),
        cmocka_unit_test(whoever_asks_for_another_path_is_told_all),
        cmocka_unit_test(readers_are_told_of_each),
        cmocka_unit_test(a_route_takes_the_methods_that_it_allows),
        cmocka_unit_test(parameters_have_names_of_their_own),
        cmocka_unit_test(what_a_route_takes_is_told),
        cmocka_unit_test(whom_a_route_asks),
        cmocka_unit_test(what_changes_state_is_posted),
    };
    return cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}
