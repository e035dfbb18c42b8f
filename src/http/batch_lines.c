#include "http/batch_lines.h"

#include "ask/fault_text.h"
#include "base/ascii.h"
#include "base/quantity.h"
#include "limits/key.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct reader {
    const char *at, *end;
    char *strings; /* where the next one goes */
    uint32_t line; /* that is read, from 1 */
    char *detail;
};

/* Writes the detail. Returns false, which the caller then returns. */
__attribute__((format(printf, 2, 3))) static bool refuse(const struct reader *reader,
                                                         const char *format, ...)
{
    size_t used = (size_t)snprintf(reader->detail, REPLY_DETAIL_MAX, "line %u: ", reader->line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->detail + used, REPLY_DETAIL_MAX - used, format, arguments);
    va_end(arguments);
    return false;
}

/* How many lines there are; the last one may have no line feed. */
static size_t count_lines(const char *bytes, size_t len)
{
    bool has_rest = len > 0 && bytes[len - 1] != '\n';
    return ascii_count(bytes, len, '\n') + has_rest;
}

/* ---- one line ---- */

static bool is_at_end_of_field(const struct reader *reader)
{
    return reader->at == reader->end || *reader->at == '\t' || *reader->at == '\n';
}

/* The length of the field that comes next, and the reader is behind it then. */
static size_t take_field(struct reader *reader)
{
    const char *from = reader->at;
    while (!is_at_end_of_field(reader))
        reader->at++;
    return (size_t)(reader->at - from);
}

/* Whether another field follows in the line; then the reader is at its beginning. */
static bool has_another(struct reader *reader)
{
    if (reader->at == reader->end || *reader->at != '\t')
        return false;
    reader->at++;
    return true;
}

/* A string is as long as its field, and its NUL fits into the room of what ends that. */
static const char *store(struct reader *reader, const char *string, size_t len)
{
    char *stored = reader->strings;
    memcpy(stored, string, len);
    stored[len] = '\0';
    reader->strings += len + 1;
    return stored;
}

/* Refuses a field of which nothing is wrong but that the line ends as in texts of Windows; true: it is
 * another fault. */
static bool refuse_return(const struct reader *reader, const char *field, size_t len)
{
    return len == 0 || field[len - 1] != '\r' ||
           refuse(reader, "ends in a carriage return; end lines in a line feed alone");
}

/* Takes a key of visible ASCII, as nearly all are, which needs no look of key_check. It is copied while it is
 * looked at: there is room for all that may be copied, for no string lies further behind than what it is
 * copied from. */
static bool take_visible_key(struct reader *reader, struct bucket_question *ask)
{
    const char *from = reader->at;
    size_t len = ascii_copy_visible(from, (size_t)(reader->end - from), reader->strings);
    if (len == 0 || len > KEY_MAX ||
        (from + len < reader->end && from[len] != '\t' && from[len] != '\n'))
        return false;
    ask->key = reader->strings;
    ask->key_len = len;
    reader->strings[len] = '\0';
    reader->strings += len + 1;
    reader->at = from + len;
    return true;
}

/* Refuses what some editors put before a text, and nobody sees: it would be part of the first key. */
static bool refuse_mark(const struct reader *reader)
{
    static const char mark[] = "\xef\xbb\xbf"; /* U+FEFF */
    const size_t len = sizeof mark - 1;
    return reader->line > 1 || (size_t)(reader->end - reader->at) < len ||
           memcmp(reader->at, mark, len) != 0 ||
           refuse(reader, "begins with a byte-order mark; send the lines without it");
}

static bool read_key(struct reader *reader, struct bucket_question *ask)
{
    if (take_visible_key(reader, ask))
        return true;
    if (!refuse_mark(reader))
        return false;
    const char *key = reader->at;
    size_t len = take_field(reader);
    enum key_fault wrong = key_check(key, len);
    if (wrong != KEY_OK)
        return refuse_return(reader, key, len) && refuse(reader, "%s", fault_text_key(wrong));
    ask->key = store(reader, key, len);
    ask->key_len = len;
    return true;
}

static bool read_tokens(struct reader *reader, struct bucket_question *ask)
{
    char quoted[sizeof(struct shown) + 2];
    const char *number = reader->at;
    size_t len = take_field(reader);
    if (len == 0 || quantity_parse_number(number, len, 0, TOKENS_MAX, &ask->tokens) == QUANTITY_OK)
        return true;
    snprintf(quoted, sizeof quoted, "\"%s\"", show(number, len).text);
    return refuse_return(reader, number, len) &&
           refuse(reader, FAULT_TOKENS, quoted, (uint64_t)TOKENS_MAX);
}

static bool read_limit(struct reader *reader, struct bucket_question *ask)
{
    const char *name = reader->at;
    size_t len = take_field(reader);
    if (len == 0)
        return true;
    if (!limit_name_is_valid(name, len))
        return refuse_return(reader, name, len) &&
               refuse(reader, FAULT_LIMIT_NAME, show(name, len).text);
    ask->limit_name = store(reader, name, len);
    ask->limit_name_len = len;
    return true;
}

static bool read_line(struct reader *reader, struct bucket_question *ask)
{
    *ask = (struct bucket_question){.tokens = 1};
    if (!read_key(reader, ask) || (has_another(reader) && !read_tokens(reader, ask)) ||
        (has_another(reader) && !read_limit(reader, ask)))
        return false;
    if (has_another(reader))
        return refuse(reader,
                      "has more than three fields; give KEY, or KEY, TOKENS and LIMIT with a "
                      "tab between them");
    if (reader->at < reader->end)
        reader->at++; /* the line feed */
    return true;
}

/* ---- the batch ---- */

/* Reads as many lines as are a key alone, as nearly all are, in as few steps as it goes. Returns how many there
 * were; what follows is left to read_line. */
static uint32_t read_bare_lines(struct reader *reader, struct bucket_call *calls, uint32_t most)
{
    const char *at = reader->at, *end = reader->end;
    char *strings = reader->strings;
    uint32_t count = 0;
    for (; count < most; count++) {
        size_t len = ascii_copy_visible(at, (size_t)(end - at), strings);
        if (len == 0 || len > KEY_MAX || at + len == end || at[len] != '\n')
            break;
        strings[len] = '\0';
        calls[count].ask = (struct bucket_question){.key = strings, .key_len = len, .tokens = 1};
        strings += len + 1;
        at += len + 1;
    }
    reader->at = at;
    reader->strings = strings;
    reader->line += count;
    return count;
}

enum batch_result batch_lines_parse(const char *bytes, size_t len, struct batch *batch,
                                    char detail[REPLY_DETAIL_MAX])
{
    struct batch made = {.all = false};
    size_t lines = count_lines(bytes, len);
    if (lines < 1 || lines > LIST_MAX) {
        snprintf(detail, REPLY_DETAIL_MAX, "the batch has %s; give 1 to %d, one for each key",
                 lines < 1 ? "no lines" : "more lines than may be", LIST_MAX);
        return BATCH_BAD;
    }
    if (!batch_take_memory(&made, (uint32_t)lines, len + 1)) /* the last line feed may be missing */
        return BATCH_NO_MEMORY;
    struct reader reader = {bytes, bytes + len, (char *)(made.calls + lines), 1, detail};
    while (reader.line <= lines) {
        struct bucket_call *calls = &made.calls[reader.line - 1];
        if (read_bare_lines(&reader, calls, (uint32_t)lines + 1 - reader.line) > 0)
            continue;
        if (!read_line(&reader, &calls->ask)) {
            batch_release(&made);
            return BATCH_BAD;
        }
        reader.line++;
    }
    *batch = made;
    return BATCH_OK;
}
