#include "config/scalar.h"

#include "base/date.h"
#include "config/hints.h"
#include "config/text.h"
#include "limits/limits.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORDS_TEXT_MAX 128

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

bool scalar_has_text(const char *raw, const char *text)
{
    return scalar_is_usable(raw) && strcmp(scalar_placed(raw).text, text) == 0;
}

bool mapping_lacks(const char *place, const char *name)
{
    char wanted[CONFIG_SHORT_MAX];
    snprintf(wanted, sizeof wanted, ",%s,", name);
    return place != NULL && strstr(place, wanted) != NULL;
}

/* Reports what a value is not, or that it is out of range, and what to write. */
static void refuse(struct faults *faults, const char *name, struct placed value,
                   enum quantity result, const char *what, const char *allowed)
{
    char shortened[CONFIG_SHORT_MAX];
    const char *hint = hint_placeholder(value.text);
    if (hint != NULL)
        allowed = hint;
    faults_add(faults, value.line, value.column, "%s \"%s\" is %s%s; %s", name,
               config_shorten(value.text, shortened),
               result == QUANTITY_OUT_OF_RANGE ? "out of range" : "not ",
               result == QUANTITY_OUT_OF_RANGE ? "" : what, allowed);
}

uint64_t scalar_number_or(struct faults *faults, const char *name, const char *word,
                          const char *raw, uint64_t min, uint64_t max, uint64_t absent)
{
    if (!scalar_is_usable(raw))
        return raw == NULL ? absent : 0;
    struct placed value = scalar_placed(raw);
    if (word != NULL && strcmp(value.text, word) == 0)
        return SCALAR_IS_WORD;
    uint64_t number = 0;
    enum quantity result = quantity_parse_number(value.text, strlen(value.text), min, max, &number);
    if (result != QUANTITY_OK) {
        char what[64], allowed[HINT_MAX + 32], hint[HINT_MAX];
        snprintf(what, sizeof what, "a number%s%s", word == NULL ? "" : " or ",
                 word == NULL ? "" : word);
        snprintf(allowed, sizeof allowed, "write %s%s%" PRIu64 " to %" PRIu64 ", in digits only",
                 word == NULL ? "" : word, word == NULL ? "" : ", or ", min, max);
        if (result == QUANTITY_MALFORMED && hint_number(value.text, min, max, hint))
            snprintf(allowed, sizeof allowed, "write %s, in digits only", hint);
        refuse(faults, name, value, result, what, allowed);
    }
    return number;
}

uint64_t scalar_number(struct faults *faults, const char *name, const char *raw, uint64_t min,
                       uint64_t max, uint64_t absent)
{
    return scalar_number_or(faults, name, NULL, raw, min, max, absent);
}

uint64_t scalar_duration(struct faults *faults, const char *name, const char *raw, uint64_t min_ms,
                         uint64_t max_ms, uint64_t absent_ms)
{
    if (!scalar_is_usable(raw))
        return raw == NULL ? absent_ms : 0;
    struct placed value = scalar_placed(raw);
    uint64_t duration_ms = 0;
    enum quantity result =
        quantity_parse_duration(value.text, strlen(value.text), min_ms, max_ms, &duration_ms);
    if (result != QUANTITY_OK) {
        char min[QUANTITY_TEXT_MAX], max[QUANTITY_TEXT_MAX], example[QUANTITY_TEXT_MAX];
        char allowed[256], hint[HINT_MAX];
        quantity_print_duration(min_ms, min);
        quantity_print_duration(max_ms, max);
        quantity_print_duration(absent_ms, example);
        snprintf(allowed, sizeof allowed, "write a number and %s, such as %s, from %s to %s",
                 max_ms < 60 * MS_PER_S ? "ms or s" : "ms, s, m or h", example, min, max);
        if (result == QUANTITY_MALFORMED && hint_duration(value.text, min_ms, max_ms, hint))
            snprintf(allowed, sizeof allowed, "write %s", hint);
        refuse(faults, name, value, result, "a duration", allowed);
    }
    return duration_ms;
}

struct rate scalar_rate(struct faults *faults, const char *name, const char *counted, uint64_t max,
                        const char *raw)
{
    struct rate rate = {0};
    if (!scalar_is_usable(raw))
        return rate;
    struct placed value = scalar_placed(raw);
    enum quantity result = quantity_parse_rate(value.text, strlen(value.text), &rate);
    if (result == QUANTITY_OK && rate.tokens > max)
        result = QUANTITY_OUT_OF_RANGE;
    if (result == QUANTITY_OK)
        return rate;
    char longest[QUANTITY_TEXT_MAX], hint[HINT_MAX], allowed[HINT_MAX + 96];
    quantity_print_duration(PERIOD_MAX_MS, longest);
    if (result == QUANTITY_OUT_OF_RANGE)
        snprintf(allowed, sizeof allowed, "write 1 to %" PRIu64 " %s per period of 1ms to %s", max,
                 counted, longest);
    else if (hint_rate(value.text, max, hint))
        snprintf(allowed, sizeof allowed, "write %s: whole %s per period in ms, s, m, h or d", hint,
                 counted);
    else
        snprintf(allowed, sizeof allowed,
                 "write %s per period in ms, s, m, h or d, such as 50/s, 5/100ms or 1000/h",
                 counted);
    refuse(faults, name, value, result, "a rate", allowed);
    return (struct rate){0};
}

/* Whether a glob ends in a backslash that quotes nothing: then fnmatch(3) matches no key. */
static bool ends_in_stray_backslash(const char *glob)
{
    size_t len = strlen(glob), backslashes = 0;
    while (backslashes < len && glob[len - 1 - backslashes] == '\\')
        backslashes++;
    return backslashes % 2 == 1;
}

bool scalar_check_glob(struct faults *faults, const char *name, struct placed glob)
{
    if (!ends_in_stray_backslash(glob.text))
        return true;
    faults_add(
        faults, glob.line, glob.column,
        "%s ends in a backslash that quotes nothing, so it would match nothing; write \\\\ for "
        "a backslash",
        name);
    return false;
}

int64_t scalar_until(struct faults *faults, const char *raw)
{
    int64_t until_s = OVERRIDE_FOR_EVER;
    if (!scalar_is_usable(raw))
        return until_s;
    struct placed value = scalar_placed(raw);
    char hint[HINT_MAX], allowed[HINT_MAX + 64];
    switch (date_parse(value.text, &until_s)) {
    case DATE_OK:
        break;
    case DATE_MALFORMED:
        if (hint_time(value.text, hint)) {
            snprintf(allowed, sizeof allowed,
                     "write %s, in quotes: a program may have made a number of it", hint);
            refuse(faults, "until", value, QUANTITY_MALFORMED, "a time", allowed);
            break;
        }
        refuse(faults, "until", value, QUANTITY_MALFORMED, "a time",
               "write date, T, time and Z or an offset, such as \"2026-12-31T23:59:59Z\" or "
               "\"2027-01-31T00:00:00+01:00\"");
        break;
    case DATE_NONEXISTENT:
        refuse(faults, "until", value, QUANTITY_MALFORMED, "a time that exists",
               "write a date of the calendar, hours to 23, minutes and seconds to 59");
        break;
    case DATE_OUT_OF_RANGE:
        refuse(faults, "until", value, QUANTITY_OUT_OF_RANGE, "",
               "write a time from 1970-01-01T00:00:00Z to 9999-12-31T23:59:59Z");
        break;
    }
    return until_s;
}

/* "write a, b or c" */
static void list_words(const char *const words[], size_t count, char text[WORDS_TEXT_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        const char *before = i == 0 ? "write " : i + 1 < count ? ", " : " or ";
        int written = snprintf(text + len, WORDS_TEXT_MAX - len, "%s%s", before, words[i]);
        assert(written > 0 && (size_t)written < WORDS_TEXT_MAX - len);
        len += (size_t)written;
    }
}

size_t scalar_word(struct faults *faults, const char *name, const char *raw,
                   const char *const words[], size_t count, size_t absent)
{
    if (!scalar_is_usable(raw))
        return absent;
    struct placed value = scalar_placed(raw);
    for (size_t i = 0; i < count; i++)
        if (strcmp(value.text, words[i]) == 0)
            return i;
    char allowed[WORDS_TEXT_MAX];
    list_words(words, count, allowed);
    refuse(faults, name, value, QUANTITY_MALFORMED, "one of its words", allowed);
    return absent;
}

bool scalar_flag(struct faults *faults, const char *name, const char *raw)
{
    static const char *const words[] = {"true", "false"};
    return scalar_word(faults, name, raw, words, 2, 1) == 0;
}

uint32_t scalar_percent(struct faults *faults, const char *name, const char *raw, const char *what,
                        unsigned example, uint32_t absent)
{
    if (!scalar_is_usable(raw))
        return raw == NULL ? absent : 0;
    struct placed value = scalar_placed(raw);
    size_t digits = strspn(value.text, "0123456789");
    uint32_t percent = 0;
    for (size_t i = 0; i < digits && percent <= 100; i++)
        percent = percent * 10 + (uint32_t)(value.text[i] - '0');
    if (digits > 0 && value.text[0] != '0' && strcmp(value.text + digits, "%") == 0 &&
        percent <= 100)
        return percent;
    char shortened[CONFIG_SHORT_MAX];
    faults_add(faults, value.line, value.column,
               "%s \"%s\" is not a share of a bucket; write %s, 1%% to 100%%, such as %u%%", name,
               config_shorten(value.text, shortened), what, example);
    return 0;
}
