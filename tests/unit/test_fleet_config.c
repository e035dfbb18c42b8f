/*
 * The fleet of a configuration: what is printed of it, what waits for the next start, how the password is read,
 * what limits get of it, and overrides of run time under a limit of scope fleet.
 */
#include "config/config.h"
#include "config/overrides.h"
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMITS "limits:\n  - {name: default, burst: 10, rate: 1/s, scope: fleet}\n"

static char file[4096], password_file[4096];

/* Each line of the block, and another value of it. */
static const struct line {
    const char *by_default, *other;
    bool waits; /* for the next start */
} lines[] = {
    {"  name: \"main\"\n", "  name: \"other\"\n", true},
    {"  store:\n    - \"redis://a\"\n", "  store:\n    - \"unix:/b\"\n", true},
    {"  password_mode: private\n", "  password_mode: any\n", false},
    {"  op_timeout: 50ms\n", "  op_timeout: 1s\n", true},
    {"  reconnect_min: 50ms\n", "  reconnect_min: 1ms\n", true},
    {"  reconnect_max: 5s\n", "  reconnect_max: 10m\n", true},
    {"  ttl: 2s\n", "  ttl: 10m\n", false},
    {"  renew: 500ms\n", "  renew: 10ms\n", false},
    {"  grace: 500ms\n", "  grace: 0s\n", false},
    {"  clock_guard: 20ms\n", "  clock_guard: 0s\n", false},
    {"  return_after: 1s\n", "  return_after: 10m\n", false},
    {"  horizon: 200ms\n", "  horizon: 1ms\n", false},
    {"  min_interval: 20ms\n", "  min_interval: 1m\n", false},
    {"  outstanding: 50%\n", "  outstanding: 100%\n", false},
    {"  cold: wait\n", "  cold: allow\n", false},
    {"  cold_wait: 5ms\n", "  cold_wait: 1ms\n", false},
    {"  on_partition: deny\n", "  on_partition: allow\n", false},
    {"", "  sidecars: 100\n", false},
    {"  on_loss: empty\n", "  on_loss: full\n", false},
};

static void write_text(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

/* The block in which one line is other. To be freed. */
static char *block(size_t other)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    fputs("fleet:\n", out);
    for (size_t i = 0; i < LENGTH(lines); i++)
        fputs(i == other ? lines[i].other : lines[i].by_default, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* Loads a text in front of the limits. */
static void load(const char *text, struct config *config)
{
    struct faults faults = {0};
    char *whole = NULL;
    assert_true(asprintf(&whole, "%s%s", text, LIMITS) > 0);
    write_text(file, whole);
    if (!config_load(file, config, &faults))
        fail_msg("%s\nis faulty: %s", whole, faults.fault[0].text);
    faults_release(&faults);
    free(whole);
}

/* What is said of a text that does not load. To be freed. */
static char *fault_of(const char *text)
{
    struct config config;
    struct faults faults = {0};
    char *whole = NULL;
    assert_true(asprintf(&whole, "%s%s", text, LIMITS) > 0);
    write_text(file, whole);
    assert_false(config_load(file, &config, &faults));
    assert_int_equal(faults.count, 1);
    char *told = strdup(faults.fault[0].text);
    assert_non_null(told);
    faults_release(&faults);
    free(whole);
    return told;
}

static void expect_printed(const struct config *config, const char *wanted)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_print(config, out);
    assert_int_equal(fclose(out), 0);
    char *end = strstr(text, "limits:\n"), *begin = strstr(text, "fleet:\n");
    assert_non_null(end);
    assert_non_null(begin);
    *end = '\0';
    assert_string_equal(begin, wanted);
    free(text);
}

/* Whether a reload from one to the other tells that something waits for the next start. */
static bool waits(const struct config *now, const struct config *next)
{
    unsigned count = 0;
    for (size_t i = 0; i < config_parameters_count; i++)
        count += parameter_waits_for_start(&config_parameters[i], now, next) != NULL;
    assert_true(count <= 1);
    return count == 1;
}

static void each_value_is_printed_and_may_wait(void **state)
{
    (void)state;
    struct config by_default, config;
    char *text = block(LENGTH(lines));
    load("fleet: {name: main, store: [redis://a]}\n", &by_default);
    expect_printed(&by_default, text);
    free(text);
    for (size_t i = 0; i < LENGTH(lines); i++) {
        text = block(i);
        load(text, &config);
        expect_printed(&config, text);
        assert_int_equal(waits(&by_default, &config), lines[i].waits);
        assert_int_equal(waits(&config, &by_default), lines[i].waits);
        assert_false(waits(&config, &config));
        config_release(&config);
        free(text);
    }
    config_release(&by_default);
}

static void one_that_comes_begins_and_one_that_goes_waits(void **state)
{
    (void)state;
    struct faults faults = {0};
    struct config without, with;
    assert_true(config_load(NULL, &without, &faults));
    load("fleet: {name: main, store: [redis://a], op_timeout: 1s}\n", &with);
    assert_false(waits(&without, &with));
    assert_true(waits(&with, &without));
    config_release(&without);
    config_release(&with);
}

static void limits_have_its_terms(void **state)
{
    (void)state;
    struct config config;
    load("fleet:\n  name: main\n  store: [redis://a]\n  ttl: 3s\n  renew: 1s\n  grace: 4s\n"
         "  clock_guard: 5ms\n  return_after: 6s\n  horizon: 7s\n  min_interval: 8ms\n"
         "  outstanding: 9%\n  cold: allow\n  cold_wait: 10ms\n  on_partition: share\n"
         "  sidecars: 11\n  on_loss: full\n",
         &config);
    const struct fleet_terms wanted = {
        .ttl_ms = 3000,
        .renew_ms = 1000,
        .grace_ms = 4000,
        .clock_guard_ms = 5,
        .return_after_ms = 6000,
        .horizon_ms = 7000,
        .min_interval_ms = 8,
        .outstanding_percent = 9,
        .cold = FLEET_COLD_ALLOW,
        .cold_wait_ms = 10,
        .on_partition = FLEET_PARTITION_SHARE,
        .sidecars = 11,
        .on_loss = FLEET_LOSS_FULL,
    };
    assert_memory_equal(&config.limits->fleet, &wanted, sizeof wanted);
    assert_true(config.limits->limit[0].is_fleet);
    config_release(&config);
}

/* ---- the password ---- */

/* A configuration with the password's file. */
static char *with_password(const char *more)
{
    char *text = NULL;
    assert_true(asprintf(&text, "fleet: {name: m, store: [redis://a], password_file: %s%s}\n",
                         password_file, more) > 0);
    return text;
}

static void the_password_is_read(void **state)
{
    (void)state;
    struct config config, changed;
    char *text = with_password(", user: allowd");
    write_text(password_file, "  s3cret pass\n");
    assert_int_equal(chmod(password_file, 0600), 0);
    load(text, &config);
    assert_string_equal(config.fleet.settings.user, "allowd");
    assert_string_equal(config.fleet.settings.password, "s3cret pass");
    assert_false(config.fleet.password_is_shared);
    write_text(password_file, "another\n");
    assert_int_equal(chmod(password_file, 0640), 0);
    load(text, &changed);
    assert_true(changed.fleet.password_is_shared);
    assert_true(waits(&config, &changed));
    config_release(&changed);
    config_release(&config);
    for (size_t i = 0; i < sizeof config.fleet.settings.password; i++)
        assert_int_equal(config.fleet.settings.password[i], 0);
    free(text);
}

static void a_file_that_all_can_read_is_refused_unless_it_may_be_so(void **state)
{
    (void)state;
    char *text = with_password("");
    write_text(password_file, "s3cret\n");
    assert_int_equal(chmod(password_file, 0644), 0);
    char *told = fault_of(text);
    assert_non_null(strstr(told, "can be read by everybody; run: chmod o= FILE; or, if a container "
                                 "mounts it so, write password_mode: any"));
    assert_null(strstr(told, "s3cret"));
    free(told);
    free(text);
    struct config config;
    text = with_password(", password_mode: any");
    load(text, &config);
    assert_string_equal(config.fleet.settings.password, "s3cret");
    config_release(&config);
    free(text);
}

static void what_is_no_password_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "  \n", "a\tb\n", "a\x7f\n"};
    char *text = with_password(""), *told, *longest = malloc(FLEET_PASSWORD_MAX + 2);
    struct config config;
    assert_non_null(longest);
    assert_int_equal(chmod(password_file, 0600), 0);
    for (size_t i = 0; i < LENGTH(bad); i++) {
        write_text(password_file, bad[i]);
        told = fault_of(text);
        assert_non_null(strstr(told, "holds no password; write into it one of 1 to 512 bytes"));
        free(told);
    }
    memset(longest, 'x', FLEET_PASSWORD_MAX);
    longest[FLEET_PASSWORD_MAX] = '\0';
    write_text(password_file, longest);
    load(text, &config);
    assert_string_equal(config.fleet.settings.password, longest);
    config_release(&config);
    strcat(longest, "x");
    write_text(password_file, longest);
    told = fault_of(text);
    assert_non_null(strstr(told, "holds no password"));
    free(told);
    free(longest);
    free(text);
}

/* ---- overrides of run time ---- */

/* What is said of one; NULL: it is taken. To be freed. */
static char *fault_of_override(const char *json, bool is_fleet)
{
    const struct bucket_setting setting = {.tick_ms = 100, .is_fleet = is_fleet};
    struct faults faults = {0};
    struct override_terms terms;
    char *told = NULL;
    struct raw_override *raw =
        config_override_read(json, strlen(json), "key", &setting, &faults, &terms);
    if (raw == NULL)
        told = strdup(faults.fault[0].text);
    config_override_free(raw);
    faults_release(&faults);
    return told;
}

static void overrides_of_run_time_must_fit_the_store(void **state)
{
    (void)state;
    static const struct {
        const char *json, *told;
    } rows[] = {
        {"{\"concurrent\": 3}", NULL},
        {"{\"burst\": 52124996, \"rate\": \"7777777/d\"}", "use at most 52124995"},
        {"{\"buckets\": [{\"name\": \"a\", \"burst\": 52124996, \"rate\": \"7777777/d\"}]}",
         "use at most 52124995"},
        {"{\"burst\": 52124995, \"rate\": \"7777777/d\"}", NULL},
        {"{\"action\": \"deny\"}", NULL},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char *told = fault_of_override(rows[i].json, true);
        if (rows[i].told == NULL)
            assert_null(told);
        else
            assert_non_null(strstr(told, rows[i].told));
        free(told);
        assert_null(fault_of_override(rows[i].json, false));
    }
}

static int open_files(void **state)
{
    (void)state;
    const char *directory = getenv("TMPDIR");
    snprintf(file, sizeof file, "%s/allowd-test-XXXXXX", directory ? directory : "/tmp");
    snprintf(password_file, sizeof password_file, "%s", file);
    int one = mkstemp(file), other = mkstemp(password_file);
    close(one);
    close(other);
    return one < 0 || other < 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(file);
    unlink(password_file);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_value_is_printed_and_may_wait),
        cmocka_unit_test(one_that_comes_begins_and_one_that_goes_waits),
        cmocka_unit_test(limits_have_its_terms),
        cmocka_unit_test(the_password_is_read),
        cmocka_unit_test(a_file_that_all_can_read_is_refused_unless_it_may_be_so),
        cmocka_unit_test(what_is_no_password_is_refused),
        cmocka_unit_test(overrides_of_run_time_must_fit_the_store),
    };
    return cmocka_run_group_tests(tests, open_files, remove_files);
}
