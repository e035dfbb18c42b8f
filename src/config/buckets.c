#include "config/buckets.h"

#include "config/scalar.h"
#include "config/text.h"
#include "limits/credit.h"

#include <inttypes.h>
#include <string.h>

/* With a burst of 1 a bucket is full with the first whole token, so what a tick gives beyond that is
 * lost. Warns if that is much: a tick gives more than a tenth of a token, and no whole number of
 * ticks gives exactly one. */
static void warn_of_coarse_tick(const struct bucket_terms *bucket, const struct credit_line *line,
                                struct placed burst, uint64_t tick_ms, struct faults *faults)
{
    uint64_t token = line->token_units, step = line->step_units;
    if (bucket->burst != 1 || step <= token / 10 || token % step == 0)
        return;
    char rate[QUANTITY_TEXT_MAX], tick[QUANTITY_TEXT_MAX], real[QUANTITY_TEXT_MAX];
    struct rate every = {1, (token / step + 1) * tick_ms};
    quantity_print_rate(&bucket->rate, rate);
    quantity_print_duration(tick_ms, tick);
    quantity_print_rate(&every, real);
    faults_warn(faults, burst.line, burst.column,
                "burst 1 gives at most %s, not %s, because a token comes with a tick of %s and the "
                "rest of the tick is lost; write burst: 2, or a shorter tick",
                real, rate, tick);
}

/* Whether burst, rate and tick fit together. Those that are faulty (0) are not checked. */
static bool check_credit(const struct bucket_terms *bucket, const char *raw_burst, uint64_t tick_ms,
                         struct faults *faults)
{
    if (bucket->burst == 0 || bucket->rate.tokens == 0 || tick_ms == 0)
        return false;
    struct credit_line line;
    enum credit_fault fault = credit_line_init(&line, bucket->burst, bucket->rate, tick_ms);
    struct placed value = scalar_placed(raw_burst);
    if (fault == CREDIT_OK) {
        warn_of_coarse_tick(bucket, &line, value, tick_ms, faults);
        return true;
    }
    char text[CREDIT_EXPLAIN_MAX];
    credit_explain(fault, bucket->burst, bucket->rate, tick_ms, text);
    faults_add(faults, value.line, value.column, "%s", text);
    return false;
}

/* Whether the debt fits the rest, which does. One that is not given is the burst, or what there is
 * room for, so that no burst and rate are refused for a debt that nobody asked for. */
static bool check_debt(const char *raw_debt, uint64_t tick_ms, struct faults *faults,
                       struct bucket_terms *bucket)
{
    struct credit_line line;
    credit_line_init(&line, bucket->burst, bucket->rate, tick_ms);
    uint64_t most = credit_debt_most(&line, tick_ms);
    if (raw_debt == NULL) {
        bucket->debt_max = bucket->burst < most ? bucket->burst : most;
        return true;
    }
    if (bucket->debt_max <= most)
        return true;
    struct placed value = scalar_placed(raw_debt);
    faults_add(faults, value.line, value.column,
               "debt_max %" PRIu64 " is more than 63 bits can count beside this burst and rate for "
               "20 years, or than 100 years pay back; use at most %" PRIu64,
               bucket->debt_max, most);
    return false;
}

/* Reads the burst, rate and debt of a bucket. */
static bool check_bucket(const char *raw_burst, const char *raw_rate, const char *raw_debt,
                         uint64_t tick_ms, struct faults *faults, struct bucket_terms *bucket)
{
    bucket->burst = scalar_number(faults, "burst", raw_burst, 1, TOKENS_MAX, 0);
    bucket->rate = scalar_rate(faults, "rate", "tokens", TOKENS_MAX, raw_rate);
    bucket->debt_max = scalar_number(faults, "debt_max", raw_debt, 0, TOKENS_MAX, 0);
    return check_credit(bucket, raw_burst, tick_ms, faults) &&
           check_debt(raw_debt, tick_ms, faults, bucket) &&
           (raw_debt == NULL || scalar_is_usable(raw_debt));
}

/* Whether the name of a bucket is valid, and no earlier bucket of its list has it. */
static bool check_name(const struct raw_bucket *list, uint32_t index, struct faults *faults)
{
    if (!scalar_is_usable(list[index].name))
        return false;
    struct placed name = scalar_placed(list[index].name);
    char shortened[CONFIG_SHORT_MAX];
    if (!bucket_name_is_valid(name.text, strlen(name.text))) {
        faults_add(faults, name.line, name.column,
                   "name \"%s\" is not a name for a bucket; write 1 to %d printable ASCII "
                   "characters, without / and with no space at either end",
                   config_shorten(name.text, shortened), BUCKET_NAME_MAX);
        return false;
    }
    for (uint32_t i = 0; i < index; i++) {
        if (!scalar_has_text(list[i].name, name.text))
            continue;
        faults_add(faults, name.line, name.column,
                   "name \"%s\" is taken by the bucket on line %zu; give each bucket of a list "
                   "its own",
                   name.text, scalar_placed(list[i].name).line);
        return false;
    }
    return true;
}

/* One bucket as it is written: an entry of a list, or what a limit or an override has itself. */
struct written {
    const char *place, *burst, *rate, *debt_max, *concurrent;
    const char *takes; /* what it may have */
};

/* Reports a value that stands beside another that it cannot stand beside. */
static bool refuse_beside(const struct written *written, const char *name, const char *scalar,
                          const char *beside, struct faults *faults)
{
    if (scalar == NULL)
        return false;
    struct placed place = scalar_placed(scalar_is_usable(scalar) ? scalar : written->place);
    faults_add(faults, place.line, place.column, "%s is given beside %s; %s", name, beside,
               written->takes);
    return true;
}

/* Reports whatever says how tokens are counted. */
static bool refuse_rate(const struct written *written, const char *beside, struct faults *faults)
{
    bool is_there = refuse_beside(written, "burst", written->burst, beside, faults);
    is_there |= refuse_beside(written, "rate", written->rate, beside, faults);
    is_there |= refuse_beside(written, "debt_max", written->debt_max, beside, faults);
    return is_there;
}

/* Reports that burst, rate or both are missing. */
static void refuse_missing(const struct written *written, struct faults *faults)
{
    const char *at = written->place;
    bool lacks_burst = written->burst == NULL && !mapping_lacks(at, "burst");
    bool lacks_rate = written->rate == NULL && !mapping_lacks(at, "rate");
    if ((!lacks_burst && !lacks_rate) || mapping_lacks(at, "buckets") ||
        mapping_lacks(at, "concurrent"))
        return;
    struct placed place = scalar_placed(at);
    faults_add(faults, place.line, place.column, "%s missing; %s",
               !lacks_rate    ? "burst is"
               : !lacks_burst ? "rate is"
                              : "burst and rate are",
               written->takes);
}

/* Whether a bucket can be in the store of a fleet, if its limit is. If not, reports why. */
static bool check_fleet(const struct written *written, const struct bucket_setting *setting,
                        const struct bucket_terms *bucket, struct faults *faults)
{
    enum fleet_fit fit = setting->is_fleet ? fleet_fit_of(bucket, setting->beside) : FLEET_FITS;
    if (fit == FLEET_FITS)
        return true;
    char text[FLEET_EXPLAIN_MAX];
    struct placed place = scalar_placed(bucket->holds_slots ? written->concurrent : written->burst);
    fleet_fit_explain(fit, bucket, text);
    faults_add(faults, place.line, place.column, "%s", text);
    return false;
}

/* Reads burst, rate and debt of a bucket, or its slots. */
static bool check_one(const struct written *written, const struct bucket_setting *setting,
                      struct faults *faults, struct bucket_terms *bucket)
{
    bucket->holds_slots = written->concurrent != NULL;
    if (bucket->holds_slots) {
        bool is_both = refuse_rate(written, "concurrent", faults);
        bucket->burst = scalar_number(faults, "concurrent", written->concurrent, 1, SLOTS_MAX, 0);
        return bucket->burst > 0 && !is_both && check_fleet(written, setting, bucket, faults);
    }
    refuse_missing(written, faults);
    return check_bucket(written->burst, written->rate, written->debt_max, setting->tick_ms, faults,
                        bucket) &&
           check_fleet(written, setting, bucket, faults);
}

static uint32_t check_list(const struct raw_terms *raw, const struct bucket_setting *setting,
                           struct faults *faults, struct bucket_terms buckets[BUCKETS_MAX])
{
    bool is_good = !mapping_lacks(raw->place, "buckets");
    struct bucket_setting beside = *setting;
    for (uint32_t i = 0; i < raw->buckets_count; i++) {
        const struct raw_bucket *bucket = &raw->buckets[i];
        const struct written written = {
            .place = bucket->place,
            .burst = bucket->burst,
            .rate = bucket->rate,
            .debt_max = bucket->debt_max,
            .concurrent = bucket->concurrent,
            .takes = "a bucket takes burst and rate, or concurrent",
        };
        bool has_name = check_name(raw->buckets, i, faults);
        if (has_name)
            strcpy(buckets[i].name, scalar_placed(bucket->name).text);
        is_good &= has_name;
        is_good &= check_one(&written, &beside, faults, &buckets[i]);
        if (beside.beside == FLEET_BESIDE_NOTHING)
            beside.beside = fleet_beside(&buckets[0]);
    }
    return is_good ? raw->buckets_count : 0;
}

uint32_t config_buckets_check(const struct raw_terms *raw, const char *takes,
                              const struct bucket_setting *setting, struct faults *faults,
                              struct bucket_terms buckets[BUCKETS_MAX])
{
    const struct written written = {
        .place = raw->place,
        .burst = raw->burst,
        .rate = raw->rate,
        .debt_max = raw->debt_max,
        .concurrent = raw->concurrent,
        .takes = takes,
    };
    memset(buckets, 0, BUCKETS_MAX * sizeof buckets[0]);
    if (raw->buckets_count == 0)
        return check_one(&written, setting, faults, &buckets[0]) ? 1 : 0;
    bool is_both = refuse_rate(&written, "buckets", faults);
    is_both |= refuse_beside(&written, "concurrent", raw->concurrent, "buckets", faults);
    uint32_t count = check_list(raw, setting, faults, buckets);
    return is_both ? 0 : count;
}
