/*
 * What fits a fleet: the numbers at which a bucket no longer does, and what is said then.
 */
#include "limits/credit.h"
#include "limits/fleet_fit.h"
#include "support/unit.h"

#include <string.h>

static struct bucket_terms bucket_of(uint64_t burst, uint64_t tokens, uint64_t period_ms)
{
    return (struct bucket_terms){.burst = burst, .rate = {tokens, period_ms}};
}

static void units_are_those_of_a_line_with_a_tick_of_1_ms(void **state)
{
    (void)state;
    static const struct rate rates[] = {
        {1, 1000}, {7, 60000}, {50, 1000}, {3000, 1000}, {5, 100}, {1000, 3600000}, {6, 4},
    };
    for (size_t i = 0; i < LENGTH(rates); i++) {
        struct credit_line line;
        assert_int_equal(credit_line_init(&line, 1000, rates[i], 1), CREDIT_OK);
        assert_int_equal(fleet_token_units(rates[i]), line.token_units);
        assert_int_equal(fleet_step_units(rates[i]), line.step_units);
    }
}

static void a_bucket_fits_up_to_2_to_the_52(void **state)
{
    (void)state;
    const struct rate rate = {7, 60000};
    uint64_t most = fleet_burst_most(rate);
    assert_true(most == (UINT64_C(1) << 52) / 60000);
    struct bucket_terms bucket = bucket_of(most, 7, 60000);
    assert_int_equal(fleet_fit_of(&bucket, FLEET_BESIDE_NOTHING), FLEET_FITS);
    bucket.burst++;
    assert_int_equal(fleet_fit_of(&bucket, FLEET_BESIDE_NOTHING), FLEET_BURST_TOO_LARGE);
    char text[FLEET_EXPLAIN_MAX];
    fleet_fit_explain(FLEET_BURST_TOO_LARGE, &bucket, text);
    assert_string_equal(text,
                        "burst 75059993790 is more than the store of a fleet can count: at rate "
                        "7/m a token is 60000 units there, and a bucket holds at most "
                        "4503599627370496 units and 17592186044416 tokens; use at most "
                        "75059993789");
}

static void records_have_room_for_what_fits(void **state)
{
    (void)state;
    struct bucket_terms bucket = bucket_of(FLEET_BURST_MAX, FLEET_BURST_MAX, 1);
    assert_int_equal(fleet_fit_of(&bucket, FLEET_BESIDE_NOTHING), FLEET_FITS);
    bucket.burst++;
    assert_int_equal(fleet_fit_of(&bucket, FLEET_BESIDE_NOTHING), FLEET_BURST_TOO_LARGE);
}

static void slots_and_tokens_do_not_fit_one_limit(void **state)
{
    (void)state;
    const struct bucket_terms slots = {.burst = 8, .holds_slots = true};
    const struct bucket_terms tokens = bucket_of(8, 1, 1000);
    assert_int_equal(fleet_fit_of(&slots, FLEET_BESIDE_NOTHING), FLEET_FITS);
    assert_int_equal(fleet_fit_of(&slots, fleet_beside(&slots)), FLEET_FITS);
    assert_int_equal(fleet_fit_of(&tokens, fleet_beside(&tokens)), FLEET_FITS);
    assert_int_equal(fleet_fit_of(&slots, fleet_beside(&tokens)), FLEET_IS_MIXED);
    assert_int_equal(fleet_fit_of(&tokens, fleet_beside(&slots)), FLEET_IS_MIXED);
}

static void the_longest_text_has_room(void **state)
{
    (void)state;
    char text[FLEET_EXPLAIN_MAX];
    const struct bucket_terms bucket = bucket_of(TOKENS_MAX, TOKENS_MAX, PERIOD_MAX_MS - 1);
    for (enum fleet_fit fit = FLEET_BURST_TOO_LARGE; fit <= FLEET_IS_MIXED; fit++) {
        fleet_fit_explain(fit, &bucket, text);
        assert_true(strlen(text) > 0 && strlen(text) < FLEET_EXPLAIN_MAX - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_those_of_a_line_with_a_tick_of_1_ms),
        cmocka_unit_test(a_bucket_fits_up_to_2_to_the_52),
        cmocka_unit_test(records_have_room_for_what_fits),
        cmocka_unit_test(slots_and_tokens_do_not_fit_one_limit),
        cmocka_unit_test(the_longest_text_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
