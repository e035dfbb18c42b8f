#include "http/batch_json.h"

#include "ask/fault_text.h"
#include "http/batch_plain.h"
#include "http/json_memory.h"

#include <assert.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_WAIT "wait is there, and a batch does not wait; leave it out, or ask for each key alone"
#define EXAMPLE "{\"requests\":[{\"key\":\"user:1\"}]}"

/* ---- faults ---- */

/* What is wrong, and where. */
struct fault {
    char *detail;
    int request; /* the index of the faulty request; -1: the fault is in the batch itself */
};

/* Writes the detail. Returns false, which the caller then returns. */
__attribute__((format(printf, 2, 3))) static bool refuse(const struct fault *fault,
                                                         const char *format, ...)
{
    int used = 0;
    if (fault->request >= 0)
        used = snprintf(fault->detail, REPLY_DETAIL_MAX, "requests[%d]: ", fault->request);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->detail + used, REPLY_DETAIL_MAX - (size_t)used, format, arguments);
    va_end(arguments);
    return false;
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

/* ---- one request ---- */

/* Copies a string behind those copied before. */
static const char *store(char **strings, const char *string, size_t len)
{
    char *stored = *strings;
    memcpy(stored, string, len + 1);
    *strings += len + 1;
    return stored;
}

static bool read_key(const struct fault *fault, const json_t *value, struct bucket_question *ask,
                     char **strings)
{
    if (!json_is_string(value))
        return refuse(fault, "key is %s; give a string of 1 to 255 bytes of UTF-8",
                      type_name(value));
    size_t len = json_string_length(value);
    enum key_fault wrong = key_check(json_string_value(value), len);
    if (wrong != KEY_OK)
        return refuse(fault, "%s", fault_text_key(wrong));
    ask->key = store(strings, json_string_value(value), len);
    ask->key_len = len;
    return true;
}

static bool read_limit(const struct fault *fault, const json_t *value, struct bucket_question *ask,
                       char **strings)
{
    if (!json_is_string(value))
        return refuse(fault, "limit is %s; give a limit's name, a string", type_name(value));
    const char *name = json_string_value(value);
    size_t len = json_string_length(value);
    if (!limit_name_is_valid(name, len))
        return refuse(fault, FAULT_LIMIT_NAME, show(name, len).text);
    ask->limit_name = store(strings, name, len);
    ask->limit_name_len = len;
    return true;
}

static bool read_tokens(const struct fault *fault, const json_t *value, struct bucket_question *ask)
{
    char number[32];
    const char *given = number;
    json_int_t tokens = json_integer_value(value);
    if (json_is_integer(value) && tokens >= 0 && tokens <= (json_int_t)TOKENS_MAX) {
        ask->tokens = (uint64_t)tokens;
        return true;
    }
    if (json_is_integer(value))
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, tokens);
    else if (json_is_real(value))
        given = "a number with a fraction or an exponent";
    else
        given = type_name(value);
    return refuse(fault, FAULT_TOKENS, given, (uint64_t)TOKENS_MAX);
}

static bool read_request(const struct fault *fault, json_t *value, struct bucket_question *ask,
                         char **strings)
{
    *ask = (struct bucket_question){.tokens = 1};
    if (!json_is_object(value))
        return refuse(fault, "is %s; give an object such as {\"key\":\"user:1\"}",
                      type_name(value));
    for (void *at = json_object_iter(value); at != NULL; at = json_object_iter_next(value, at)) {
        const char *name = json_object_iter_key(at);
        const json_t *member = json_object_iter_value(at);
        bool is_good;
        if (strcmp(name, "key") == 0)
            is_good = read_key(fault, member, ask, strings);
        else if (strcmp(name, "limit") == 0)
            is_good = read_limit(fault, member, ask, strings);
        else if (strcmp(name, "tokens") == 0)
            is_good = read_tokens(fault, member, ask);
        else if (strcmp(name, "wait") == 0)
            is_good = refuse(fault, NO_WAIT);
        else
            is_good = refuse(fault, "unknown member \"%s\"; a request has key, limit and tokens",
                             show(name, strlen(name)).text);
        if (!is_good)
            return false;
    }
    if (ask->key == NULL)
        return refuse(fault, "key is missing; give an object such as {\"key\":\"user:1\"}");
    return true;
}

/* ---- the batch ---- */

static bool read_mode(const struct fault *fault, const json_t *value, bool *all)
{
    if (!json_is_string(value))
        return refuse(fault, "mode is %s; give \"each\" or \"all\"", type_name(value));
    const char *mode = json_string_value(value);
    *all = strcmp(mode, "all") == 0;
    if (!*all && strcmp(mode, "each") != 0)
        return refuse(fault, "mode is \"%s\"; give \"each\" or \"all\"",
                      show(mode, json_string_length(value)).text);
    return true;
}

/* Checks everything but the requests themselves. */
static bool read_frame(const struct fault *fault, json_t *root, bool *all)
{
    *all = false;
    for (void *at = json_object_iter(root); at != NULL; at = json_object_iter_next(root, at)) {
        const char *name = json_object_iter_key(at);
        const json_t *member = json_object_iter_value(at);
        if (strcmp(name, "mode") == 0) {
            if (!read_mode(fault, member, all))
                return false;
        } else if (strcmp(name, "wait") == 0) {
            return refuse(fault, NO_WAIT);
        } else if (strcmp(name, "requests") != 0) {
            return refuse(fault, "unknown member \"%s\"; a batch has requests and mode",
                          show(name, strlen(name)).text);
        } else if (!json_is_array(member)) {
            return refuse(fault, "requests is %s; give an array of 1 to %d requests",
                          type_name(member), LIST_MAX);
        } else if (json_array_size(member) < 1 || json_array_size(member) > LIST_MAX) {
            return refuse(fault, "requests holds %zu requests; give 1 to %d",
                          json_array_size(member), LIST_MAX);
        }
    }
    return true;
}

static enum batch_result read_batch(json_t *root, size_t len, struct batch *batch, char *detail)
{
    const json_t *requests = json_object_get(root, "requests");
    if (requests == NULL)
        return BATCH_NONE;
    struct fault fault = {detail, -1};
    struct batch made;
    if (!read_frame(&fault, root, &made.all))
        return BATCH_BAD;
    /* A string is never longer than its JSON, and its NUL fits into the room of the quotes. */
    if (!batch_take_memory(&made, (uint32_t)json_array_size(requests), len))
        return BATCH_NO_MEMORY;
    char *strings = (char *)(made.calls + made.count);
    for (uint32_t i = 0; i < made.count; i++) {
        fault.request = (int)i;
        if (!read_request(&fault, json_array_get(requests, i), &made.calls[i].ask, &strings)) {
            batch_release(&made);
            return BATCH_BAD;
        }
    }
    batch_give_back_rest(&made, (size_t)(strings - (char *)made.memory));
    *batch = made;
    return BATCH_OK;
}

/* jansson quotes the body in its message, so that is cut and made printable. */
static void tell_syntax(const struct fault *fault, const json_error_t *error)
{
    char said[160];
    size_t used = 0;
    for (; used < sizeof said - 1 && error->text[used] != '\0'; used++)
        said[used] = error->text[used] >= ' ' && error->text[used] <= '~' ? error->text[used] : '?';
    said[used] = '\0';
    refuse(fault, "line %d, column %d of the JSON: %s; give a batch such as " EXAMPLE, error->line,
           error->column, said);
}

static enum batch_result tell_error(const json_error_t *error, char *detail)
{
    struct fault fault = {detail, -1};
    enum json_error_code code = json_error_code(error);
    if (json_memory_was_short() && !json_memory_was_spent())
        return BATCH_NO_MEMORY;
    if (json_memory_was_spent())
        refuse(&fault, "the JSON holds more values than %d requests need; give 1 to %d requests",
               LIST_MAX, LIST_MAX);
    else if (code == json_error_null_character || code == json_error_null_byte_in_key)
        refuse(&fault,
               "line %d, column %d of the JSON: a string holds the control character \\u0000; "
               "encode it, as hex for instance",
               error->line, error->column);
    else
        tell_syntax(&fault, error);
    return BATCH_BAD;
}

/* Whether the bytes, if they are JSON at all, are an object. */
static bool begins_object(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != ' ' && bytes[i] != '\t' && bytes[i] != '\n' && bytes[i] != '\r')
            return bytes[i] == '{';
    return false;
}

/* jansson reads any JSON, and knows what is wrong with what is none. */
static enum batch_result read_any(const char *bytes, size_t len, struct batch *batch, char *detail)
{
    json_error_t error;
    json_memory_begin(len);
    json_t *root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &error);
    enum batch_result result =
        root == NULL ? tell_error(&error, detail) : read_batch(root, len, batch, detail);
    json_memory_end(); /* root and all that hangs from it are gone */
    return result;
}

/* BATCH_NONE: it is no plain one. */
static enum batch_result read_plain(const char *bytes, size_t len, struct batch *batch)
{
    struct batch made;
    uint32_t most = batch_plain_count(bytes, len);
    if (most == 0)
        return BATCH_NONE;
    if (!batch_take_memory(&made, most, len))
        return BATCH_NO_MEMORY;
    char *strings = (char *)(made.calls + most);
    if (!batch_plain_read(bytes, len, made.calls, &strings, &made.count, &made.all)) {
        batch_release(&made);
        return BATCH_NONE;
    }
    batch_give_back_rest(&made, (size_t)(strings - (char *)made.memory));
    *batch = made;
    return BATCH_OK;
}

enum batch_result batch_json_parse(const char *bytes, size_t len, struct batch *batch,
                                   char detail[REPLY_DETAIL_MAX])
{
    assert(len <= BATCH_BODY_MAX);
    if (!begins_object(bytes, len))
        return BATCH_NONE;
    enum batch_result result = read_plain(bytes, len, batch);
    return result == BATCH_NONE ? read_any(bytes, len, batch, detail) : result;
}
