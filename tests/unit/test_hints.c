/* Tests of hints: what is meant by what people write first, and where nothing is guessed. */
#include "config/hints.h"

#include "base/quantity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *text, *hint; /* NULL: none */
};

static void check(const struct row *row, bool is_found, const char *hint)
{
    if (is_found != (row->hint != NULL) || (is_found && strcmp(hint, row->hint) != 0))
        fail_msg("\"%s\" gives %s, not %s", row->text, is_found ? hint : "nothing",
                 row->hint == NULL ? "nothing" : row->hint);
}

#define CHECK_ALL(rows, call)                                                                      \
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows)[0]; i++) {                                  \
        char hint[HINT_MAX] = "untouched";                                                         \
        const char *text = (rows)[i].text;                                                         \
        bool is_found = (call);                                                                    \
        check(&(rows)[i], is_found, hint);                                                         \
        if (!is_found)                                                                             \
            assert_string_equal(hint, "untouched");                                                \
    }

static void numbers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"1k", "1000"},
        {"2K", "2000"},
        {"1M", "1000000"},
        {"1.5k", "1500"},
        {"1,000", "1000"},
        {"1'000'000", "1000000"},
        {"1_000", "1000"},
        {"1e3", "1000"},
        {"1E+06", "1000000"},
        {"1.2345e+04", "12345"},
        {"1e+06", "1000000"},
        {"5000e-3", "5"},
        {"10.0", "10"},
        {"10.", NULL},
        {" 10 ", "10"},
        {"10", "10"},
        {"1.5", NULL},
        {"1e-1", NULL},
        {"010", NULL}, /* octal, or not */
        {"0x10", NULL},
        {"1,5", NULL}, /* a fraction, in many countries */
        {"1,0000", NULL},
        {"-10", NULL},
        {"+10", NULL},
        {"1e", NULL},
        {"1kk", NULL},
        {"ten", NULL},
        {"", NULL},
        {"0", NULL}, /* less than may be */
        {"1e9", NULL},
        {"99999999999999999999", NULL},
        {"1e999999999999", NULL},
        {"0.00000000000000000000001", NULL},
    };
    CHECK_ALL(rows, hint_number(text, 1, 10000000, hint));
}

static void durations(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0.1s", "100ms"},     {"1.5s", "1500ms"},    {"1 s", "1s"},
        {"100 msec", "100ms"}, {"1sec", "1s"},        {"2 seconds", "2s"},
        {"1/2s", NULL},        {"1e3ms", "1s"},       {"0.0001s", NULL},
        {"10", NULL},          {"s", NULL},           {"1M", NULL},
        {"1 minute", "1m"},    {"1 fortnight", NULL}, {"1s 100ms", NULL},
        {"99 days", NULL},     {"1 week ", NULL},     {"", NULL},
        {"1.5 min", "90s"},    {"1secs", "1s"},
    };
    CHECK_ALL(rows, hint_duration(text, 1, 3600000, hint));
}

static void rates(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0.5/s", "1/2s"},
        {"1.5/m", "3/2m"},
        {"0.1/s", "1/10s"},
        {"10/min", "10/m"},
        {"10r/m", "10/m"},
        {"10r/s", "10/s"},
        {"10/second", "10/s"},
        {"10/month", "10/30d"},
        {"10/week", "10/7d"},
        {"100/hour", "100/h"},
        {"100 / day", "100/d"},
        {"1,000/s", "1000/s"},
        {"1e3/s", "1000/s"},
        {"1k/s", "1000/s"},
        {"10 / s", "10/s"},
        {"10/ s", "10/s"},
        {"10 per minute", "10/m"},
        {"10 requests per second", "10/s"},
        {"10 req/s", "10/s"},
        {"10 a day", "10/d"},
        {"10rps", "10/s"},
        {"600 rpm", "600/m"},
        {"5qps", "5/s"},
        {"5/10 s", "5/10s"},
        {"5/0.5s", "5/500ms"},
        {"1/0.3ms", "10/3ms"},
        {"0.5/0.5s", "1/s"},
        {"10/year", "10/365d"},
        {"10/M", NULL}, /* a minute or a month */
        {"10/2 years", NULL},
        {"0/s", NULL},
        {"0.1s", NULL},
        {"10", NULL},
        {"/s", NULL},
        {"10/", NULL},
        {"10/s/s", NULL},
        {"10 s", NULL},
        {"10/x", NULL},
        {"010/s", NULL},
        {"10/0s", NULL},
        {"s/10", NULL},
        {"-1/s", NULL},
        {"1e18/s", NULL},
        {"18446744073709551615/s", NULL},
        {"0.0000000001/s", NULL},
        {"1/18446744073709551615d", NULL},
        {"10/sssssssssssssssssssssssss", NULL},
    };
    CHECK_ALL(rows, hint_rate(text, TOKENS_MAX, hint));
}

/* What is said to write can be read, and is as much. */
static void rates_can_be_read(void **state)
{
    (void)state;
    static const char *const texts[] = {"0.5/s", "10/min", "1.25k/hour", "7/1.5m"};
    static const struct rate rates[] = {{1, 2000}, {10, 60000}, {1250, 3600000}, {7, 90000}};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        char hint[HINT_MAX];
        struct rate rate;
        assert_true(hint_rate(texts[i], TOKENS_MAX, hint));
        assert_int_equal(quantity_parse_rate(hint, strlen(hint), &rate), QUANTITY_OK);
        assert_int_equal(rate.tokens, rates[i].tokens);
        assert_int_equal(rate.period_ms, rates[i].period_ms);
    }
}

static void times(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"1798761599", "\"2026-12-31T23:59:59Z\""},
        {"1798761599000", NULL},
        {"2026", NULL},
        {"20261231", NULL},
        {"1798761599.0", NULL},
        {"", NULL},
    };
    CHECK_ALL(rows, hint_time(text, hint));
}

#define EVERYWHERE(port)                                                                           \
    "127.0.0.1:" port " for this machine alone, or 0.0.0.0:" port " for every IPv4 network"

static void addresses(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"localhost:1", "127.0.0.1:1"},
        {"LocalHost:80", "127.0.0.1:80"},
        {"10429", EVERYWHERE("10429")},
        {":80", EVERYWHERE("80")},
        {"*:80", EVERYWHERE("80")},
        {"http://127.0.0.1:80", "127.0.0.1:80"},
        {"http://127.0.0.1:80/", "127.0.0.1:80"},
        {"http://localhost:80", "127.0.0.1:80"},
        {"127.0.0.1", "127.0.0.1:10429"},
        {"::1", "[::1]:10429"},
        {"[::1]", NULL},
        {"2001:db8:1:2:3:4:5:6:80", "[2001:db8:1:2:3:4:5:6]:80"},
        {"::1:80", NULL}, /* is one address too */
        {"/run/allowd.sock", "unix:/run/allowd.sock"},
        {"unix:///run/allowd.sock", "unix:/run/allowd.sock"},
        {"Unix:/a", "unix:/a"},
        {"unix:a", NULL},
        {"localhost", NULL},
        {"localhost:http", NULL},
        {"65536", NULL},
        {"http://127.0.0.1:80/allow", NULL},
        {"example.org:80", NULL},
        {"", NULL},
        {":", NULL},
        {"*:", NULL},
        {"http://", NULL},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         NULL},
    };
    CHECK_ALL(rows, hint_address(text, hint));
}

static void what_others_replace(void **state)
{
    (void)state;
    static const char *const marked[] = {"${PORT}", "127.0.0.1:${PORT}", "{{ port }}",
                                         "$PORT",   "<%= port %>",       "$(port)"};
    static const char *const plain[] = {"10", "$", "$5", "api:{client_ip}", "a$b", ""};
    for (size_t i = 0; i < sizeof marked / sizeof marked[0]; i++)
        assert_non_null(hint_placeholder(marked[i]));
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        assert_null(hint_placeholder(plain[i]));
    assert_non_null(hint_name("include"));
    assert_non_null(hint_name("<<"));
    assert_null(hint_name("limit"));
    assert_null(hint_name(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(durations),
        cmocka_unit_test(rates),
        cmocka_unit_test(rates_can_be_read),
        cmocka_unit_test(times),
        cmocka_unit_test(addresses),
        cmocka_unit_test(what_others_replace),
    };
    return cmocka_run_group_tests_name("hints", tests, NULL, NULL);
}
