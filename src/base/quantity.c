#include "base/quantity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Smallest first; printing goes through it from the end. */
static const struct {
    const char *name;
    uint64_t ms;
} units[] = {
    {"ms", 1}, {"s", MS_PER_S}, {"m", 60 * MS_PER_S}, {"h", 3600 * MS_PER_S}, {"d", MS_PER_DAY},
};
enum { UNITS = sizeof units / sizeof units[0] };

enum quantity quantity_parse_number(const char *text, size_t len, uint64_t min, uint64_t max,
                                    uint64_t *number)
{
    if (len == 0 || (text[0] == '0' && len > 1))
        return QUANTITY_MALFORMED;

    uint64_t n = 0;
    bool overflow = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return QUANTITY_MALFORMED;
        overflow |= __builtin_mul_overflow(n, 10, &n);
        overflow |= __builtin_add_overflow(n, (uint64_t)(text[i] - '0'), &n);
    }
    if (overflow || n < min || n > max)
        return QUANTITY_OUT_OF_RANGE;
    *number = n;
    return QUANTITY_OK;
}

/* The milliseconds of a unit's name, or 0 if there is no such unit. */
static uint64_t unit_ms(const char *name, size_t len)
{
    for (size_t i = 0; i < UNITS; i++)
        if (strlen(units[i].name) == len && memcmp(units[i].name, name, len) == 0)
            return units[i].ms;
    return 0;
}

static size_t count_digits(const char *text, size_t len)
{
    size_t digits = 0;
    while (digits < len && text[digits] >= '0' && text[digits] <= '9')
        digits++;
    return digits;
}

enum quantity quantity_parse_duration(const char *text, size_t len, uint64_t min_ms,
                                      uint64_t max_ms, uint64_t *duration_ms)
{
    size_t digits = count_digits(text, len);
    uint64_t count, ms = unit_ms(text + digits, len - digits);
    if (ms == 0)
        return QUANTITY_MALFORMED;

    enum quantity result = quantity_parse_number(text, digits, 0, UINT64_MAX / ms, &count);
    if (result != QUANTITY_OK)
        return result;
    if (count * ms < min_ms || count * ms > max_ms)
        return QUANTITY_OUT_OF_RANGE;
    *duration_ms = count * ms;
    return QUANTITY_OK;
}

enum quantity quantity_parse_rate(const char *text, size_t len, struct rate *rate)
{
    const char *slash = memchr(text, '/', len);
    if (slash == NULL)
        return QUANTITY_MALFORMED;

    size_t tokens_len = (size_t)(slash - text);
    const char *period = slash + 1;
    size_t period_len = len - tokens_len - 1;

    struct rate parsed;
    enum quantity tokens = quantity_parse_number(text, tokens_len, 1, TOKENS_MAX, &parsed.tokens);
    parsed.period_ms = unit_ms(period, period_len);
    if (parsed.period_ms == 0) {
        enum quantity duration =
            quantity_parse_duration(period, period_len, 1, PERIOD_MAX_MS, &parsed.period_ms);
        if (duration != QUANTITY_OK)
            return tokens == QUANTITY_MALFORMED ? tokens : duration;
    }
    if (tokens == QUANTITY_OK)
        *rate = parsed;
    return tokens;
}

void quantity_print_duration(uint64_t duration_ms, char text[QUANTITY_TEXT_MAX])
{
    size_t i = duration_ms == 0 ? 1 : UNITS - 1; /* nothing is 0s */
    while (i > 0 && duration_ms > 0 &&
           (duration_ms < units[i].ms || duration_ms % units[i].ms != 0))
        i--;
    snprintf(text, QUANTITY_TEXT_MAX, "%" PRIu64 "%s", duration_ms / units[i].ms, units[i].name);
}

void quantity_print_rate(const struct rate *rate, char text[QUANTITY_TEXT_MAX])
{
    char period[QUANTITY_TEXT_MAX];
    quantity_print_duration(rate->period_ms, period);
    const char *unit =
        period[0] == '1' && (period[1] < '0' || period[1] > '9') ? period + 1 : period;
    snprintf(text, QUANTITY_TEXT_MAX, "%" PRIu64 "/%.24s", rate->tokens, unit);
}

uint64_t quantity_common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}
