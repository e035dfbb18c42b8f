#include "migrate/key.h"

#include "base/text.h"
#include "migrate/exceptions.h"
#include "migrate/variables.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* With a blank between each two pieces a template has no more parts than CHECK_PARTS_MAX. */
enum { TEMPLATE_MAX = 400, NATIVE_MAX = 8, FIELD_NAME_MAX = 60 };

/* What a check has a part for. Each of them is in every request. */
static const struct part {
    const char *variable, *part;
} parts[] = {
    {"binary_remote_addr", "{client_ip}"},
    {"remote_addr", "{client_ip}"},
    {"host", "{host}"},
    {"request_method", "{method}"},
    {"uri", "{path}"},
    {"document_uri", "{path}"},
};

static const char *part_of(const struct piece *piece)
{
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (piece_is(piece, parts[i].variable))
            return parts[i].part;
    return NULL;
}

static bool is_path(const struct piece *piece)
{
    return piece_is(piece, "uri") || piece_is(piece, "document_uri");
}

/* Ends a text that has grown, in the arena. NULL: there was no memory. */
static const char *keep(struct tree *tree, struct text *text)
{
    size_t len = 0;
    char *taken = text_take(text, &len);
    char *kept = taken == NULL ? NULL : arena_take(&tree->arena, len + 1);
    if (kept != NULL)
        memcpy(kept, taken, len + 1);
    free(taken);
    return kept;
}

/* ---- keys of parts that checks have ---- */

static bool is_plain(const struct piece *piece)
{
    for (size_t i = 0; i < piece->len; i++)
        if (piece->text[i] < 0x20 || piece->text[i] > 0x7e || strchr("{}", piece->text[i]) != NULL)
            return false;
    return true;
}

static bool is_native(const struct piece *piece, size_t count)
{
    size_t len = 0, variables = 0;
    for (size_t i = 0; i < count; i++) {
        if (piece[i].is_variable ? part_of(&piece[i]) == NULL : !is_plain(&piece[i]))
            return false;
        len += piece[i].len;
        variables += piece[i].is_variable;
    }
    return variables > 0 && count <= NATIVE_MAX && len < TEMPLATE_MAX;
}

/* Puts a blank between two parts, so that "1.2.3.4" and "5" are not "1.2.3.45". */
static bool write_template(struct tree *tree, const struct piece *piece, size_t count,
                           struct key *key)
{
    struct text text = text_begin_growing();
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && piece[i - 1].is_variable && piece[i].is_variable)
            text_literal(&text, " ");
        if (piece[i].is_variable)
            text_string(&text, part_of(&piece[i]));
        else
            text_bytes(&text, piece[i].text, piece[i].len);
        key->is_of_path |= is_path(&piece[i]);
    }
    key->template = keep(tree, &text);
    key->is_of_address = key->template != NULL && strstr(key->template, "{client_ip}") != NULL;
    return key->template != NULL;
}

/* ---- a key of one header field ---- */

/* The recipe sends these itself, or they mean something else between nginx and allowd. */
static bool is_taken(const struct piece *piece)
{
    static const char *const taken[] = {
        "http_host",
        "http_connection",
        "http_content_length",
        "http_transfer_encoding",
        "http_te",
        "http_upgrade",
        "http_expect",
        "http_keep_alive",
        "http_trailer",
        "http_content_type",
        "http_cookie",
        "http_forwarded",
        "http_x_original_uri",
    };
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (piece_is(piece, taken[i]))
            return true;
    return strncasecmp(piece->text, "http_x_forwarded_", 17) == 0;
}

static bool is_field(const struct piece *piece, size_t count)
{
    return count == 1 && piece->is_variable && piece->len > 5 && piece->len < FIELD_NAME_MAX &&
           strncasecmp(piece->text, "http_", 5) == 0 && !is_taken(piece);
}

/* "http_x_api_key" is X-Api-Key. */
static bool write_field(struct tree *tree, const struct piece *piece, struct key *key)
{
    struct text field = text_begin_growing(), template = text_begin_growing();
    bool is_first = true;
    for (size_t i = 5; i < piece->len; i++) {
        unsigned char c = (unsigned char)piece->text[i];
        char shown = c == '_' ? '-' : (char)(is_first ? toupper(c) : tolower(c));
        text_bytes(&field, &shown, 1);
        is_first = c == '_';
    }
    key->field = keep(tree, &field);
    if (key->field != NULL) {
        text_literal(&template, "{header:");
        text_string(&template, key->field);
        text_literal(&template, "}");
    }
    key->template = keep(tree, &template);
    key->value = key->text;
    return key->field != NULL && key->template != NULL;
}

/* ---- any other key ---- */

/* $binary_remote_addr is no text, and $uri may hold a line's end. */
static const char *sendable(const struct piece *piece)
{
    return piece_is(piece, "binary_remote_addr") ? "${remote_addr}"
           : is_path(piece)                      ? "${request_uri}"
                                                 : NULL;
}

static bool write_sent(struct tree *tree, const struct piece *piece, size_t count, struct key *key)
{
    struct text text = text_begin_growing();
    if (count == 0)
        text_string(&text, key->text);
    for (size_t i = 0; i < count; i++) {
        const char *other = sendable(&piece[i]);
        key->path_is_as_written |= is_path(&piece[i]);
        if (other != NULL) {
            text_string(&text, other);
        } else if (piece[i].is_variable) {
            text_literal(&text, "${");
            text_bytes(&text, piece[i].text, piece[i].len);
            text_literal(&text, "}");
        } else {
            text_bytes(&text, piece[i].text, piece[i].len);
        }
    }
    key->value = keep(tree, &text);
    key->field = KEY_FIELD;
    key->template = "{header:" KEY_FIELD "}";
    return key->value != NULL;
}

/* ---- all of them ---- */

bool key_translate(struct tree *tree, const char *text, struct key *key)
{
    struct piece piece[PIECES_MAX];
    size_t count = variables_split(text, piece);
    *key = (struct key){.text = text};
    if (count == 1 && exceptions_find(tree, &piece[0], key)) {
        key->template = "{client_ip}";
        return key->is_of_address = true;
    }
    if (is_native(piece, count))
        return write_template(tree, piece, count, key);
    return is_field(piece, count) ? write_field(tree, piece, key)
                                  : write_sent(tree, piece, count, key);
}

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool key_is_same(const struct key *a, const struct key *b)
{
    return is_same(a->template, b->template) && is_same(a->value, b->value) &&
           is_same(a->map, b->map);
}
