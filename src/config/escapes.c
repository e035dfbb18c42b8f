#include "config/escapes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HALF_LEN = 6,      /* \ud83d */
    PAIR_LEN = 12,     /* \ud83d\ude00 */
    ONE_LEN = 10,      /* \U0001F600 */
    NESTING_MAX = 100, /* as in events.c, which reports what is deeper */
};

struct pair {
    size_t offset;      /* in bytes */
    size_t index;       /* in characters */
    uint32_t character; /* 0: this is half a pair, and stays a fault */
    bool is_quoted;     /* it stands between double quotes */
};

struct pairs {
    size_t count, room;
    struct pair *pair;
};

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* Reads \uXXXX. -1: it is something else. */
static int32_t read_escape(const char *bytes)
{
    int32_t unit = 0;
    if (bytes[0] != '\\' || bytes[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(bytes[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* Reads a pair, or half of one. Its length; 0: there is neither here. */
static size_t read_pair(const char *bytes, size_t len, uint32_t *character)
{
    int32_t high = len < HALF_LEN ? -1 : read_escape(bytes);
    int32_t low = len < PAIR_LEN ? -1 : read_escape(bytes + HALF_LEN);
    *character = 0;
    if (high < 0xd800 || high > 0xdfff)
        return 0;
    if (high > 0xdbff || low < 0xdc00 || low > 0xdfff)
        return HALF_LEN;
    *character = 0x10000 + (((uint32_t)high - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
    return PAIR_LEN;
}

static bool add_pair(struct pairs *pairs, struct pair pair)
{
    if (pairs->count == pairs->room) {
        size_t room = pairs->room * 2 + 64;
        struct pair *moved = realloc(pairs->pair, room * sizeof *moved);
        if (moved == NULL)
            return false;
        pairs->pair = moved;
        pairs->room = room;
    }
    pairs->pair[pairs->count++] = pair;
    return true;
}

/* Finds whatever looks like a pair or half of one, wherever it stands. A backslash that is itself escaped begins
 * none. false: there is no memory. */
static bool find_pairs(const char *bytes, size_t len, struct pairs *pairs)
{
    size_t index = 0;
    for (size_t at = 0; at < len; at++, index++) {
        while (at < len && ((uint8_t)bytes[at] & 0xc0) == 0x80)
            at++; /* within a character */
        if (at == len || bytes[at] != '\\')
            continue;
        uint32_t character;
        size_t size = read_pair(bytes + at, len - at, &character);
        if (size > 0 && !add_pair(pairs, (struct pair){at, index, character, false}))
            return false;
        size_t behind = size > 0 ? size - 1 : at + 1 < len && bytes[at + 1] == '\\';
        at += behind;
        index += behind;
    }
    return true;
}

/* Marks the pairs that stand between the quotes of a scalar. Returns how many are behind us. */
static size_t mark_quoted(struct pairs *pairs, size_t next, const yaml_event_t *event)
{
    bool is_quoted = event->type == YAML_SCALAR_EVENT &&
                     event->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    for (; next < pairs->count && pairs->pair[next].index < event->end_mark.index; next++)
        pairs->pair[next].is_quoted =
            is_quoted && pairs->pair[next].index > event->start_mark.index;
    return next;
}

/* Has libyaml read a text without pairs, to see which of them stand between double quotes. It ends
 * where the text is broken; nothing behind that is read later either. */
static void mark_all_quoted(struct pairs *pairs, yaml_parser_t *parser)
{
    yaml_event_t event;
    int depth = 0;
    bool is_end = false;
    for (size_t next = 0; !is_end && next < pairs->count && yaml_parser_parse(parser, &event);) {
        next = mark_quoted(pairs, next, &event);
        depth += event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT;
        depth -= event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        is_end = event.type == YAML_STREAM_END_EVENT || depth > NESTING_MAX;
        yaml_event_delete(&event);
    }
}

/* false: there is no memory. */
static bool look_at_quotes(const char *bytes, size_t len, struct pairs *pairs)
{
    yaml_parser_t parser;
    char *masked = malloc(len);
    if (masked == NULL || !yaml_parser_initialize(&parser)) {
        free(masked);
        return false;
    }
    memcpy(masked, bytes, len);
    for (size_t i = 0; i < pairs->count; i++)
        memset(masked + pairs->pair[i].offset, 'x',
               pairs->pair[i].character == 0 ? HALF_LEN : PAIR_LEN);
    yaml_parser_set_input_string(&parser, (const unsigned char *)masked, len);
    mark_all_quoted(pairs, &parser);
    bool has_memory = parser.error != YAML_MEMORY_ERROR;
    yaml_parser_delete(&parser);
    free(masked);
    return has_memory;
}

/* Writes the one escape for each quoted pair, and moves what follows. */
static void replace(char *bytes, size_t *len, const struct pairs *pairs, struct escapes *escapes)
{
    size_t from = 0, to = 0;
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pair *pair = &pairs->pair[i];
        if (!pair->is_quoted || pair->character == 0)
            continue;
        memmove(bytes + to, bytes + from, pair->offset - from);
        to += pair->offset - from;
        from = pair->offset + PAIR_LEN;
        char one[ONE_LEN + 1];
        snprintf(one, sizeof one, "\\U%08X", (unsigned)pair->character);
        memcpy(bytes + to, one, ONE_LEN);
        to += ONE_LEN;
        escapes->indices[escapes->count] = pair->index - escapes->count * (PAIR_LEN - ONE_LEN);
        escapes->count++;
    }
    memmove(bytes + to, bytes + from, *len - from);
    *len = to + (*len - from);
}

bool escapes_mend(char *bytes, size_t *len, struct escapes *escapes, struct faults *faults)
{
    struct pairs pairs = {0};
    *escapes = (struct escapes){0};
    bool has_memory = find_pairs(bytes, *len, &pairs);
    if (has_memory && pairs.count > 0) {
        has_memory = look_at_quotes(bytes, *len, &pairs);
        escapes->indices = has_memory ? calloc(pairs.count, sizeof *escapes->indices) : NULL;
        has_memory = escapes->indices != NULL;
        if (has_memory)
            replace(bytes, len, &pairs, escapes);
    }
    free(pairs.pair);
    if (!has_memory)
        faults_add(faults, 0, 0, "out of memory");
    return has_memory;
}

/* How many of the new escapes begin before this character. */
static size_t count_before(const struct escapes *escapes, size_t index)
{
    size_t low = 0, high = escapes->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (escapes->indices[middle] < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void escapes_correct(const struct escapes *escapes, yaml_mark_t *mark)
{
    if (escapes->count == 0)
        return;
    size_t line_index = mark->index - mark->column;
    size_t in_line = count_before(escapes, mark->index) - count_before(escapes, line_index);
    mark->column += in_line * (PAIR_LEN - ONE_LEN);
}

void escapes_release(struct escapes *escapes)
{
    free(escapes->indices);
    *escapes = (struct escapes){0};
}
