#include "http/accept.h"

#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && is_blank(**text)) {
        (*text)++;
        (*len)--;
    }
    while (*len > 0 && is_blank((*text)[*len - 1]))
        (*len)--;
}

/* Cuts off what comes before a separator. */
static void cut(const char **rest, size_t *rest_len, char separator, const char **part,
                size_t *part_len)
{
    const char *end = memchr(*rest, separator, *rest_len);
    *part = *rest;
    *part_len = end == NULL ? *rest_len : (size_t)(end - *rest);
    size_t taken = *part_len + (end != NULL);
    *rest += taken;
    *rest_len -= taken;
    trim(part, part_len);
}

static bool is(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/* How well a range fits a type: 3, 2 or 1, or 0 if it does not. */
static unsigned precision_of(const char *range, size_t len, const char *type)
{
    size_t family = (size_t)(strchr(type, '/') + 1 - type);
    if (is(range, len, type))
        return 3;
    if (len == family + 1 && range[family] == '*' && strncasecmp(range, type, family) == 0)
        return 2;
    return is(range, len, "*/*");
}

/* "q=0.5" in thousandths. What is no weight counts as 1. */
static unsigned weight_of(const char *text, size_t len)
{
    unsigned weight = text[0] == '0' ? 0 : 1000;
    for (size_t i = 2, unit = 100; i < len && i < 5 && weight < 1000; i++, unit /= 10)
        if (text[i] >= '0' && text[i] <= '9')
            weight += (unsigned)unit * (unsigned)(text[i] - '0');
    return weight;
}

static unsigned read_weight(const char *parameters, size_t len)
{
    unsigned weight = 1000;
    while (len > 0) {
        const char *one;
        size_t one_len;
        cut(&parameters, &len, ';', &one, &one_len);
        if (one_len > 2 && (one[0] == 'q' || one[0] == 'Q') && one[1] == '=')
            weight = weight_of(one + 2, one_len - 2);
    }
    return weight;
}

void accept_field(struct accept *accept, const char *const types[ACCEPT_TYPES], const char *value,
                  size_t len)
{
    while (len > 0) {
        const char *range, *type;
        size_t range_len, type_len;
        cut(&value, &len, ',', &range, &range_len);
        cut(&range, &range_len, ';', &type, &type_len);
        if (type_len == 0)
            continue;
        accept->is_there = true;
        accept->ranges++;
        for (unsigned i = 0; i < ACCEPT_TYPES; i++) {
            unsigned precision = precision_of(type, type_len, types[i]);
            if (precision <= accept->precision[i])
                continue;
            accept->precision[i] = precision;
            accept->weight[i] = read_weight(range, range_len);
            accept->place[i] = accept->ranges;
        }
    }
}

unsigned accept_choose(const struct accept *accept)
{
    const unsigned *weight = accept->weight;
    if (!accept->is_there)
        return 0;
    if (weight[0] == 0 && weight[1] == 0)
        return ACCEPT_TYPES;
    if (weight[0] != weight[1])
        return weight[1] > weight[0];
    /* named as such beats a range of many, and first beats second */
    if (accept->precision[0] != accept->precision[1])
        return accept->precision[1] > accept->precision[0];
    return accept->place[1] < accept->place[0];
}
