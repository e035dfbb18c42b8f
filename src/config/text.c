#include "config/text.h"

#include "base/quote.h"
#include "limits/key.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The length of a character of UTF-8, by its first byte. */
static size_t announced_size(char lead)
{
    uint8_t byte = (uint8_t)lead;
    return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

static bool is_continuation(char byte)
{
    return ((uint8_t)byte & 0xc0) == 0x80;
}

static bool is_line_end(const char *bytes, size_t len)
{
    return bytes[0] == '\n' || (bytes[0] == '\r' && (len == 1 || bytes[1] != '\n'));
}

/* The size of the character that begins here; *wrong: what is wrong with it, or NULL. Beside what
 * keys may not hold, U+FFFE and U+FFFF are wrong, which YAML forbids. */
static size_t character_size(const char *bytes, size_t len, const char **wrong)
{
    size_t size = announced_size(bytes[0]);
    enum key_fault fault = size <= len ? key_check(bytes, size) : KEY_NOT_UTF8;
    *wrong = NULL;
    if (fault == KEY_NOT_UTF8) {
        *wrong = "not UTF-8";
        size = 1;
        while (size < len && is_continuation(bytes[size]))
            size++;
        /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): NUL is a control character too */
    } else if (fault == KEY_HAS_CONTROL && memchr("\t\n\r", bytes[0], 3) == NULL) {
        *wrong = "a control character";
    } else if (size == 3 && memcmp(bytes, "\xef\xbf\xbe", 3) >= 0) {
        *wrong = "not a Unicode character";
    }
    return size;
}

void config_mend_characters(char *bytes, size_t len, struct faults *faults)
{
    size_t line = 1, column = 1, last_reported = 0;
    for (size_t i = 0; i < len;) {
        const char *wrong;
        bool line_ends = is_line_end(bytes + i, len - i);
        size_t size = character_size(bytes + i, len - i, &wrong);
        if (wrong != NULL && last_reported != line) {
            faults_add(faults, line, column,
                       "byte 0x%02x is %s; the file must be UTF-8 text without control characters",
                       (unsigned)(uint8_t)bytes[i], wrong);
            last_reported = line;
        }
        /* A '_' for each byte shifts the columns behind it, but only on a reported line. */
        if (wrong != NULL)
            memset(bytes + i, '_', size);
        i += size;
        column = line_ends ? 1 : column + 1;
        line += line_ends;
    }
}

const char *config_shorten(const char *text, char shortened[CONFIG_SHORT_MAX])
{
    static const char rest[] = "...";
    size_t len = strlen(text);
    if (len < CONFIG_SHORT_MAX) {
        memcpy(shortened, text, len + 1);
        return shortened;
    }
    len = CONFIG_SHORT_MAX - sizeof rest;
    while (len > 0 && is_continuation(text[len]))
        len--;
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the next one brings the NUL */
    memcpy(shortened, text, len);
    memcpy(shortened + len, rest, sizeof rest);
    return shortened;
}

void config_write_quotable(FILE *out, const char *text, size_t len)
{
    struct quoted quoted;
    for (size_t at = 0; at < len; at += quoted.taken) {
        quote_next(QUOTE_FOR_YAML, text + at, len - at, &quoted);
        fwrite(quoted.bytes, 1, quoted.len, out);
    }
}

void config_write_named(FILE *out, const char *lead, const char *text)
{
    fprintf(out, "%s\"", lead);
    config_write_quotable(out, text, strlen(text));
    fputs("\"\n", out);
}
