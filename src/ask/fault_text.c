#include "ask/fault_text.h"

#include <assert.h>
#include <string.h>

#define SHOWN_MAX 40

struct shown show(const char *bytes, size_t len)
{
    struct shown shown;
    static_assert(sizeof shown.text >= SHOWN_MAX + sizeof "...", "all of it fits");
    size_t used = len < SHOWN_MAX ? len : SHOWN_MAX;
    for (size_t i = 0; i < used; i++)
        shown.text[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '?';
    strcpy(shown.text + used, used < len ? "..." : "");
    return shown;
}

const char *fault_text_key(enum key_fault fault)
{
    switch (fault) {
    case KEY_OK:
        break;
    case KEY_EMPTY:
        return "key is empty; give 1 to 255 bytes of UTF-8";
    case KEY_TOO_LONG:
        return "key is longer than 255 bytes; use a shorter key, or a hash of it";
    case KEY_NOT_UTF8:
        return "key is not valid UTF-8; encode it, as hex or base64 for instance";
    case KEY_HAS_CONTROL:
        return "key holds a control character; encode it, as hex for instance";
    }
    return "";
}

/* That of an empty one is all keys. */
const char *fault_text_prefix(enum key_fault fault)
{
    switch (fault) {
    case KEY_OK:
    case KEY_EMPTY:
        break;
    case KEY_TOO_LONG:
        return "prefix is longer than 255 bytes; no key is longer";
    case KEY_NOT_UTF8:
        return "prefix is not valid UTF-8; no key begins with it, unless it was cut within a "
               "character";
    case KEY_HAS_CONTROL:
        return "prefix holds a control character; no key does";
    }
    return "";
}
static_assert(KEY_MAX == 255, "the texts say so");
