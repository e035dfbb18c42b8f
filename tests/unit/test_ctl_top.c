/* What allowctl top makes of answers: metrics, rates between two samples, and the lines of the screen. */
#include "ctl/metrics.h"
#include "ctl/sample.h"
#include "ctl/screen.h"
#include "ctl/view.h"
#include "support/unit.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- metrics ---- */

static void metrics_are_read(void **state)
{
    (void)state;
    const char *text = "# HELP a what it is\n"
                       "a 1\n"
                       "\n"
                       "b{limit=\"x\\\"}\\\\\\n,y\",result=\"denied\"} 2.5e3\n"
                       "broken{limit=\"x 3\n"
                       "none\n"
                       "c{} 4";
    struct metric metric;
    char value[32];
    assert_true(metrics_next(&text, &metric));
    assert_true(metric_is(&metric, "a"));
    assert_false(metric_is(&metric, "ab"));
    assert_false(metric_label(&metric, "limit", value, sizeof value));
    assert_true(metric.value == 1);
    assert_true(metrics_next(&text, &metric));
    assert_true(metric_is(&metric, "b"));
    assert_true(metric.value == 2500);
    assert_true(metric_label(&metric, "limit", value, sizeof value));
    assert_string_equal(value, "x\"}\\\n,y");
    assert_true(metric_label(&metric, "result", value, sizeof value));
    assert_string_equal(value, "denied");
    assert_false(metric_label(&metric, "resul", value, sizeof value));
    assert_false(metric_label(&metric, "limit", value, 7)); /* it has 7 and a NUL */
    assert_true(metrics_next(&text, &metric));
    assert_true(metric_is(&metric, "c"));
    assert_true(metric.value == 4);
    assert_false(metrics_next(&text, &metric));
    assert_false(metrics_next(&text, &metric));
}

/* ---- samples ---- */

#define DECISIONS(limit, allowed, denied, full)                                                    \
    "allowd_decisions_total{limit=\"" limit "\",result=\"allowed\"} " allowed "\n"                 \
    "allowd_decisions_total{limit=\"" limit "\",result=\"denied\"} " denied "\n"                   \
    "allowd_decisions_total{limit=\"" limit "\",result=\"table_full\"} " full "\n"

#define DURATION(first, second, all)                                                               \
    "allowd_decision_duration_seconds_bucket{le=\"0.000001\"} " first "\n"                         \
    "allowd_decision_duration_seconds_bucket{le=\"0.00001\"} " second "\n"                         \
    "allowd_decision_duration_seconds_bucket{le=\"+Inf\"} " all "\n"

static const char first_metrics[] =
    DECISIONS("login", "100", "10", "0") DECISIONS("gone", "5", "5", "5")
        DURATION("90", "100", "100") "process_cpu_seconds_total 1.5\nallowd_waiting 3\n";
static const char later_metrics[] =
    DECISIONS("login", "300", "20", "10") DECISIONS("new", "7", "7", "7")
        DURATION("150", "199", "200") "process_cpu_seconds_total 2.5\nallowd_waiting 4\n";

static void rates_are_between_two_samples(void **state)
{
    (void)state;
    struct sample first, later;
    assert_true(sample_read(first_metrics, 1000000000, &first));
    assert_true(sample_read(later_metrics, 3000000000, &later));
    struct limit_rate login = sample_rate(&first, &later, "login");
    assert_true(login.allowed_s == 100);
    assert_true(login.denied_s == 10);
    assert_true(sample_rate(&first, &later, "new").allowed_s == 0);
    assert_true(sample_rate(&first, &later, "gone").denied_s == 0);
    assert_true(sample_rate_of_all(&first, &later).allowed_s == 100);
    assert_true(sample_processor(&first, &later) == 0.5);
    assert_true(later.waiting == 4);
    /* Of the hundred in between 60 took a microsecond at most, 99 ten. */
    assert_true(sample_quantile_s(&first, &later, 0.5) == 0.000001);
    assert_true(sample_quantile_s(&first, &later, 0.99) == 0.00001);
    assert_true(isinf(sample_quantile_s(&first, &later, 0.999)));
    assert_true(sample_quantile_s(&later, &later, 0.5) == 0);
    /* A server that has begun anew counts from 0. */
    assert_true(sample_rate(&later, &first, "login").allowed_s == 0);
    sample_release(&first);
    sample_release(&later);
}

/* ---- the screen ---- */

static const char status[] =
    "{\"version\":\"1\\u001b[31m\",\"uptime_s\":61,\"keys\":2,\"max_keys\":1000,\"leases\":0,\"limits\":["
    "{\"name\":\"quiet\",\"match\":null,\"burst\":1,\"rate\":\"1/s\"},"
    "{\"name\":\"login\",\"match\":\"login:*\",\"burst\":5,\"rate\":\"5/m\",\"shadow\":true},"
    "{\"name\":\"jobs\",\"match\":\"j*\",\"concurrent\":8}]}";
static const char keys[] =
    "{\"keys\":[{\"key\":\"a\\u001b[2J\\u202eb\",\"limit\":\"login\",\"remaining\":1,\"burst\":4,"
    "\"reset_after_ms\":1500,\"denied\":9},"
    "{\"key\":\"second\",\"limit\":\"login\",\"remaining\":4,\"burst\":4,\"reset_after_ms\":null}]}";

static char *view_of(size_t rows, enum view_keys which, const char *alarm)
{
    struct sample first, later;
    struct text text = text_begin_growing();
    size_t len;
    json_t *answer = json_loads(status, 0, NULL), *list = json_loads(keys, 0, NULL);
    assert_non_null(answer);
    assert_non_null(list);
    assert_true(sample_read(first_metrics, 1000000000, &first));
    assert_true(sample_read(later_metrics, 3000000000, &later));
    view_append(&text, &(struct view){
                           .charset = SHOWN_UTF8,
                           .server = "unix:/s\x1b",
                           .rows = rows,
                           .keys = which,
                           .alarm = alarm,
                           .status = answer,
                           .denied = list,
                           .remaining = list,
                           .before = &first,
                           .now = &later,
                       });
    char *lines = text_take(&text, &len);
    assert_non_null(lines);
    sample_release(&first);
    sample_release(&later);
    json_decref(answer);
    json_decref(list);
    return lines;
}

static void the_screen_shows_what_there_is(void **state)
{
    (void)state;
    char *lines = view_of(24, VIEW_BOTH, NULL);
    assert_string_equal(
        lines, SCREEN_BAR
        "allowd 1\\u001b[31m at unix:/s\\u001b, up 1 min 1 s\n" SCREEN_BAR
        "q quit   space pause   s which keys\n" SCREEN_PLAIN
        "decisions 110/s   allowed 100/s   denied 10.0/s   half decided in <= 1.0 us, "
        "99% in <= 10.0 us\n" SCREEN_PLAIN
        "keys 2 of 1,000   leases 0   waiting 4   connections 0   memory 0.0 MiB   "
        "processor 50%\n"
        "\n" SCREEN_TITLE "LIMIT  MATCH    BURST  RATE   ALLOWED/s  DENIED/s\n" SCREEN_PLAIN
        "login  login:*      5  5/m          100      10.0  on trial\n" SCREEN_PLAIN
        "quiet               1  1/s            0         0\n" SCREEN_PLAIN
        "jobs   j*           8  slots          0         0\n"
        "\n" SCREEN_TITLE
        "DENIED                REMAINING  BURST  FULL IN  LIMIT  DENIED MOST\n" SCREEN_PLAIN
        "     9  [###.......]          1      4    1.5 s  login  a\\u001b[2J\\u202eb\n" SCREEN_PLAIN
        "     0  [##########]          4      4    never  login  second\n"
        "\n" SCREEN_TITLE
        "DENIED                REMAINING  BURST  FULL IN  LIMIT  EMPTIEST\n" SCREEN_PLAIN
        "     9  [###.......]          1      4    1.5 s  login  a\\u001b[2J\\u202eb\n" SCREEN_PLAIN
        "     0  [##########]          4      4    never  login  second\n");
    free(lines);
}

static void one_list_of_keys_can_be_shown_alone(void **state)
{
    (void)state;
    char *denied = view_of(24, VIEW_DENIED, NULL), *remaining = view_of(24, VIEW_REMAINING, NULL);
    assert_non_null(strstr(denied, "DENIED MOST"));
    assert_null(strstr(denied, "EMPTIEST"));
    assert_null(strstr(remaining, "DENIED MOST"));
    assert_non_null(strstr(remaining, "EMPTIEST"));
    free(denied);
    free(remaining);
}

static void an_alarm_is_shown(void **state)
{
    (void)state;
    char *lines = view_of(24, VIEW_BOTH, "no answer: \x1b]0;x\x07");
    assert_non_null(strstr(lines, "\n" SCREEN_ALARM "no answer: \\u001b]0;x\\u0007\n"));
    free(lines);
}

static void no_screen_is_too_small(void **state)
{
    (void)state;
    for (size_t rows = 0; rows < 60; rows++)
        for (int which = 0; which < VIEW_KEYS_COUNT; which++) {
            char *lines = view_of(rows, (enum view_keys)which, NULL);
            size_t count = 0;
            for (const char *at = lines; (at = strchr(at, '\n')) != NULL; at++)
                count++;
            assert_true(count <= (rows < 5 ? 5 : rows));
            free(lines);
        }
}

static void nothing_is_known_before_the_first_answer(void **state)
{
    (void)state;
    struct text text = text_begin_growing();
    size_t len;
    view_append(&text, &(struct view){.charset = SHOWN_UTF8, .server = "x", .rows = 24});
    char *lines = text_take(&text, &len);
    assert_non_null(lines);
    assert_non_null(strstr(lines, "allowd"));
    free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_read),
        cmocka_unit_test(rates_are_between_two_samples),
        cmocka_unit_test(the_screen_shows_what_there_is),
        cmocka_unit_test(one_list_of_keys_can_be_shown_alone),
        cmocka_unit_test(an_alarm_is_shown),
        cmocka_unit_test(no_screen_is_too_small),
        cmocka_unit_test(nothing_is_known_before_the_first_answer),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
