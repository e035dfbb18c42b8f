/*
 * Parameters: what each is by default, how another value of it is written, whether that waits for
 * the next start, what is said of one that is faulty, and that manual and example know of it.
 */
#include "config/config.h"
#include "config/header_room.h"
#include "config/scalar.h"
#include "support/source.h"
#include "support/unit.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_FILE "@" /* stands for the path of a file with a token */

static const struct row {
    const char *name;
    const char *by_default; /* what is printed of it */
    const char
        *other; /* the same with another value, which reads and prints alike; NULL: not here */
    bool is_of_fleet;
    const char *warning; /* what a reload says of that, if it waits for the next start */
    const char *faulty, *fault;
} rows[] = {
    {
        .name = "listen",
        .by_default = "listen:\n  - \"127.0.0.1:10429\"\n",
        .other = "listen:\n  - \"127.0.0.1:10429\"\n  - \"[::1]:10429\"\n",
        .warning = "listen",
        .faulty = "listen: [x]\n",
        .fault = "1:10: \"x\" is not an address to listen on; write " ADDRESS_FORMS,
    },
    {
        .name = "admin_listen",
        .by_default = "",
        .other = "admin_listen:\n  - \"unix:/run/admin.sock\"\n",
        .warning = "admin_listen",
        .faulty = "admin_listen: ['127.0.0.1:10429']\n",
        .fault = "0:0: \"127.0.0.1:10429\" is listed already; list each address once",
    },
    {
        .name = "listen_resp",
        .by_default = "",
        .other = "listen_resp:\n  - \"unix:/run/resp.sock\"\n",
        .warning = "listen_resp",
        .faulty = "listen_resp: ['127.0.0.1:10429']\n",
        .fault = "1:15: \"127.0.0.1:10429\" is listed already; list each address once",
    },
    {
        .name = "admin_token_file",
        .by_default = "",
        .other = "admin_token_file: \"" TOKEN_FILE "\"\n",
        .faulty = "admin_token_file: x\n",
        .fault = "1:19: admin_token_file \"x\" is not the path of a file; write an absolute one of "
                 "at most 1023 bytes, or credential:NAME",
    },
    {
        .name = "admin_token_mode",
        .by_default = "admin_token_mode: private\n",
        .other = "admin_token_mode: any\n",
        .faulty = "admin_token_mode: 0444\n",
        .fault = "1:19: admin_token_mode \"0444\" is not one of its words; write private or any",
    },
    {
        .name = "hosts",
        .by_default = "",
        .other = "hosts:\n  - \"allowd.example.net\"\n",
        .faulty = "hosts: [http://a]\n",
        .fault =
            "1:9: \"http://a\" is not the name of a host; write it as callers have it in their "
            "URLs, without scheme, port and path, such as allowd.example.net",
    },
    {
        .name = "socket_mode",
        .by_default = "",
        .other = "socket_mode: \"0660\"\n",
        .warning = "socket_mode or socket_group",
        .faulty = "socket_mode: rw\n",
        .fault = "1:14: socket_mode \"rw\" is not a mode; write 0 and three octal digits, such as "
                 "\"0660\"",
    },
    {
        .name = "socket_group",
        .by_default = "",
        .other = "socket_group: \"root\"\n",
        .warning = "socket_mode or socket_group",
        .faulty = "socket_group: no group has this name\n",
        .fault =
            "1:15: there is no group named \"no group has this name\" for socket_group; write the "
            "name of one that getent group lists",
    },
    {
        .name = "idle_timeout",
        .by_default = "idle_timeout: 75s\n",
        .other = "idle_timeout: 1h\n",
        .warning = "idle_timeout",
        .faulty = "idle_timeout: 999ms\n",
        .fault = "1:15: idle_timeout \"999ms\" is out of range; write a number and ms, s, m or h, "
                 "such as 75s, from 1s to 1h",
    },
    {
        .name = "header_room",
        .by_default = "header_room: 10240\n",
        .other = "header_room: 65536\n",
        .warning = CONFIG_HEADER_ROOM_AT_START,
        .faulty = "header_room: 4095\n",
        .fault = "1:14: header_room \"4095\" is out of range; write 4096 to 65536, in digits only",
    },
    {
        .name = "max_connections",
        .by_default = "max_connections: 4096\n",
        .other = "max_connections: 1000000\n",
        .warning = "max_connections",
        .faulty = "max_connections: 15\n",
        .fault =
            "1:18: max_connections \"15\" is out of range; write 16 to 1000000, in digits only",
    },
    {
        .name = "wait_max",
        .by_default = "wait_max: 30s\n",
        .other = "wait_max: 0s\n",
        .faulty = "wait_max: 61m\n",
        .fault =
            "1:11: wait_max \"61m\" is out of range; write a number and ms, s, m or h, such as "
            "30s, from 0s to 1h",
    },
    {
        .name = "max_waiting",
        .by_default = "max_waiting: 2048\n",
        .other = "max_waiting: 1\n",
        .faulty = "max_waiting: 2049\n",
        .fault = "1:14: max_waiting 2049 is more than half of max_connections, 4096, and the other "
                 "half is for those who do not wait; write at most 2048, or raise max_connections",
    },
    {
        .name = "waiting_per_key",
        .by_default = "waiting_per_key: 100\n",
        .other = "waiting_per_key: 100000\n",
        .faulty = "waiting_per_key: 100001\n",
        .fault = "1:18: waiting_per_key \"100001\" is out of range; write 1 to 100000, in digits "
                 "only",
    },
    {
        .name = "drain_delay",
        .by_default = "drain_delay: 0s\n",
        .other = "drain_delay: 1h\n",
        .faulty = "drain_delay: 61m\n",
        .fault = "1:14: drain_delay \"61m\" is out of range; write a number and ms, s, m or h, "
                 "such as 0s, from 0s to 1h",
    },
    {
        .name = "threads",
        .by_default = "threads: auto\n",
        .other = "threads: 64\n", /* what of it waits for the next start: daemon/threads.c */
        .faulty = "threads: 65\n",
        .fault = "1:10: threads \"65\" is out of range; write auto, or 0 to 64, in digits only",
    },
    {
        .name = "tick",
        .by_default = "tick: 100ms\n",
        .other = "tick: 10s\n",
        .faulty = "tick: 10001ms\n",
        .fault =
            "1:7: tick \"10001ms\" is out of range; write a number and ms or s, such as 100ms, "
            "from 1ms to 10s",
    },
    {
        .name = "max_keys",
        .by_default = "max_keys: 1000000\n",
        .other = "max_keys: 100000000\n",
        .warning = "max_keys",
        .faulty = "max_keys: many\n",
        .fault = "1:11: max_keys \"many\" is not a number; write 1 to 100000000, in digits only",
    },
    {
        .name = "max_leases",
        .by_default = "max_leases: 100000\n",
        .other = "max_leases: 1000000\n",
        .warning = "max_leases",
        .faulty = "max_leases: 0\n",
        .fault = "1:13: max_leases \"0\" is out of range; write 1 to 1000000, in digits only",
    },
    {
        .name = "state",
        .by_default = "",
        .other = "state: \"/var/lib/allowd/state\"\n",
        .warning = "state",
        .faulty = "state: x\n",
        .fault =
            "1:8: state \"x\" is not the path of a file; write an absolute one of at most 1023 "
            "bytes, such as /var/lib/allowd/state",
    },
    {
        .name = "when_full",
        .by_default = "when_full: evict\n",
        .other = "when_full: allow\n",
        .faulty = "when_full: x\n",
        .fault = "1:12: when_full \"x\" is not one of its words; write evict, deny or allow",
    },
    {
        .name = "headers",
        .by_default = "headers: ietf\n",
        .other = "headers: none\n",
        .faulty = "headers: x\n",
        .fault = "1:10: headers \"x\" is not one of its words; write ietf, ietf-acw, draft-03, "
                 "x-ratelimit, x-ratelimit-epoch or none",
    },
    {
        .name = "retry_after_ms",
        .by_default = "retry_after_ms: false\n",
        .other = "retry_after_ms: true\n",
        .faulty = "retry_after_ms: 1\n",
        .fault = "1:17: retry_after_ms \"1\" is not one of its words; write false or true",
    },
    {
        .name = "events",
        .by_default = "events:\n",
        .other = "events:\n",
        .faulty = "events: 10000\n",
        .fault = "1:9: events must be names with values, not a single value",
    },
    {
        .name = "keep",
        .by_default = "  keep: 10000\n",
        .other = "  keep: 0\n",
        .faulty = "events: {keep: 1000001}\n",
        .fault = "1:16: keep \"1000001\" is out of range; write 0 to 1000000, in digits only",
        .warning = "events: {keep}",
    },
    {
        .name = "log",
        .by_default = "log:\n",
        .other = "log:\n",
        .faulty = "log: x\n",
        .fault = "1:6: log must be names with values, not a single value",
    },
    {
        .name = "level",
        .by_default = "  level: info\n",
        .other = "  level: error\n",
        .faulty = "log: {level: x}\n",
        .fault = "1:14: level \"x\" is not one of its words; write error, warning or info",
    },
    {
        .name = "format",
        .by_default = "  format: text\n",
        .other = "  format: json\n",
        .faulty = "log: {format: x}\n",
        .fault = "1:15: format \"x\" is not one of its words; write text or json",
    },
    {
        .name = "denials",
        .by_default = "",
        .other = "  denials: 1000000/366d\n",
        .faulty = "log: {denials: 1000001/s}\n",
        .fault = "1:16: denials \"1000001/s\" is out of range; write 1 to 1000000 lines per period "
                 "of 1ms to 366d",
    },
    /* Without `fleet:` nothing of it is printed; test_fleet_config.c has the rest. */
    {
        .name = "fleet",
        .by_default = "",
        .is_of_fleet = false,
        .faulty = "fleet: main\n",
        .fault = "1:8: fleet must be names with values, not a single value",
    },
    {
        .name = "name",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet: {name: a b, store: [redis://a]}\n",
        .fault =
            "1:15: name \"a b\" is not the name of a fleet; write 1 to 32 letters, digits, '-', '_' and '.'",
    },
    {
        .name = "store",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet: {name: main, store: [a]}\n",
        .fault =
            "1:29: \"a\" is not a store; write redis://HOST:PORT, unix:/PATH, sentinel://HOST:PORT/MASTER or cluster://HOST:PORT",
    },
    {
        .name = "user",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  user: u\n",
        .fault = "4:9: user is given without password_file; give both, or leave user out",
    },
    {
        .name = "password_file",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  password_file: p\n",
        .fault =
            "4:18: password_file \"p\" is not the path of a file; write an absolute one of at most 1023 bytes, or credential:NAME",
    },
    {
        .name = "password_mode",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  password_mode: p\n",
        .fault = "4:18: password_mode \"p\" is not one of its words; write private or any",
    },
    {
        .name = "op_timeout",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  op_timeout: 11s\n",
        .fault =
            "4:15: op_timeout \"11s\" is out of range; write a number and ms or s, such as 50ms, from 1ms to 10s",
    },
    {
        .name = "reconnect_min",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  reconnect_min: 61s\n",
        .fault =
            "4:18: reconnect_min \"61s\" is out of range; write a number and ms, s, m or h, such as 50ms, from 1ms to 1m",
    },
    {
        .name = "reconnect_max",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  reconnect_max: 601s\n",
        .fault =
            "4:18: reconnect_max \"601s\" is out of range; write a number and ms, s, m or h, such as 5s, from 1ms to 10m",
    },
    {
        .name = "ttl",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  ttl: 601s\n",
        .fault =
            "4:8: ttl \"601s\" is out of range; write a number and ms, s, m or h, such as 2s, from 100ms to 10m",
    },
    {
        .name = "renew",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  renew: 9ms\n",
        .fault =
            "4:10: renew \"9ms\" is out of range; write a number and ms, s, m or h, such as 500ms, from 10ms to 10m",
    },
    {
        .name = "grace",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  grace: 61s\n",
        .fault =
            "4:10: grace \"61s\" is out of range; write a number and ms, s, m or h, such as 500ms, from 0s to 1m",
    },
    {
        .name = "clock_guard",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  clock_guard: 11s\n",
        .fault =
            "4:16: clock_guard \"11s\" is out of range; write a number and ms or s, such as 20ms, from 0s to 10s",
    },
    {
        .name = "return_after",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  return_after: 9ms\n",
        .fault =
            "4:17: return_after \"9ms\" is out of range; write a number and ms, s, m or h, such as 1s, from 10ms to 10m",
    },
    {
        .name = "horizon",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  horizon: 61s\n",
        .fault =
            "4:12: horizon \"61s\" is out of range; write a number and ms, s, m or h, such as 200ms, from 1ms to 1m",
    },
    {
        .name = "min_interval",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  min_interval: 61s\n",
        .fault =
            "4:17: min_interval \"61s\" is out of range; write a number and ms, s, m or h, such as 20ms, from 1ms to 1m",
    },
    {
        .name = "outstanding",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  outstanding: 101%\n",
        .fault =
            "4:16: outstanding \"101%\" is not a share of a bucket; write how much of it all sidecars together may have in hand, 1% to 100%, such as 50%",
    },
    {
        .name = "cold",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  cold: x\n",
        .fault = "4:9: cold \"x\" is not one of its words; write wait, deny or allow",
    },
    {
        .name = "cold_wait",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  cold_wait: 61s\n",
        .fault =
            "4:14: cold_wait \"61s\" is out of range; write a number and ms, s, m or h, such as 5ms, from 1ms to 1m",
    },
    {
        .name = "on_partition",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  on_partition: x\n",
        .fault = "4:17: on_partition \"x\" is not one of its words; write deny, share or allow",
    },
    {
        .name = "sidecars",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  sidecars: 101\n",
        .fault = "4:13: sidecars \"101\" is out of range; write 1 to 100, in digits only",
    },
    {
        .name = "on_loss",
        .by_default = "",
        .is_of_fleet = true,
        .faulty = "fleet:\n  name: main\n  store: [redis://a]\n  on_loss: x\n",
        .fault = "4:12: on_loss \"x\" is not one of its words; write empty or full",
    },
    {
        .name = "limits",
        .by_default =
            "limits:\n  - name: \"default\"\n    burst: 10\n    rate: 1/s\n    debt_max: 10\n    shadow: false\n    scope: local\n    on_expiry: keep\n",
        .other =
            "limits:\n  - name: \"default\"\n    burst: 20\n    rate: 1/s\n    debt_max: 20\n    shadow: true\n    scope: local\n    on_expiry: return\n",
        .faulty = "limits: []\n",
        .fault = "1:9: limits is an empty list; give it 1 to 1000 entries, or leave it out",
    },
    {
        .name = "checks",
        .by_default = "",
        .other = "checks:\n  - name: \"edge\"\n    key: \"{host}\"\n    wait: 0s\n"
                 "    deny_status: 403\n"
                 "    missing: deny\n",
        .faulty = "checks: [{name: edge}]\n",
        .fault = "1:10: key is missing; required here are name, key",
    },
};

static bool is_nested(const struct row *row)
{
    return row->is_of_fleet || (row->other != NULL && row->other[0] == ' ');
}

static char file[PATH_MAX], token_file[PATH_MAX];

static void append(char **text, const char *more)
{
    char *longer = NULL;
    assert_true(asprintf(&longer, "%s%s", *text == NULL ? "" : *text, more) > 0);
    free(*text);
    *text = longer;
}

/* What one row has of a dump in which the row `other` has its other value. */
static void append_row(char **text, size_t i, size_t other)
{
    const char *lines = i == other ? rows[i].other : rows[i].by_default;
    const char *path = strstr(lines, TOKEN_FILE);
    if (path == NULL) {
        append(text, lines);
        return;
    }
    char *before = strndup(lines, (size_t)(path - lines));
    append(text, before);
    append(text, token_file);
    append(text, path + 1);
    free(before);
}

/* The whole dump. To be freed. */
static char *whole_dump(size_t other)
{
    char *text = NULL;
    for (size_t i = 0; i < LENGTH(rows); i++)
        append_row(&text, i, other);
    return text;
}

static void write_text(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void load(const char *text, struct config *config)
{
    struct faults faults = {0};
    write_text(file, text);
    if (!config_load(file, config, &faults))
        fail_msg("%s\nis faulty: %s", text, faults.fault[0].text);
}

static void expect_dump(const struct config *config, const char *wanted)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_print(config, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, wanted);
    free(text);
}

static void the_table_has_these(void **state)
{
    (void)state;
    assert_int_equal(config_parameters_count, LENGTH(rows));
    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_string_equal(config_parameters[i].name, rows[i].name);
}

static void defaults_are_printed(void **state)
{
    (void)state;
    struct faults faults = {0};
    struct config config;
    char *wanted = whole_dump(LENGTH(rows));
    assert_true(config_load(NULL, &config, &faults));
    expect_dump(&config, wanted);
    config_release(&config);
    free(wanted);
}

/* What reloads from one to the other warn of: one thing, or nothing. */
static void expect_warning(const struct config *now, const struct config *next, const char *wanted)
{
    const char *found = NULL;
    for (size_t i = 0; i < config_parameters_count; i++) {
        const char *waiting = parameter_waits_for_start(&config_parameters[i], now, next);
        assert_true(waiting == NULL || found == NULL);
        found = waiting != NULL ? waiting : found;
    }
    assert_string_equal(found == NULL ? "" : found, wanted == NULL ? "" : wanted);
}

static void other_values_are_printed_and_may_wait(void **state)
{
    (void)state;
    struct faults faults = {0};
    struct config by_default, config;
    assert_true(config_load(NULL, &by_default, &faults));
    for (size_t i = 0; i < LENGTH(rows); i++) {
        if (rows[i].other == NULL)
            continue;
        char *text = whole_dump(i);
        load(text, &config);
        expect_dump(&config, text);
        expect_warning(&by_default, &config, rows[i].warning);
        expect_warning(&config, &by_default, rows[i].warning);
        expect_warning(&config, &config, NULL);
        config_release(&config);
        free(text);
    }
    config_release(&by_default);
}

static void what_the_command_line_fixed_does_not_wait(void **state)
{
    (void)state;
    struct faults faults = {0};
    struct config by_default, config;
    assert_true(config_load(NULL, &by_default, &faults));
    load("listen: ['127.0.0.1:1']\nlimits: [{name: default, burst: 1, rate: 1/s}]\n", &config);
    expect_warning(&by_default, &config, "listen");
    by_default.listen_is_fixed = true;
    expect_warning(&by_default, &config, NULL);
    config_release(&by_default);
    config_release(&config);
}

static void take_line(void *context, enum fault_kind kind, const char *place, const char *text)
{
    (void)kind;
    append(context, place);
    append(context, ": ");
    append(context, text);
    append(context, "\n");
}

static char *faults_of(const char *text)
{
    struct config config;
    struct faults faults = {0};
    char *told = NULL;
    write_text(file, text);
    if (config_load(file, &config, &faults))
        fail_msg("%s\nloads", text);
    faults_tell(&faults, "f", take_line, &told);
    faults_release(&faults);
    return told;
}

static void faults_say_what_is_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char *told = faults_of(rows[i].faulty), *wanted = NULL;
        bool has_place = strncmp(rows[i].fault, "0:0: ", 5) != 0;
        assert_true(asprintf(&wanted, "f:%s%s\n", has_place ? "" : " ",
                             rows[i].fault + (has_place ? 0 : 5)) > 0);
        assert_string_equal(told, wanted);
        free(wanted);
        free(told);
    }
}

static void an_unknown_name_is_told_all_names(void **state)
{
    (void)state;
    char *told = faults_of("x: 1\n"), *wanted = NULL;
    append(&wanted, "f:1:1: unknown name \"x\"; the names here are ");
    for (size_t i = 0; i < LENGTH(rows); i++) {
        if (is_nested(&rows[i]))
            continue;
        append(&wanted, i == 0 ? "" : ", ");
        append(&wanted, rows[i].name);
    }
    append(&wanted, "\n");
    assert_string_equal(told, wanted);
    free(wanted);
    free(told);
}

/* ---- a number or a word ---- */

static void a_word_may_stand_for_a_number(void **state)
{
    (void)state;
    struct faults faults = {0};
    assert_true(scalar_number_or(&faults, "n", "auto", "1:1 auto", 0, 64, 7) == SCALAR_IS_WORD);
    assert_int_equal(scalar_number_or(&faults, "n", "auto", "1:1 0", 0, 64, 7), 0);
    assert_int_equal(scalar_number_or(&faults, "n", "auto", NULL, 0, 64, 7), 7);
    assert_int_equal(faults.count, 0);
    assert_int_equal(scalar_number_or(&faults, "n", "auto", "1:1 Auto", 0, 64, 7), 0);
    assert_int_equal(scalar_number_or(&faults, "n", "auto", "1:1 65", 0, 64, 7), 0);
    assert_int_equal(scalar_number_or(&faults, "n", NULL, "1:1 auto", 0, 64, 7), 0);
    assert_int_equal(faults.count, 3);
    assert_string_equal(
        faults.fault[0].text,
        "n \"Auto\" is not a number or auto; write auto, or 0 to 64, in digits only");
    assert_string_equal(faults.fault[1].text,
                        "n \"65\" is out of range; write auto, or 0 to 64, in digits only");
    assert_string_equal(faults.fault[2].text,
                        "n \"auto\" is not a number; write 0 to 64, in digits only");
    faults_release(&faults);
}

/* ---- what users read ---- */

/* What follows a name between two texts, which must be there. */
static const char *after(const char *text, const char *before, const char *name, const char *end)
{
    char *wanted = NULL;
    assert_true(asprintf(&wanted, "%s%s%s", before, name, end) > 0);
    const char *found = strstr(text, wanted);
    if (found == NULL)
        fail_msg("there is no \"%s\" where it should be", wanted);
    found += strlen(wanted);
    free(wanted);
    return found;
}

static void the_manual_has_them_in_this_order(void **state)
{
    (void)state;
    char *manual = source_read("man/allowd.yaml.5");
    const char *rest = after(manual, "\n.Ss ", "Parameters", "\n");
    for (size_t i = 0; i < LENGTH(rows); i++)
        rest = after(rest, "\n.It Ic ", rows[i].name, " : ");
    free(manual);
}

/* Its head names what waits for a restart. */
static void the_example_says_what_waits(void **state)
{
    (void)state;
    char *example = source_read("etc/allowd.yaml");
    char *head = strstr(example, "a restart"), *end = strstr(head, "\n\n");
    assert_non_null(end);
    *end = '\0';
    for (size_t i = 0; i < config_parameters_count; i++)
        if (config_parameters[i].effect != PARAMETER_AT_RELOAD &&
            strstr(head, config_parameters[i].name) == NULL)
            fail_msg("etc/allowd.yaml does not say that %s waits", config_parameters[i].name);
    free(example);
}

/* Set to its default, or commented out. */
static void the_example_has_each(void **state)
{
    (void)state;
    char *example = source_read("etc/allowd.yaml");
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const char *indent = is_nested(&rows[i]) ? "  " : "";
        char *set = NULL, *commented = NULL;
        assert_true(asprintf(&set, "\n%s%s:", indent, rows[i].name) > 0);
        assert_true(asprintf(&commented, "\n#%s%s:", indent, rows[i].name) > 0);
        if (strstr(example, set) == NULL && strstr(example, commented) == NULL)
            fail_msg("etc/allowd.yaml has no %s", rows[i].name);
        free(commented);
        free(set);
    }
    free(example);
}

static int open_files(void **state)
{
    (void)state;
    const char *directory = getenv("TMPDIR");
    snprintf(file, sizeof file, "%s/allowd-test-XXXXXX", directory ? directory : "/tmp");
    snprintf(token_file, sizeof token_file, "%s", file);
    int one = mkstemp(file), other = mkstemp(token_file);
    write_text(token_file, "0123456789abcdef");
    close(one);
    close(other);
    return one < 0 || other < 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(file);
    unlink(token_file);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_has_these),
        cmocka_unit_test(defaults_are_printed),
        cmocka_unit_test(other_values_are_printed_and_may_wait),
        cmocka_unit_test(what_the_command_line_fixed_does_not_wait),
        cmocka_unit_test(faults_say_what_is_allowed),
        cmocka_unit_test(an_unknown_name_is_told_all_names),
        cmocka_unit_test(a_word_may_stand_for_a_number),
        cmocka_unit_test(the_manual_has_them_in_this_order),
        cmocka_unit_test(the_example_has_each),
        cmocka_unit_test(the_example_says_what_waits),
    };
    return cmocka_run_group_tests(tests, open_files, remove_files);
}
