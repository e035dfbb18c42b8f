#include "config/hints.h"

#include "base/address.h"
#include "base/date.h"
#include "base/quantity.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- numbers, as people write them ---- */

/* number / divisor */
struct fraction {
    uint64_t number, divisor;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " ");
}

static void reduce(struct fraction *fraction)
{
    uint64_t common = quantity_common_divisor(fraction->number, fraction->divisor);
    fraction->number /= common;
    fraction->divisor /= common;
}

/* Multiplies by 10 so many times, or divides. */
static bool scale(struct fraction *fraction, int tens)
{
    bool overflows = false;
    for (; tens > 0 && !overflows; tens--)
        overflows = __builtin_mul_overflow(fraction->number, 10, &fraction->number);
    for (; tens < 0 && !overflows; tens++)
        overflows = __builtin_mul_overflow(fraction->divisor, 10, &fraction->divisor);
    return !overflows;
}

/* Whether a separator stands where one of thousands may: before three digits, and no fourth. */
static bool separates(const char *at)
{
    if (*at != ',' && *at != '_' && *at != '\'')
        return false;
    size_t digits = 1;
    while (is_digit(at[digits]))
        digits++;
    return digits == 4;
}

static bool add_digit(struct fraction *fraction, char digit)
{
    return !__builtin_mul_overflow(fraction->number, 10, &fraction->number) &&
           !__builtin_add_overflow(fraction->number, (uint64_t)(digit - '0'), &fraction->number);
}

/* Reads an exponent, k or M: by how many tens to multiply. Returns where it ends. */
static const char *read_magnitude(const char *at, int *tens)
{
    const char *digits = at + 1 + (at[0] != '\0' && (at[1] == '+' || at[1] == '-'));
    *tens = 0;
    if ((*at == 'e' || *at == 'E') && is_digit(digits[0])) {
        for (; is_digit(*digits) && *tens < 100; digits++)
            *tens = *tens * 10 + (*digits - '0');
        *tens = at[1] == '-' ? -*tens : *tens;
        return digits;
    }
    if (*at == 'k' || *at == 'K' || *at == 'M') {
        *tens = *at == 'M' ? 6 : 3;
        return at + 1;
    }
    return at;
}

/* Reads a number that may have thousands set apart, a fraction, an exponent, k or M. One with a
 * zero in front is none, because it may be octal. Returns where it ends; NULL: there is none. */
static const char *read_number(const char *at, struct fraction *fraction)
{
    *fraction = (struct fraction){0, 1};
    if (!is_digit(*at) || (at[0] == '0' && is_digit(at[1])))
        return NULL;
    for (; is_digit(*at) || separates(at); at++)
        if (is_digit(*at) && !add_digit(fraction, *at))
            return NULL;
    if (at[0] == '.' && is_digit(at[1]))
        for (at++; is_digit(*at); at++)
            if (!add_digit(fraction, *at) || !scale(fraction, -1))
                return NULL;
    int tens;
    at = read_magnitude(at, &tens);
    if (!scale(fraction, tens))
        return NULL;
    reduce(fraction);
    return at;
}

bool hint_number(const char *text, uint64_t min, uint64_t max, char hint[HINT_MAX])
{
    struct fraction value;
    const char *end = read_number(skip_blanks(text), &value);
    if (end == NULL || *skip_blanks(end) != '\0' || value.divisor != 1 || value.number < min ||
        value.number > max)
        return false;
    snprintf(hint, HINT_MAX, "%" PRIu64, value.number);
    return true;
}

/* ---- durations and rates ---- */

/* Every name of a unit stands between blanks. "M" is none: it may be a minute or a month. */
static const struct {
    const char *names;
    uint64_t ms;
} units[] = {
    {" ms msec msecs millisecond milliseconds ", 1},
    {" s S sec secs second seconds ", MS_PER_S},
    {" m min mins minute minutes ", 60 * MS_PER_S},
    {" h H hr hrs hour hours ", 3600 * MS_PER_S},
    {" d D day days ", MS_PER_DAY},
    {" w week weeks ", 7 * MS_PER_DAY},
    {" month months ", 30 * MS_PER_DAY},
    {" y year years ", 365 * MS_PER_DAY},
};

static size_t letters(const char *at)
{
    size_t len = 0;
    while ((at[len] >= 'a' && at[len] <= 'z') || (at[len] >= 'A' && at[len] <= 'Z'))
        len++;
    return len;
}

/* Whether one of the words of a list, each between blanks, begins here and is all the letters. */
static bool is_among(const char *at, size_t len, const char *words)
{
    char wanted[16];
    if (len == 0 || len + 2 >= sizeof wanted)
        return false;
    snprintf(wanted, sizeof wanted, " %.*s ", (int)len, at);
    return strstr(words, wanted) != NULL;
}

/* Reads the rest of a text as a unit. 0: it is none. */
static uint64_t read_unit(const char *at)
{
    size_t len = letters(at);
    if (*skip_blanks(at + len) != '\0')
        return 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (is_among(at, len, units[i].names))
            return units[i].ms;
    return 0;
}

bool hint_duration(const char *text, uint64_t min_ms, uint64_t max_ms, char hint[HINT_MAX])
{
    struct fraction value;
    uint64_t ms;
    const char *end = read_number(skip_blanks(text), &value);
    uint64_t unit = end == NULL ? 0 : read_unit(skip_blanks(end));
    if (unit == 0 || __builtin_mul_overflow(value.number, unit, &ms) || ms % value.divisor != 0)
        return false;
    ms /= value.divisor;
    if (ms < min_ms || ms > max_ms)
        return false;
    char written[QUANTITY_TEXT_MAX];
    quantity_print_duration(ms, written);
    snprintf(hint, HINT_MAX, "%s", written);
    return true;
}

/* Reads what is counted, if it is named, and "/", "per", or "p" of "rps". NULL: there is none. */
static const char *read_per(const char *at)
{
    static const char counted[] = " r req reqs request requests t token tokens hit hits call calls "
                                  "query queries ";
    size_t len = letters(at);
    if ((len == 3) && (at[0] == 'r' || at[0] == 'q') && at[1] == 'p')
        return at + 2;
    if (is_among(at, len, counted))
        at = skip_blanks(at + len);
    if (*at == '/')
        return skip_blanks(at + 1);
    len = letters(at);
    return is_among(at, len, " per ") || is_among(at, len, " a ") ? skip_blanks(at + len) : NULL;
}

/* Reads a unit, or how many of them. The period in milliseconds. */
static bool read_period(const char *at, struct fraction *period_ms)
{
    const char *end = is_digit(*at) ? read_number(at, period_ms) : at;
    if (end == at)
        *period_ms = (struct fraction){1, 1};
    uint64_t unit = end == NULL ? 0 : read_unit(skip_blanks(end));
    if (unit == 0 || __builtin_mul_overflow(period_ms->number, unit, &period_ms->number))
        return false;
    reduce(period_ms);
    return true;
}

bool hint_rate(const char *text, uint64_t max, char hint[HINT_MAX])
{
    struct fraction tokens, period_ms;
    const char *at = read_number(skip_blanks(text), &tokens);
    at = at == NULL ? NULL : read_per(skip_blanks(at));
    if (at == NULL || !read_period(at, &period_ms))
        return false;
    struct rate rate;
    if (__builtin_mul_overflow(tokens.number, period_ms.divisor, &rate.tokens) ||
        __builtin_mul_overflow(period_ms.number, tokens.divisor, &rate.period_ms))
        return false;
    if (rate.tokens < 1 || rate.tokens > max || rate.period_ms < 1 ||
        rate.period_ms > PERIOD_MAX_MS)
        return false;
    char written[QUANTITY_TEXT_MAX];
    quantity_print_rate(&rate, written);
    snprintf(hint, HINT_MAX, "%s", written);
    return true;
}

bool hint_time(const char *text, char hint[HINT_MAX])
{
    static const uint64_t first_s = 1000000000, last_s = 9999999999; /* as long as dates today */
    uint64_t unix_s;
    char date[DATE_TEXT_MAX];
    if (quantity_parse_number(text, strlen(text), first_s, last_s, &unix_s) != QUANTITY_OK)
        return false;
    date_print((int64_t)unix_s, date);
    snprintf(hint, HINT_MAX, "\"%s\"", date);
    return true;
}

/* ---- addresses ---- */

static const char *without(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncasecmp(text, prefix, len) == 0 ? text + len : text;
}

static bool is_ipv6(const char *text, size_t len)
{
    struct in6_addr address;
    char host[INET6_ADDRSTRLEN];
    if (len >= sizeof host)
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    return inet_pton(AF_INET6, host, &address) == 1;
}

/* Takes an address if it is one. */
static bool take_address(const char *address, char hint[HINT_MAX])
{
    struct address parsed;
    if (!address_parse(address, &parsed))
        return false;
    snprintf(hint, HINT_MAX, "%s", address);
    return true;
}

/* A port alone, for which it is not said who may reach it. */
static bool take_port(const char *port, char hint[HINT_MAX])
{
    char own[32];
    struct address parsed;
    snprintf(own, sizeof own, "127.0.0.1:%.8s", port);
    if (!address_parse(own, &parsed))
        return false;
    snprintf(hint, HINT_MAX, "%s for this machine alone, or 0.0.0.0:%.8s for every IPv4 network",
             own, port);
    return true;
}

/* "[::ffff:127.0.0.1]:80" is an IPv4 address. */
static bool take_mapped(const char *host, char hint[HINT_MAX])
{
    char address[INET6_ADDRSTRLEN], written[HINT_MAX];
    const char *end = strchr(host, ']');
    struct in6_addr mapped;
    if (host[0] != '[' || end == NULL || (size_t)(end - host) > sizeof address)
        return false;
    memcpy(address, host + 1, (size_t)(end - host) - 1);
    address[end - host - 1] = '\0';
    if (inet_pton(AF_INET6, address, &mapped) != 1 || !IN6_IS_ADDR_V4MAPPED(&mapped))
        return false;
    inet_ntop(AF_INET, &mapped.s6_addr[12], address, sizeof address);
    snprintf(written, sizeof written, "%s%.8s", address, end[1] == '\0' ? ":10429" : end + 1);
    return take_address(written, hint);
}

bool hint_address(const char *text, char hint[HINT_MAX])
{
    char written[HINT_MAX];
    const char *at = without(without(without(text, "http://"), "https://"), "tcp://");
    size_t len = strcspn(at, "/");
    if (text[0] == '/' || without(text, "unix:") != text) {
        const char *path = without(without(text, "unix:"), "//");
        snprintf(written, sizeof written, "unix:%s", path);
        return take_address(written, hint);
    }
    if (len == 0 || len >= 64 || (at[len] == '/' && at[len + 1] != '\0'))
        return false;
    char host[64];
    memcpy(host, at, len);
    host[len] = '\0';
    const char *port = without(host, "*:");
    port += *port == ':';
    const char *colon = strrchr(host, ':');
    if (is_digit(*port) && port[strspn(port, "0123456789")] == '\0')
        return take_port(port, hint);
    if (take_mapped(host, hint))
        return true;
    if (without(host, "localhost:") != host)
        snprintf(written, sizeof written, "127.0.0.1:%s", without(host, "localhost:"));
    else if (is_ipv6(host, len) && is_ipv6(host, (size_t)(colon - host)))
        return false;
    else if (is_ipv6(host, len))
        snprintf(written, sizeof written, "[%s]:10429", host);
    else if (colon != NULL && is_ipv6(host, (size_t)(colon - host)))
        snprintf(written, sizeof written, "[%.*s]:%s", (int)(colon - host), host, colon + 1);
    else
        snprintf(written, sizeof written, "%s%s", host, colon == NULL ? ":10429" : "");
    return take_address(written, hint);
}

/* ---- what other programs replace ---- */

const char *hint_placeholder(const char *text)
{
    static const char *const marks[] = {"${", "$(", "{{", "{%", "<%"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (strstr(text, marks[i]) != NULL)
            return "nothing is put in for variables here; write the value itself, or have a "
                   "program write the file";
    if (text[0] == '$' && letters(text + 1) > 0)
        return hint_placeholder("${");
    return NULL;
}

const char *hint_name(const char *name)
{
    static const char *const of_files[] = {"include", "includes", "import",
                                           "imports", "extends",  "!include"};
    if (strcmp(name, "<<") == 0)
        return "nothing is merged here; write the values themselves";
    for (size_t i = 0; i < sizeof of_files / sizeof of_files[0]; i++)
        if (strcmp(name, of_files[i]) == 0)
            return "other files are not included here; write all into this one";
    return NULL;
}
