#include "base/date.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#define YEAR_MIN 1970
#define UNIX_S_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* Whether a text begins like a form, in which '0' stands for any digit. */
static bool has_form(const char *text, const char *form)
{
    for (; *form != '\0'; form++, text++)
        if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
            return false;
    return true;
}

static int two_digits(const char *digits)
{
    return (digits[0] - '0') * 10 + digits[1] - '0';
}

/* The end of a fraction of the second that is zero, and of a blank; `text` if there is neither. */
static const char *skip_zeros(const char *text)
{
    if (text[0] == '.' && text[1] == '0')
        text += 1 + strspn(text + 1, "0");
    return text[0] == ' ' ? text + 1 : text;
}

/* Reads "Z", or a sign, hours and minutes, as seconds ahead of UTC. */
static enum date parse_offset(const char *text, int64_t *offset_s)
{
    if (strcmp(text, "Z") == 0) {
        *offset_s = 0;
        return DATE_OK;
    }
    if ((text[0] != '+' && text[0] != '-') || !has_form(text + 1, "00:00") || text[6] != '\0')
        return DATE_MALFORMED;
    int hours = two_digits(text + 1), minutes = two_digits(text + 4);
    if (hours > 23 || minutes > 59)
        return DATE_NONEXISTENT;
    *offset_s = (text[0] == '-' ? INT64_C(-60) : 60) * (hours * 60 + minutes);
    return DATE_OK;
}

/* Whether the calendar has this time: where it has not, timegm(3) has turned it into another. */
static bool is_same(const struct tm *a, const struct tm *b)
{
    return a->tm_mday == b->tm_mday && a->tm_mon == b->tm_mon && a->tm_hour == b->tm_hour &&
           a->tm_min == b->tm_min && a->tm_sec == b->tm_sec;
}

enum date date_parse(const char *text, int64_t *unix_s)
{
    static const char date[] = "0000-00-00", time[] = "00:00:00";
    const char *rest = text + strlen(date);
    int64_t offset_s;
    if (!has_form(text, date) || (*rest != 'T' && *rest != ' ') || !has_form(rest + 1, time))
        return DATE_MALFORMED;
    enum date result = parse_offset(skip_zeros(rest + 1 + strlen(time)), &offset_s);
    if (result != DATE_OK)
        return result;

    int year = two_digits(text) * 100 + two_digits(text + 2);
    struct tm given = {
        .tm_year = year - 1900,
        .tm_mon = two_digits(text + 5) - 1,
        .tm_mday = two_digits(text + 8),
        .tm_hour = two_digits(text + 11),
        .tm_min = two_digits(text + 14),
        .tm_sec = two_digits(text + 17),
    };
    struct tm made = given;
    int64_t local_s = timegm(&made);
    if (!is_same(&given, &made))
        return DATE_NONEXISTENT;
    if (year < YEAR_MIN || local_s < offset_s || local_s - offset_s > UNIX_S_MAX)
        return DATE_OUT_OF_RANGE;
    *unix_s = local_s - offset_s;
    return DATE_OK;
}

void date_print(int64_t unix_s, char text[DATE_TEXT_MAX])
{
    time_t time = (time_t)unix_s;
    struct tm parts;
    gmtime_r(&time, &parts);
    strftime(text, DATE_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

/* The process never leaves the C locale, whose names are HTTP's. */
void date_print_http(int64_t unix_s, char text[DATE_HTTP_MAX])
{
    time_t time = (time_t)unix_s;
    struct tm parts;
    gmtime_r(&time, &parts);
    strftime(text, DATE_HTTP_MAX, "%a, %d %b %Y %H:%M:%S GMT", &parts);
}
