#include "edge/config_scalar.h"

#include "edge/config.h"
#include "edge/config_text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct placed scalar_placed(const char *raw)
{
    struct placed value = {0};
    int text_at = 0;
    int read = sscanf(raw, "%zu:%zu%n", &value.line, &value.column, &text_at);
    assert(read == 2 && raw[text_at] == ' ');
    (void)read;
    value.text = raw + text_at + 1;
    return value;
}

bool scalar_is_usable(const char *raw)
{
    return raw != NULL && raw[0] != '\0';
}

/* Says what a value is not, or which range it is out of, and what to write. */
static void refuse(struct faults *faults, const char *name, struct placed value,
                   enum quantity result, const char *what, const char *allowed)
{
    char shortened[CONFIG_SHORT_MAX];
    faults_add(faults, value.line, value.column, "%s \"%s\" is %s%s; %s", name,
               config_shorten(value.text, shortened),
               result == QUANTITY_OUT_OF_RANGE ? "out of range" : "not ",
               result == QUANTITY_OUT_OF_RANGE ? "" : what, allowed);
}

uint64_t scalar_number(struct faults *faults, const char *name, const char *raw, uint64_t max,
                       uint64_t absent)
{
    if (!scalar_is_usable(raw))
        return raw == NULL ? absent : 0;
    struct placed value = scalar_placed(raw);
    uint64_t number = 0;
    enum quantity result = quantity_parse_number(value.text, strlen(value.text), 1, max, &number);
    if (result != QUANTITY_OK) {
        char allowed[64];
        snprintf(allowed, sizeof allowed, "write 1 to %" PRIu64 ", in digits only", max);
        refuse(faults, name, value, result, "a number", allowed);
    }
    return number;
}

uint64_t scalar_tick(struct faults *faults, const char *raw)
{
    if (!scalar_is_usable(raw))
        return raw == NULL ? CONFIG_DEFAULT_TICK_MS : 0;
    struct placed value = scalar_placed(raw);
    uint64_t tick_ms = 0;
    enum quantity result = quantity_parse_duration(
        value.text, strlen(value.text), CONFIG_TICK_MIN_MS, CONFIG_TICK_MAX_MS, &tick_ms);
    if (result != QUANTITY_OK) {
        char min[QUANTITY_TEXT_MAX], max[QUANTITY_TEXT_MAX], allowed[160];
        quantity_print_duration(CONFIG_TICK_MIN_MS, min);
        quantity_print_duration(CONFIG_TICK_MAX_MS, max);
        snprintf(allowed, sizeof allowed,
                 "write a number and ms or s, such as 100ms, from %s to %s", min, max);
        refuse(faults, "tick", value, result, "a duration", allowed);
    }
    return tick_ms;
}

struct rate scalar_rate(struct faults *faults, const char *raw)
{
    struct rate rate = {0};
    if (!scalar_is_usable(raw))
        return rate;
    struct placed value = scalar_placed(raw);
    enum quantity result = quantity_parse_rate(value.text, strlen(value.text), &rate);
    if (result != QUANTITY_OK) {
        char longest[QUANTITY_TEXT_MAX], range[128];
        quantity_print_duration(PERIOD_MAX_MS, longest);
        snprintf(range, sizeof range, "write 1 to %" PRIu64 " tokens per period of 1ms to %s",
                 (uint64_t)TOKENS_MAX, longest);
        refuse(faults, "rate", value, result, "a rate",
               result == QUANTITY_OUT_OF_RANGE
                   ? range
                   : "write tokens per period, such as 50/s, 5/100ms or 1000/h");
    }
    return rate;
}

enum when_full scalar_when_full(struct faults *faults, const char *raw)
{
    if (!scalar_is_usable(raw))
        return WHEN_FULL_EVICT;
    struct placed value = scalar_placed(raw);
    for (size_t i = 0; i < WHEN_FULL_COUNT; i++)
        if (strcmp(value.text, when_full_names[i]) == 0)
            return (enum when_full)i;
    refuse(faults, "when_full", value, QUANTITY_MALFORMED, "one of its words",
           "write evict, deny or allow");
    return WHEN_FULL_EVICT;
}
