#include "http/body_parts.h"

#include "http/body.h"
#include "http/json_memory.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *find_member(void *context, const char *name, size_t *len)
{
    struct body_parts *parts = context;
    const json_t *member = json_object_get(parts->root, name);
    const char *text = NULL;
    if (json_is_integer(member)) {
        snprintf(parts->number, sizeof parts->number, "%" JSON_INTEGER_FORMAT,
                 json_integer_value(member));
        text = parts->number;
    } else if (json_is_boolean(member)) {
        text = json_is_true(member) ? "true" : "false";
    } else if (json_is_string(member)) {
        *len = json_string_length(member);
        return json_string_value(member);
    }
    *len = text == NULL ? 0 : strlen(text);
    return text;
}

struct types {
    unsigned count;
    const char *last;
};

static bool take_type(void *context, const char *value, size_t len)
{
    struct types *types = context;
    (void)len;
    types->last = value;
    types->count++;
    return true;
}

/* The Content-Type, NUL-terminated in libmicrohttpd's memory as every field is. Of two nobody can
 * tell which one the service behind the proxy goes by; so there is none. */
static const char *content_type(const struct check_request *asked)
{
    struct types types = {0};
    asked->fields(asked->context, "Content-Type", take_type, &types);
    return types.count == 1 ? types.last : NULL;
}

void body_parts_begin(struct body_parts *parts, const struct request *request,
                      struct check_request *asked)
{
    const char *type = content_type(asked);
    parts->root = NULL;
    json_memory_begin(request->body_len);
    if (body_is_form(type)) {
        asked->form = request->body;
        asked->form_len = request->body_len;
    } else if (body_is_json(type)) {
        parts->root = json_loadb(request->body, request->body_len,
                                 JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    }
    if (json_is_object((json_t *)parts->root)) {
        asked->json = find_member;
        asked->json_context = parts;
    }
}

/* The root and all that hangs from it are gone with the memory. No body is so long that its values need
 * more than a parse may take, so what was refused the system did not have. */
bool body_parts_end(struct body_parts *parts)
{
    bool was_short = json_memory_was_short();
    parts->root = NULL;
    json_memory_end();
    return !was_short;
}
