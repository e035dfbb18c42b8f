/*
 * Configuration files and what must come of them.
 *
 *   conf [--update] [TOP_SRCDIR]
 *
 * Each NAME.yaml in tests/conf has a NAME.dump, what config_print then writes other
 * than by default, or a NAME.error, the lines that its faults make, with NAMES for the
 * list of all parameters. So a new parameter changes none of them; all that is written
 * by default is in tests/unit/test_parameters.c. If it has a NAME.dump and there are
 * warnings, their lines are its NAME.warning. --update writes all three anew, to be read
 * over before they are committed. What a file cannot show, or would take too large a
 * one, is a test function here.
 */
#include "base/clock.h"
#include "base/date.h"
#include "config/config.h"
#include "config/schema.h"
#include "support/failing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define NAMES "NAMES" /* stands for all names of parameters */
#define NO_DIFFERENCE "# the defaults\n"
#define DEFAULT_LIMIT "  - name: default\n    burst: 10\n    rate: 1/s\n"

static const char *top = ".";
static char cases[PATH_MAX];   /* the directory of the files */
static char scratch[PATH_MAX]; /* one of this process's own */

/* ---- helpers ---- */

/* That an end is past depends on when the test runs: test_ends_in_the_past has that. */
static void tell_line(void *context, enum fault_kind kind, const char *place, const char *text)
{
    if (kind == FAULT_WARNING && strstr(text, " is past, ") != NULL)
        return;
    fprintf(context, "%s: %s%s\n", place, kind == FAULT_WARNING ? "warning: " : "", text);
}

/* What loading a file comes to: the dump, or the faults under this name; and *warnings, which of a
 * file with faults are among them. Both to be freed. */
static char *outcome_and_warnings(const char *path, const char *name, bool *is_loaded,
                                  char **warnings)
{
    char *text = NULL;
    size_t len = 0, warnings_len = 0;
    *warnings = NULL;
    FILE *out = open_memstream(&text, &len), *warned = open_memstream(warnings, &warnings_len);
    assert_non_null(out);
    assert_non_null(warned);
    struct faults faults = {0};
    struct config config, before;
    memset(&config, 0x5a, sizeof config);
    before = config;

    *is_loaded = config_load(path, &config, &faults);
    if (*is_loaded) {
        assert_int_equal(faults.count, 0);
        config_print(&config, out);
        config_release(&config);
        faults_tell(&faults, name, tell_line, warned);
    } else {
        assert_true(faults.count > 0);
        assert_memory_equal(&config, &before, sizeof config);
        faults_tell(&faults, name, tell_line, out);
    }
    faults_release(&faults);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(fclose(warned), 0);
    return text;
}

static char *outcome(const char *path, const char *name, bool *is_loaded)
{
    char *warnings;
    char *text = outcome_and_warnings(path, name, is_loaded, &warnings);
    free(warnings);
    return text;
}

/* "DIRECTORY/NAMEENDING", to be freed. */
static char *joined(const char *directory, const char *name, const char *ending)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s%s", directory, name, ending) > 0);
    return path;
}

/* The whole of a file, or NULL if there is none. To be freed. */
static char *read_text(const char *path)
{
    FILE *in = fopen(path, "r");
    if (in == NULL)
        return NULL;
    char *text = NULL;
    size_t room = 0;
    if (getdelim(&text, &room, '\0', in) < 0)
        assert_true(feof(in));
    fclose(in);
    return text != NULL ? text : strdup("");
}

static char *write_file(const char *name, const char *bytes, size_t len)
{
    char *path = joined(scratch, name, "");
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
    return path;
}

/* That these bytes, as the file "f", load, or do not, to this text. */
static void check_bytes(const char *bytes, size_t len, bool loads, const char *wanted)
{
    bool is_loaded;
    char *path = write_file("f", bytes, len);
    char *text = outcome(path, "f", &is_loaded);
    assert_string_equal(text, wanted);
    assert_int_equal(is_loaded, loads);
    unlink(path);
    free(path);
    free(text);
}

static void check_text(const char *text, bool loads, const char *wanted)
{
    check_bytes(text, strlen(text), loads, wanted);
}

/* That a path cannot be loaded, for this reason. */
static void check_path(const char *path, const char *wanted)
{
    bool is_loaded;
    char *text = outcome(path, "f", &is_loaded);
    assert_string_equal(text, wanted);
    assert_false(is_loaded);
    free(text);
}

static char *default_dump(void)
{
    bool is_loaded;
    char *text = outcome(NULL, "", &is_loaded);
    assert_true(is_loaded);
    return text;
}

/* "listen, admin_listen, ...", to be freed. */
static char *all_names(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    for (size_t i = 0; i < config_parameters_count; i++)
        if (config_parameters[i].group == NULL)
            fprintf(out, "%s%s", i == 0 ? "" : ", ", config_parameters[i].name);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* Where the lines end that belong to the name on this one. */
static const char *entry_end(const char *line)
{
    do
        line = strchr(line, '\n') + 1;
    while (line[0] == ' ');
    return line;
}

/* Whether a dump has these lines. */
static bool has_entry(const char *dump, const char *line, const char *end)
{
    size_t len = (size_t)(end - line);
    for (; *dump != '\0'; dump = strchr(dump, '\n') + 1)
        if (strncmp(dump, line, len) == 0 && (line[0] == ' ' || dump[len] != ' '))
            return true;
    return false;
}

/* That every name of a dump is in another one as well. */
static void check_names_are_there(const char *names, const char *dump)
{
    for (const char *end; *names != '\0'; names = end) {
        end = entry_end(names);
        int len = (int)strcspn(names, ":") + 1;
        const char *line = dump;
        while (*line != '\0' && strncmp(line, names, (size_t)len) != 0)
            line = entry_end(line);
        if (*line == '\0')
            fail_msg("%.*s is not in\n%s", len, names, dump);
    }
}

/* `head`, then `unit` so many times; to be freed. */
static char *repeated(const char *head, const char *unit, size_t times, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    assert_non_null(out);
    fputs(head, out);
    for (size_t i = 0; i < times; i++)
        fputs(unit, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* ---- the files ---- */

/* What a dump has other than the default one: of each name the lines, but below log the lines
 * that are others. To be freed. */
static char *difference(const char *dump)
{
    char *defaults = default_dump(), *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    for (const char *line = dump, *end; *line != '\0'; line = end) {
        end = entry_end(line);
        if (has_entry(defaults, line, end))
            continue;
        const char *below = strchr(line, '\n') + 1;
        bool is_group = below < end && strncmp(below, "  - ", 4) != 0;
        if (!is_group)
            fwrite(line, 1, (size_t)(end - line), out);
        else
            fwrite(line, 1, (size_t)(below - line), out);
        for (const char *next; is_group && below < end; below = next) {
            next = strchr(below, '\n') + 1;
            if (!has_entry(defaults, below, next))
                fwrite(below, 1, (size_t)(next - below), out);
        }
    }
    if (ftell(out) == 0)
        fputs(NO_DIFFERENCE, out);
    assert_int_equal(fclose(out), 0);
    check_names_are_there(defaults, dump);
    free(defaults);
    return text;
}

/* The text, with NAMES for the list of all parameters. To be freed. */
static char *without_names(const char *text)
{
    char *names = all_names(), *shorter = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&shorter, &len);
    assert_non_null(out);
    for (const char *found; (found = strstr(text, names)) != NULL; text = found + strlen(names))
        fprintf(out, "%.*s" NAMES, (int)(found - text), text);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    free(names);
    return shorter;
}

/* What comes of a case's file, told under the name that the file has here. */
static char *case_outcome(const char *name, bool *is_loaded, char **warnings)
{
    char *path = joined(cases, name, ".yaml");
    char *text = outcome_and_warnings(path, path + strlen(cases) + 1, is_loaded, warnings);
    free(path);
    return text;
}

/* As much of it as the expected file has. */
static char *case_expectation(const char *text, bool is_loaded)
{
    return is_loaded ? difference(text) : without_names(text);
}

/* That the configuration which a dump describes has the same dump. */
static void check_round_trip(const char *dump)
{
    check_text(dump, true, dump);
}

/* That a case's file has these warnings. */
static void check_warnings(const char *name, const char *warnings)
{
    char *path = joined(cases, name, ".warning"), *wanted = read_text(path);
    assert_string_equal(warnings, wanted == NULL ? "" : wanted);
    if (wanted != NULL)
        assert_string_not_equal(wanted, "");
    free(wanted);
    free(path);
}

static void test_case(void **state)
{
    const char *name = *state;
    bool is_loaded;
    char *warnings, *text = case_outcome(name, &is_loaded, &warnings);
    char *told = case_expectation(text, is_loaded);
    char *wanted_path = joined(cases, name, is_loaded ? ".dump" : ".error");
    char *wanted = read_text(wanted_path);
    if (wanted == NULL)
        fail_msg("there is no %s; this came of it:\n%s", wanted_path, told);
    assert_string_equal(told, wanted);
    if (is_loaded)
        check_round_trip(text);
    if (is_loaded && strcmp(told, NO_DIFFERENCE) != 0)
        check_text(told, true, text); /* the rest is by default */
    check_warnings(name, warnings);
    free(warnings);
    free(wanted);
    free(wanted_path);
    free(told);
    free(text);
}

/* Writes an expected file anew; without a text, removes it. */
static void update_file(const char *name, const char *ending, const char *text)
{
    char *path = joined(cases, name, ending);
    unlink(path);
    FILE *out = text[0] == '\0' ? NULL : fopen(path, "w");
    if (text[0] != '\0' && (out == NULL || fputs(text, out) < 0 || fclose(out) != 0))
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    free(path);
}

static void update_case(const char *name)
{
    bool is_loaded;
    char *warnings, *text = case_outcome(name, &is_loaded, &warnings);
    char *told = case_expectation(text, is_loaded);
    update_file(name, ".dump", is_loaded ? told : "");
    update_file(name, ".error", is_loaded ? "" : told);
    update_file(name, ".warning", warnings);
    free(warnings);
    free(told);
    free(text);
}

/* ---- the shipped example ---- */

static void test_shipped_example_is_the_defaults(void **state)
{
    (void)state;
    bool is_loaded;
    char *path = joined(top, "etc/allowd.yaml", "");
    char *warnings, *text = outcome_and_warnings(path, "allowd.yaml", &is_loaded, &warnings);
    char *defaults = default_dump();
    assert_string_equal(text, defaults);
    assert_string_equal(warnings, "");
    free(warnings);
    check_round_trip(defaults);
    free(defaults);
    free(text);
    free(path);
}

/* That these bytes load, to that besides the defaults. */
static void check_other_than_default(const char *text, const char *wanted)
{
    bool is_loaded;
    char *path = write_file("f", text, strlen(text)), *warnings;
    char *dump = outcome_and_warnings(path, "f", &is_loaded, &warnings);
    char *told = case_expectation(dump, is_loaded);
    assert_string_equal(told, wanted);
    assert_true(is_loaded);
    assert_string_equal(warnings, "");
    free(warnings);
    unlink(path);
    free(path);
    free(told);
    free(dump);
}

/* The block of the fleet, which is commented out, has the defaults, but for what there is no default of. */
static void test_shipped_fleet_has_the_defaults(void **state)
{
    (void)state;
    static const char *const left_out[] = {"  user:", "  password_file:", "  sidecars:"};
#define FLEET_LIMIT "limits: [{name: default, burst: 10, rate: 1/s, scope: fleet}]\n"
    static const char limits[] = FLEET_LIMIT;
    static const char least[] =
        "fleet: {name: main, store: ['redis://10.0.0.1:6379']}\n" FLEET_LIMIT;
    char *path = joined(top, "etc/allowd.yaml", ""), *text = read_text(path), *block = NULL;
    size_t len = 0;
    assert_non_null(text);
    char *at = strstr(text, "\n#fleet:\n");
    assert_non_null(at);
    FILE *out = open_memstream(&block, &len);
    assert_non_null(out);
    for (at++; at[0] == '#'; at = strchr(at, '\n') + 1) {
        bool is_wanted = true;
        for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
            is_wanted &= strncmp(at + 1, left_out[i], strlen(left_out[i])) != 0;
        if (is_wanted)
            fprintf(out, "%.*s", (int)(strchr(at, '\n') - at), at + 1);
    }
    fputs(limits, out);
    assert_int_equal(fclose(out), 0);
    bool is_loaded;
    char *minimal = write_file("minimal", least, strlen(least));
    char *wanted = outcome(minimal, "", &is_loaded);
    assert_true(is_loaded);
    check_bytes(block, len, true, wanted);
    unlink(minimal);
    free(wanted);
    free(minimal);
    free(block);
    free(text);
    free(path);
}

/* The commented-out examples: without their '#' they must load. */
static void test_shipped_example_uncommented(void **state)
{
    (void)state;
    char *path = joined(top, "etc/allowd.yaml", ""), *text = read_text(path);
    assert_non_null(text);
    for (char *at = text; (at = strstr(at, "\n#")) != NULL; at++)
        if (strncmp(at, "\n#  - ", 6) == 0 || strncmp(at, "\n#    ", 6) == 0 ||
            strncmp(at, "\n#checks:", 9) == 0)
            memmove(at + 1, at + 2, strlen(at + 2) + 1);
    check_other_than_default(text, "listen:\n"
                                   "  - \"127.0.0.1:10429\"\n"
                                   "  - \"[::1]:10429\"\n"
                                   "  - \"unix:/run/allowd/allowd.sock\"\n"
                                   "header_room: 16384\n"
                                   "limits:\n"
                                   "  - name: \"api\"\n"
                                   "    match: \"api:*\"\n"
                                   "    burst: 100\n"
                                   "    rate: 50/s\n"
                                   "    debt_max: 100\n"
                                   "    shadow: false\n"
                                   "    scope: local\n"
                                   "    on_expiry: keep\n"
                                   "    overrides:\n"
                                   "      - key: \"api:partner\"\n"
                                   "        burst: 500\n"
                                   "        rate: 200/s\n"
                                   "        debt_max: 500\n"
                                   "        until: \"2030-12-31T23:59:59Z\"\n"
                                   "      - key: \"api:test-*\"\n"
                                   "        action: allow\n"
                                   "      - key: \"api:10.0.0.0/8\"\n"
                                   "        action: allow\n"
                                   "  - name: \"search\"\n"
                                   "    match: \"search:*\"\n"
                                   "    buckets:\n"
                                   "      - name: \"second\"\n"
                                   "        burst: 20\n"
                                   "        rate: 10/s\n"
                                   "        debt_max: 20\n"
                                   "      - name: \"hour\"\n"
                                   "        burst: 500\n"
                                   "        rate: 500/h\n"
                                   "        debt_max: 500\n"
                                   "    shadow: true\n"
                                   "    scope: local\n"
                                   "    on_expiry: keep\n"
                                   "  - name: \"llm\"\n"
                                   "    match: \"llm:*\"\n"
                                   "    burst: 20000\n"
                                   "    rate: 20000/m\n"
                                   "    debt_max: 40000\n"
                                   "    shadow: false\n"
                                   "    scope: local\n"
                                   "    on_expiry: keep\n"
                                   "  - name: \"jobs\"\n"
                                   "    match: \"job:*\"\n"
                                   "    concurrent: 8\n"
                                   "    shadow: false\n"
                                   "    scope: local\n"
                                   "    overrides:\n"
                                   "      - key: \"job:large\"\n"
                                   "        concurrent: 2\n"
                                   "  - name: \"builds\"\n"
                                   "    match: \"build:*\"\n"
                                   "    buckets:\n"
                                   "      - name: \"running\"\n"
                                   "        concurrent: 3\n"
                                   "      - name: \"begun\"\n"
                                   "        burst: 60\n"
                                   "        rate: 60/m\n"
                                   "        debt_max: 60\n"
                                   "    shadow: false\n"
                                   "    scope: local\n"
                                   "    on_expiry: keep\n"
                                   "  - name: \"login\"\n"
                                   "    burst: 5\n"
                                   "    rate: 5/h\n"
                                   "    debt_max: 5\n"
                                   "    shadow: false\n"
                                   "    scope: local\n"
                                   "    on_expiry: keep\n"
                                   "  - name: \"default\"\n"
                                   "    burst: 10\n"
                                   "    rate: 1/s\n"
                                   "    debt_max: 10\n"
                                   "    shadow: false\n"
                                   "    scope: local\n"
                                   "    on_expiry: keep\n"
                                   "checks:\n"
                                   "  - name: \"edge\"\n"
                                   "    limit: \"default\"\n"
                                   "    key: \"{client_ip/64}\"\n"
                                   "    wait: 0s\n"
                                   "    deny_status: 403\n"
                                   "    never_status: 404\n"
                                   "    missing: deny\n"
                                   "    skip:\n"
                                   "      - methods:\n"
                                   "          - \"OPTIONS\"\n"
                                   "    cost:\n"
                                   "      - paths:\n"
                                   "          - \"/search*\"\n"
                                   "        tokens: 5\n"
                                   "    answers:\n"
                                   "      never:\n"
                                   "        body: \"no\"\n"
                                   "      missing:\n"
                                   "        status: 400\n"
                                   "        body: \"who are you?\"\n"
                                   "    client_ip_header: \"X-Real-IP\"\n"
                                   "    trusted_proxies:\n"
                                   "      - \"127.0.0.1\"\n"
                                   "      - \"unix\"\n");
    free(text);
    free(path);
}

/* Nothing in the recipes is warned of. */
static void test_examples_have_no_warnings(void **state)
{
    (void)state;
    static const char *const examples[] = {"allowd-checks.yaml", "allowd-answers.yaml"};
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        bool is_loaded;
        char *path = joined(top, "etc/examples/", examples[i]), *warnings;
        char *text = outcome_and_warnings(path, examples[i], &is_loaded, &warnings);
        assert_true(is_loaded);
        assert_string_equal(warnings, "");
        free(warnings);
        free(text);
        free(path);
    }
}

/* ---- what depends on the date ---- */

static void tell_any(void *context, enum fault_kind kind, const char *place, const char *text)
{
    fprintf(context, "%s: %d: %s\n", place, (int)kind, text);
}

static void test_ends_in_the_past(void **state)
{
    (void)state;
    enum { DAY_S = 24 * 3600 };
    char past[DATE_TEXT_MAX], future[DATE_TEXT_MAX], *text, *path, *told = NULL, *wanted;
    size_t len = 0;
    int64_t now_s = clock_date_s(&clock_system);
    date_print(now_s - DAY_S, past);
    date_print(now_s + DAY_S, future);
    assert_true(asprintf(&text,
                         "limits:\n- name: default\n  burst: 1\n  rate: 1/s\n  overrides:\n"
                         "  - {key: a, action: deny, until: \"%s\"}\n"
                         "  - {key: b, action: deny, until: \"%s\"}\n",
                         past, future) > 0);
    assert_true(asprintf(&wanted,
                         "f:6:35: %d: until \"%s\" is past, so this override does not hold; leave "
                         "the override out, or write a later time\n",
                         (int)FAULT_WARNING, past) > 0);
    struct faults faults = {0};
    struct config config;
    path = write_file("f", text, strlen(text));
    assert_true(config_load(path, &config, &faults));
    FILE *out = open_memstream(&told, &len);
    assert_non_null(out);
    faults_tell(&faults, "f", tell_any, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(told, wanted);
    assert_int_equal(faults.warnings, 1);
    faults_release(&faults);
    config_release(&config);
    unlink(path);
    free(told);
    free(wanted);
    free(path);
    free(text);
}

/* ---- what is not a file to read ---- */

static void test_absent(void **state)
{
    (void)state;
    char *path = joined(scratch, "absent", "");
    check_path(path, "f: cannot be opened: No such file or directory\n");
    free(path);
    check_path("", "f: cannot be opened: No such file or directory\n");
}

static void test_below_a_file(void **state)
{
    (void)state;
    char *file = write_file("f", "", 0), *path = joined(file, "g", "");
    check_path(path, "f: cannot be opened: Not a directory\n");
    unlink(file);
    free(path);
    free(file);
}

static void test_links(void **state)
{
    (void)state;
    char *link = joined(scratch, "link", ""), *file = write_file("f", "threads: 1\n", 11);
    bool is_loaded;
    assert_int_equal(symlink("link", link), 0);
    check_path(link, "f: cannot be opened: Too many levels of symbolic links\n");
    unlink(link);
    assert_int_equal(symlink("f", link), 0);
    free(outcome(link, "f", &is_loaded));
    assert_true(is_loaded);
    unlink(link);
    unlink(file);
    free(file);
    free(link);
}

static void test_directory(void **state)
{
    (void)state;
    check_path(scratch, "f: is a directory; the configuration must be a regular file\n");
}

static void test_device(void **state)
{
    (void)state;
    check_path("/dev/null", "f: is a device; the configuration must be a regular file\n");
}

/* With nobody at the other end, opening a FIFO in the usual way waits for ever. */
static void test_fifo(void **state)
{
    (void)state;
    char *path = joined(scratch, "fifo", "");
    assert_int_equal(mkfifo(path, 0600), 0);
    check_path(path, "f: is a FIFO; the configuration must be a regular file\n");
    unlink(path);
    free(path);
}

static void test_socket(void **state)
{
    (void)state;
    char *path = joined(scratch, "socket", "");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    check_path(path, "f: cannot be opened: No such device or address\n");
    close(fd);
    unlink(path);
    free(path);
}

/* Root reads what nobody may read: there it must load. */
static void test_unreadable(void **state)
{
    (void)state;
    bool is_loaded;
    char *path = write_file("f", "threads: 1\n", 11);
    assert_int_equal(chmod(path, 0), 0);
    if (access(path, R_OK) == 0) {
        free(outcome(path, "f", &is_loaded));
        assert_true(is_loaded);
    } else {
        check_path(path, "f: cannot be opened: Permission denied\n");
    }
    unlink(path);
    free(path);
}

static void test_size(void **state)
{
    (void)state;
    size_t len;
    char *defaults = default_dump();
    char *text = repeated("threads: auto\n", "# 3456789\n", CONFIG_FILE_MAX / 10 + 2, &len);
    memcpy(text + CONFIG_FILE_MAX - 1, "\n", 2);
    check_bytes(text, CONFIG_FILE_MAX, true, defaults);
    check_bytes(text, CONFIG_FILE_MAX + 1, false,
                "f: is larger than 1048576 bytes, the most that is read\n");
    check_bytes(text, len, false, "f: is larger than 1048576 bytes, the most that is read\n");
    free(text);
    free(defaults);
}

/* ---- characters ---- */

#define MUST_BE_TEXT "; the file must be UTF-8 text without control characters\n"

static void test_byte_order_marks(void **state)
{
    (void)state;
    char *defaults = default_dump();
    check_text("\xef\xbb\xbf"
               "threads: auto\n",
               true, defaults);
    check_text("\xef\xbb\xbf"
               "tick: 5s5\n",
               false,
               "f:1:7: tick \"5s5\" is not a duration; write a number and ms or s, such as 100ms, "
               "from 1ms to 10s\n");
    check_bytes("\xff\xfet\0:\0", 6, false, "f: is UTF-16 text; the configuration must be UTF-8\n");
    check_bytes("\xfe\xff\0t\0:", 6, false, "f: is UTF-16 text; the configuration must be UTF-8\n");
    check_text("\xef\xbb\xbf", false,
               "f:1:1: the configuration is empty; it takes names with values\n");
    free(defaults);
}

static void test_not_utf8(void **state)
{
    (void)state;
    check_text("threads: 1 # \xfc\n", false, "f:1:14: byte 0xfc is not UTF-8" MUST_BE_TEXT);
    check_text("threads: 1 # \xc3\xa9 \xc3\n", false,
               "f:1:16: byte 0xc3 is not UTF-8" MUST_BE_TEXT);
    check_text("threads: 1\n#\xc0\x80\n#\xed\xa0\x80\n#\xf4\x90\x80\x80\n", false,
               "f:2:2: byte 0xc0 is not UTF-8" MUST_BE_TEXT
               "f:3:2: byte 0xed is not UTF-8" MUST_BE_TEXT
               "f:4:2: byte 0xf4 is not UTF-8" MUST_BE_TEXT);
    /* The rest of the file is still looked at, and a line is reported once. */
    check_text("# \xff\xff\xff\r\nthreads: 65\r\n", false,
               "f:1:3: byte 0xff is not UTF-8" MUST_BE_TEXT
               "f:2:10: threads \"65\" is out of range; write auto, or 0 to 64, in digits only\n");
    check_text("threads: 1 # \xe2\x82", false, "f:1:14: byte 0xe2 is not UTF-8" MUST_BE_TEXT);
    check_text("threads: 1 # \xef\xbf\xbe\n", false,
               "f:1:14: byte 0xef is not a Unicode character" MUST_BE_TEXT);
}

static void test_raw_control_characters(void **state)
{
    (void)state;
    check_bytes("threads: 1 # \0\n", 15, false,
                "f:1:14: byte 0x00 is a control character" MUST_BE_TEXT);
    check_text("threads: 1 # \x1b[2J\n# \x7f\n# \xc2\x85\n", false,
               "f:1:14: byte 0x1b is a control character" MUST_BE_TEXT
               "f:2:3: byte 0x7f is a control character" MUST_BE_TEXT
               "f:3:3: byte 0xc2 is a control character" MUST_BE_TEXT);
}

static void test_line_ends(void **state)
{
    (void)state;
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "threads: 1%s# \xff%smax_keys: 0%s", ends[i], ends[i], ends[i]);
        check_text(text, false,
                   "f:2:3: byte 0xff is not UTF-8" MUST_BE_TEXT
                   "f:3:11: max_keys \"0\" is out of range; write 1 to 100000000, in digits "
                   "only\n");
    }
}

/* ---- great numbers of things ---- */

#define DEEP 20000
#define TOO_DEEP "nested more than 100 levels deep; what follows is not checked\n"

static void check_deep(const char *head, const char *unit, size_t times, const char *wanted)
{
    size_t len;
    char *text = repeated(head, unit, times, &len);
    check_bytes(text, len, false, wanted);
    free(text);
}

static void test_nested_too_deep(void **state)
{
    (void)state;
    check_deep("", "[", DEEP, "f:1:101: " TOO_DEEP);
    check_deep("", "[", CONFIG_FILE_MAX, "f:1:101: " TOO_DEEP);
    check_deep("", "- ", DEEP, "f:1:201: " TOO_DEEP);
    check_deep("", "? ", DEEP, "f:1:203: " TOO_DEEP);
    check_deep("threads: 1\ntick: ", "[", DEEP, "f:2:107: " TOO_DEEP);
    check_deep("limits:\n- name: ", "{a: ", DEEP, "f:2:409: " TOO_DEEP);
    check_deep("limits:\n- name: x\n  burst: 0\n  rate: ", "[", DEEP,
               "f:3:10: burst \"0\" is out of range; write 1 to 999999999999999, in digits only\n"
               "f:4:109: " TOO_DEEP);
}

/* The value of an unknown name may be as deep as it likes, within the same bounds. */
static void test_deep_and_closed(void **state)
{
    (void)state;
    char text[300] = "a: ";
    memset(text + 3, '[', 100);
    memset(text + 103, ']', 100);
    char *names = all_names(), *wanted = NULL;
    assert_true(asprintf(&wanted, "f:1:1: unknown name \"a\"; the names here are %s\n", names) > 0);
    check_text(text, false, wanted);
    free(wanted);
    free(names);
}

static void test_more_faults_than_are_kept(void **state)
{
    (void)state;
    size_t len;
    char *text = repeated("", "x: 1\n", FAULTS_MAX + 50, &len);
    char *path = write_file("f", text, len), *told;
    bool is_loaded;
    told = outcome(path, "f", &is_loaded);
    assert_non_null(strstr(told, "f:100:1: unknown name \"x\""));
    assert_null(strstr(told, "f:101:1:"));
    assert_string_equal(strstr(told, "f: 50"), "f: 50 more faults not shown\n");
    unlink(path);
    free(told);
    free(path);
    free(text);
}

/* A file of `count` limits, the last one the default. */
static char *many_limits(unsigned count)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    fputs("limits:\n", out);
    for (unsigned i = 1; i < count; i++)
        fprintf(out, "  - {name: limit %u, burst: 1, rate: 1/s}\n", i);
    fputs(DEFAULT_LIMIT, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_many_limits(void **state)
{
    (void)state;
    struct faults faults = {0};
    struct config config;
    char *text = many_limits(LIMITS_MAX), *path = write_file("f", text, strlen(text));
    assert_true(config_load(path, &config, &faults));
    assert_int_equal(config.limits->count, LIMITS_MAX);
    assert_int_equal(config.limits->fallback, LIMITS_MAX - 1);
    config_release(&config);
    unlink(path);
    free(path);
    free(text);

    /* The default is beyond what is looked at: it is not said to be missing. */
    text = many_limits(LIMITS_MAX + 1);
    check_text(text, false, "f:1002:5: limits has more entries than the 1000 it may have\n");
    free(text);
    text = many_limits(LIMITS_MAX + 500);
    check_text(text, false, "f:1002:5: limits has more entries than the 1000 it may have\n");
    free(text);
}

/* `before` and so many overrides of one limit after it, each for a key of its own. */
static void write_overrides(FILE *out, const char *before, unsigned count)
{
    fprintf(out, "%s    overrides:\n", before);
    for (unsigned i = 0; i < count; i++)
        fprintf(out,
                "      - {key: user:%u, burst: %u, rate: 1/s, until: \"2026-12-31T23:59:59Z\"}\n",
                i * 7919 % count, i + 1);
}

/* A file of two limits with so many overrides each, and `after`. */
static char *many_overrides(unsigned count, unsigned of_default, const char *after)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    fputs("limits:\n", out);
    if (count > 0)
        write_overrides(out, "  - name: a\n    burst: 1\n    rate: 1/s\n", count);
    write_overrides(out, DEFAULT_LIMIT, of_default);
    fputs(after, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_many_overrides(void **state)
{
    (void)state;
    struct faults faults = {0};
    struct config config;
    char *text = many_overrides(0, OVERRIDES_MAX, ""), *path = write_file("f", text, strlen(text));
    assert_true(config_load(path, &config, &faults));
    const struct limit *limit = &config.limits->limit[0];
    assert_int_equal(limit->overrides_count, OVERRIDES_MAX);
    assert_int_equal(limit->exact_count, OVERRIDES_MAX);
    assert_string_equal(limit->overrides[1].key, "user:7919");
    assert_int_equal(limit->overrides[1].allowance.burst, 2);
    assert_int_equal(limit->overrides[OVERRIDES_MAX - 1].allowance.burst, OVERRIDES_MAX);
    config_release(&config);
    unlink(path);
    free(path);
    free(text);

    text = many_overrides(0, OVERRIDES_MAX + 2, "");
    check_text(text, false, "f:10006:9: overrides has more entries than the 10000 it may have\n");
    free(text);
    text = many_overrides(0, OVERRIDES_MAX - 1, "      - {key: user:5, action: allow}\n");
    check_text(text, false,
               "f:10005:15: key \"user:5\" has an override already, on line 2674; give each key "
               "of a limit one\n");
    free(text);
}

static void test_many_overrides_together(void **state)
{
    (void)state;
    bool is_loaded;
    char *text = many_overrides(OVERRIDES_MAX / 2, OVERRIDES_MAX / 2, "");
    char *path = write_file("f", text, strlen(text));
    free(outcome(path, "f", &is_loaded));
    assert_true(is_loaded);
    unlink(path);
    free(path);
    free(text);

    /* Said once, at the first there is no room for. */
    text = many_overrides(OVERRIDES_MAX / 2, OVERRIDES_MAX / 2 + 2, DEFAULT_LIMIT);
    check_text(text, false,
               "f:10010:9: the limits have more overrides than the 10000 they may have together\n"
               "f:10012:11: name \"default\" is taken by the limit on line 5006; give each limit "
               "its own\n");
    free(text);
}

/* The most memory that a file can ask for by its shape: its faults are told all the same. */
static void test_file_of_empty_mappings(void **state)
{
    (void)state;
    const char *wanted = getenv("ALLOWD_CONF_LARGEST");
    if (wanted != NULL && strcmp(wanted, "0") == 0)
        skip(); /* half a minute under valgrind */
    char *text = NULL, *told;
    size_t len;
    bool is_loaded;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    fputs("limits:\n", out);
    for (unsigned i = 0; i < LIMITS_MAX; i++) {
        fputs("- {overrides: [", out);
        for (unsigned j = 0; j < 340; j++)
            fputs("{},", out);
        fputs("]}\n", out);
    }
    assert_int_equal(fclose(out), 0);
    assert_true(len < CONFIG_FILE_MAX && len > CONFIG_FILE_MAX / 100 * 98);
    char *path = write_file("f", text, len);
    told = outcome(path, "f", &is_loaded);
    assert_false(is_loaded);
    assert_ptr_equal(strstr(told, "f:2:16: key is missing; it is required here\n"), told);
    unlink(path);
    free(told);
    free(path);
    free(text);
}

/* That a configuration whose state is that path, with that secret file behind it, is refused for
 * it. */
static void check_state_beside(const char *state, const char *before, const char *secret,
                               const char *behind, const char *what)
{
    char *text = NULL, *wanted = NULL;
    assert_true(asprintf(&text, "state: %s\n%s%s%s\nlimits:\n" DEFAULT_LIMIT, state, before, secret,
                         behind) > 0);
    assert_true(asprintf(&wanted,
                         "f:1:8: state \"%s\" is %s; write the path of a file that is for the "
                         "state alone, such as /var/lib/allowd/state\n",
                         state, what) > 0);
    check_text(text, false, wanted);
    free(text);
    free(wanted);
}

static void check_state(const char *state, const char *token, const char *what)
{
    check_state_beside(state, "admin_token_file: ", token, "", what);
}

/* By whatever name: what is no state is put aside at the start. */
static void test_state_in_a_file_of_another_use(void **state)
{
    (void)state;
    static const char secret[] = "0123456789abcdef";
    char *token = write_file("token", secret, sizeof secret - 1),
         *link = joined(scratch, "link", "");
    char *self = joined(scratch, "f", ""), *round = joined(scratch, ".", "/token");
    assert_int_equal(chmod(token, 0600), 0);
    check_state(self, token, "this configuration");
    check_state(token, token, "the admin_token_file");
    check_state(round, token, "the admin_token_file");
    check_state_beside(round, "fleet: {name: m, store: [redis://a], password_file: ", token, "}",
                       "the password_file");
    assert_int_equal(linkat(AT_FDCWD, token, AT_FDCWD, link, 0), 0);
    check_state(link, token, "the admin_token_file");
    unlink(link);
    assert_int_equal(symlink(self, link), 0);
    check_state(link, token, "this configuration");
    unlink(link);
    unlink(token);
    free(token);
    free(link);
    free(self);
    free(round);
}

/* A file of so many checks, the first of them with so many proxies. */
static char *many_checks(unsigned count, unsigned proxies)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    fputs("checks:\n  - name: check\n    key: '{host}'\n    trusted_proxies:\n", out);
    for (unsigned i = 0; i < proxies; i++)
        fputs("      - 127.0.0.1\n", out);
    for (unsigned i = 1; i < count; i++)
        fprintf(out, "  - {name: check%u, key: '{path}'}\n", i);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_many_checks(void **state)
{
    (void)state;
    struct faults faults = {0};
    struct config config;
    char *text = many_checks(CHECKS_MAX, CHECK_TRUSTED_MAX);
    char *path = write_file("f", text, strlen(text));
    assert_true(config_load(path, &config, &faults));
    assert_int_equal(config.contract->checks_count, CHECKS_MAX);
    assert_int_equal(check_terms(config.contract->checks[0])->trusted_count, CHECK_TRUSTED_MAX);
    assert_ptr_equal(contract_find_check(config.contract, "check99", 7),
                     config.contract->checks[CHECKS_MAX - 1]);
    config_release(&config);
    unlink(path);
    free(path);
    free(text);

    text = many_checks(CHECKS_MAX + 1, CHECK_TRUSTED_MAX + 1);
    check_text(text, false,
               "f:69:9: trusted_proxies has more entries than the 64 it may have\n"
               "f:169:5: checks has more entries than the 100 it may have\n");
    free(text);
}

static void test_many_addresses(void **state)
{
    (void)state;
    size_t len;
    struct faults faults = {0};
    struct config config;
    char *text = repeated("listen:\n", "  - 127.0.0.1:0\n", CONFIG_LISTEN_MAX, &len);
    char *path = write_file("f", text, len);
    assert_true(config_load(path, &config, &faults));
    assert_int_equal(config.listen_count, CONFIG_LISTEN_MAX);
    config_release(&config);
    unlink(path);
    free(path);
    free(text);

    text = repeated("listen:\n", "  - 127.0.0.1:0\n", CONFIG_LISTEN_MAX + 2, &len);
    check_text(text, false, "f:66:5: listen has more entries than the 64 it may have\n");
    free(text);
}

static void test_long_texts_are_shortened(void **state)
{
    (void)state;
    size_t len;
    char *text = repeated("threads: ", "ab\xc3\xa9", 250000, &len);
    check_bytes(text, len, false,
                "f:1:10: threads \"ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9...\" is not a "
                "number or auto; write auto, or 0 to 64, in digits only\n");
    free(text);

    /* Before a character, not within it. */
    text = repeated("threads: x", "ab\xc3\xa9", 17, &len);
    check_bytes(text, len, false,
                "f:1:10: threads \"xab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab\xc3\xa9"
                "ab...\" is not a "
                "number or auto; write auto, or 0 to 64, in digits only\n");
    free(text);
}

/* The last limit of `rich`. */
static void check_rich_limit(const struct limit *limit)
{
    const struct bucket_terms *bucket = limit->allowance.bucket;
    assert_int_equal(limit->allowance.count, 2);
    assert_string_equal(bucket[0].name, "x");
    assert_int_equal(bucket[0].burst, 40);
    assert_int_equal(bucket[0].rate.tokens, 7);
    assert_string_equal(bucket[1].name, "y");
    assert_int_equal(bucket[1].burst, 35);
    assert_int_equal(bucket[1].rate.period_ms, MS_PER_DAY);
    assert_true(limit->shadow);

    const struct override *override = limit->overrides;
    assert_int_equal(limit->overrides_count, 3);
    assert_string_equal(override[0].key, "k");
    assert_false(override[0].is_glob);
    assert_int_equal(override[0].action, OVERRIDE_TERMS);
    assert_int_equal(override[0].until_s, 1000000000);
    assert_int_equal(override[0].allowance.bucket[0].rate.period_ms, 9000);
    assert_true(override[1].is_glob);
    assert_int_equal(override[1].action, OVERRIDE_ALLOW);
    assert_true(override[1].until_s == OVERRIDE_FOR_EVER);
    assert_int_equal(override[2].action, OVERRIDE_DENY);
}

static void check_contract(const struct contract *contract)
{
    assert_int_equal(contract->headers, HEADERS_NONE);
    assert_int_equal(contract->wait_max_ms, 30000);
    assert_int_equal(contract->checks_count, 1);
    const struct check_terms *terms = check_terms(contract->checks[0]);
    assert_string_equal(terms->name, "edge");
    assert_string_equal(terms->limit, "c");
    assert_string_equal(terms->key, "{path}");
    assert_int_equal(terms->deny_status, 429);
    assert_int_equal(terms->wait_ms, 3000);
    assert_true(terms->missing_allows);
    assert_int_equal(terms->trusted_count, 2);
    assert_string_equal(terms->trusted[0], "unix");
    assert_string_equal(terms->trusted[1], "::1");
}

/* With a bit of everything. */
static const char rich[] = "listen: ['[::1]:7', '127.0.0.1:8']\n"
                           "threads: 3\n"
                           "tick: 2s\n"
                           "max_keys: 77\n"
                           "when_full: allow\n"
                           "headers: none\n"
                           "checks:\n"
                           "  - {name: edge, limit: c, key: '{path}', deny_status: 429,\n"
                           "     missing: allow, wait: 3s, trusted_proxies: [unix, '::1']}\n"
                           "limits:\n"
                           "  - {name: default, burst: 20, rate: 5/2s}\n"
                           "  - {name: b, match: 'b*', burst: 30, rate: 6/m}\n"
                           "  - name: c\n"
                           "    buckets: [{name: x, burst: 40, rate: 7/h},\n"
                           "              {name: y, burst: 35, rate: 8/d}]\n"
                           "    shadow: true\n"
                           "    on_expiry: keep\n"
                           "    overrides: [{key: k, burst: 9, rate: 9/9s,\n"
                           "                 until: 2001-09-09T03:46:40+02:00},\n"
                           "                {key: 'a*', action: allow},\n"
                           "                {key: d, action: deny}]\n";

/* An expected file shows what a file may be made of; this one, that every value arrives. */
static void test_values(void **state)
{
    (void)state;
    struct faults faults = {0};
    struct config config;
    char *path = write_file("f", rich, sizeof rich - 1), address[ADDRESS_TEXT_MAX];
    assert_true(config_load(path, &config, &faults));
    assert_int_equal(config.listen_count, 2);
    address_print(&config.listen[0], address);
    assert_string_equal(address, "[::1]:7");
    address_print(&config.listen[1], address);
    assert_string_equal(address, "127.0.0.1:8");
    assert_int_equal(config.threads, 3);
    assert_int_equal(config.max_keys, 77);
    assert_int_equal(config.when_full, WHEN_FULL_ALLOW);
    assert_int_equal(config.limits->tick_ms, 2000);
    assert_int_equal(config.limits->count, 3);
    assert_int_equal(config.limits->fallback, 0);
    const struct limit *limit = &config.limits->limit[1];
    assert_string_equal(limit->name, "b");
    assert_string_equal(limit->match, "b*");
    assert_int_equal(limit->allowance.burst, 30);
    assert_int_equal(limit->allowance.bucket[0].rate.tokens, 6);
    assert_int_equal(limit->allowance.bucket[0].rate.period_ms, 60000);
    assert_string_equal(limit->allowance.bucket[0].name, "");
    assert_false(limit->shadow);
    check_rich_limit(&config.limits->limit[2]);
    check_contract(config.contract);
    faults_release(&faults); /* it has warnings */
    config_release(&config);
    assert_null(config.limits);
    assert_null(config.contract);
    unlink(path);
    free(path);
}

static void test_defaults(void **state)
{
    (void)state;
    struct faults faults = {0};
    struct config config;
    char address[ADDRESS_TEXT_MAX];
    assert_true(config_load(NULL, &config, &faults));
    assert_int_equal(config.listen_count, 1);
    address_print(&config.listen[0], address);
    assert_string_equal(address, CONFIG_DEFAULT_LISTEN);
    assert_int_equal(config.threads, PARAMETER_IS_WORD);
    assert_int_equal(config.max_keys, 1000000);
    assert_int_equal(config.when_full, WHEN_FULL_EVICT);
    assert_int_equal(config.limits->tick_ms, 100);
    assert_int_equal(config.limits->count, 1);
    assert_int_equal(config.limits->limit[0].allowance.bucket[0].burst, CONFIG_DEFAULT_BURST);
    assert_int_equal(config.contract->headers, HEADERS_IETF);
    assert_int_equal(config.contract->checks_count, 0);
    assert_memory_equal(&config.log, &LOG_SETTINGS_DEFAULT, sizeof config.log);
    config_release(&config);
}

/* ---- what fails ---- */

static void test_no_status(void **state)
{
    (void)state;
    char *path = write_file("f", "threads: 1\n", 11);
    failing_at(FAILING_FSTAT, 1);
    check_path(path, "f: cannot be opened: Input/output error\n");
    assert_true(failing_end());
    unlink(path);
    free(path);
}

/* There is a regular file that cannot be read, whoever asks: nothing is mapped at 0. */
#define UNREADABLE "/proc/self/mem"

static void test_failing_reads(void **state)
{
    (void)state;
    check_path(UNREADABLE, "f: cannot be read: Input/output error\n");
    check_text("admin_token_file: " UNREADABLE "\n", false,
               "f:1:19: admin_token_file \"" UNREADABLE "\" cannot be read: Input/output error\n");
}

static const char library_has_no_memory[] = "cannot be loaded: Memory allocation failed";

/* Each allocation fails once: the file is refused for that alone, and nothing is left behind; but
 * for want of a warning's text no file is refused. */
static void check_shortages(const char *text, unsigned least)
{
    struct config config, before;
    char *path = write_file("f", text, strlen(text)), *wanted, *dump;
    bool is_loaded = false;
    unsigned shortages = 0, of_library = 0;
    struct faults faults = {0};
    wanted = outcome(path, "f", &is_loaded);
    assert_true(is_loaded);
    memset(&before, 0x5a, sizeof before);
    for (;; shortages++) {
        config = before;
        failing_at(FAILING_ALLOCATION, shortages + 1);
        is_loaded = config_load(path, &config, &faults);
        if (!failing_end())
            break;
        if (is_loaded) { /* all that is lost is the text of a warning */
            assert_int_equal(faults.count, 0);
            assert_int_equal(faults.kept, faults.warnings - 1);
            config_release(&config);
            faults_release(&faults);
            continue;
        }
        assert_memory_equal(&config, &before, sizeof config);
        assert_int_equal(faults.count, 1);
        assert_int_equal(faults.fault[0].line, 0);
        if (strcmp(faults.fault[0].text, library_has_no_memory) == 0)
            of_library++;
        else
            assert_string_equal(faults.fault[0].text, "out of memory");
        faults_release(&faults);
    }
    assert_true(is_loaded);
    faults_release(&faults);
    config_release(&config);
    assert_in_range(shortages - of_library, least, 100);
    assert_in_range(of_library, least, 200);
    dump = outcome(path, "f", &is_loaded);
    assert_string_equal(dump, wanted);
    unlink(path);
    free(dump);
    free(wanted);
    free(path);
}

static void test_no_memory(void **state)
{
    (void)state;
    check_shortages("threads: 1\n", 5);
    check_shortages(rich, 15);
    check_shortages("limits: [{name: default, burst: 1, rate: 1/s,\n"
                    "  overrides: [{key: \"\\ud83d\\ude00\", action: deny}]}]\n",
                    5);
}

/* The check of its shape lets nothing pass that the library would refuse; if it did, this is
 * said. */
static void test_what_the_library_refuses(void **state)
{
    (void)state;
    static const char text[] = "threads: [1]\n";
    struct faults faults = {0};
    assert_null(config_raw_load(text, sizeof text - 1, &faults));
    assert_int_equal(faults.count, 1);
    assert_string_equal(faults.fault[0].text, "cannot be loaded: Invalid value");
    faults_release(&faults);
}

/* ---- the program ---- */

static const struct CMUnitTest functions[] = {
    cmocka_unit_test(test_defaults),
    cmocka_unit_test(test_values),
    cmocka_unit_test(test_shipped_example_is_the_defaults),
    cmocka_unit_test(test_shipped_example_uncommented),
    cmocka_unit_test(test_shipped_fleet_has_the_defaults),
    cmocka_unit_test(test_examples_have_no_warnings),
    cmocka_unit_test(test_ends_in_the_past),
    cmocka_unit_test(test_absent),
    cmocka_unit_test(test_below_a_file),
    cmocka_unit_test(test_links),
    cmocka_unit_test(test_directory),
    cmocka_unit_test(test_device),
    cmocka_unit_test(test_fifo),
    cmocka_unit_test(test_socket),
    cmocka_unit_test(test_unreadable),
    cmocka_unit_test(test_size),
    cmocka_unit_test(test_byte_order_marks),
    cmocka_unit_test(test_not_utf8),
    cmocka_unit_test(test_raw_control_characters),
    cmocka_unit_test(test_line_ends),
    cmocka_unit_test(test_nested_too_deep),
    cmocka_unit_test(test_deep_and_closed),
    cmocka_unit_test(test_more_faults_than_are_kept),
    cmocka_unit_test(test_many_limits),
    cmocka_unit_test(test_many_overrides),
    cmocka_unit_test(test_many_overrides_together),
    cmocka_unit_test(test_file_of_empty_mappings),
    cmocka_unit_test(test_state_in_a_file_of_another_use),
    cmocka_unit_test(test_many_checks),
    cmocka_unit_test(test_many_addresses),
    cmocka_unit_test(test_long_texts_are_shortened),
    cmocka_unit_test(test_no_status),
    cmocka_unit_test(test_failing_reads),
    cmocka_unit_test(test_no_memory),
    cmocka_unit_test(test_what_the_library_refuses),
};
enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

static int is_case(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && dot != entry->d_name && strcmp(dot, ".yaml") == 0;
}

/* The names of all cases, without ".yaml", in order. -1: reported. */
static int list_cases(char ***names)
{
    struct dirent **entries;
    int count = scandir(cases, &entries, is_case, alphasort);
    if (count <= 0) {
        fprintf(stderr, "%s: %s\n", cases, count < 0 ? strerror(errno) : "no cases");
        return -1;
    }
    *names = calloc((size_t)count, sizeof **names);
    for (int i = 0; i < count; i++) {
        if (*names != NULL)
            (*names)[i] = strndup(entries[i]->d_name, strlen(entries[i]->d_name) - 5);
        free(entries[i]);
    }
    free(entries);
    return *names == NULL ? -1 : count;
}

static int run_all(char **names, size_t count)
{
    struct CMUnitTest *tests = calloc(FUNCTIONS + count, sizeof *tests);
    if (tests == NULL)
        return 1;
    memcpy(tests, functions, sizeof functions);
    for (size_t i = 0; i < count; i++)
        tests[FUNCTIONS + i] = (struct CMUnitTest){
            .name = names[i],
            .test_func = test_case,
            .initial_state = names[i],
        };
    int failed = _cmocka_run_group_tests("conf", tests, FUNCTIONS + count, NULL, NULL);
    free(tests);
    return failed != 0;
}

int main(int argc, char **argv)
{
    bool updates = argc > 1 && strcmp(argv[1], "--update") == 0;
    const char *directory = getenv("TMPDIR"), *srcdir = getenv("srcdir");
    top = argc > 1 + updates ? argv[1 + updates] : srcdir != NULL ? srcdir : top;
    snprintf(cases, sizeof cases, "%s/tests/conf", top);
    snprintf(scratch, sizeof scratch, "%s/allowd-conf-XXXXXX", directory ? directory : "/tmp");

    char **names = NULL;
    int count = list_cases(&names), status = 1;
    if (count > 0 && mkdtemp(scratch) != NULL) {
        status = 0;
        if (updates)
            for (int i = 0; i < count; i++)
                update_case(names[i]);
        else
            status = run_all(names, (size_t)count);
        rmdir(scratch);
    }
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return status;
}
