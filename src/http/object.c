#include "http/object.h"

#include "ask/fault_text.h"
#include "http/json_memory.h"
#include "http/question.h"

#include <jansson.h>
#include <string.h>

/* jansson's words may hold what the client has sent, so they are made fit to be shown. Of a NUL they name an option of
 * jansson's that nobody here can set. */
static struct shown what_is_wrong(const json_error_t *error)
{
    static const char nul[] = "a string holds the character \\u0000";
    bool has_nul = json_error_code(error) == json_error_null_character ||
                   json_error_code(error) == json_error_null_byte_in_key;
    return has_nul ? show(nul, sizeof nul - 1) : show(error->text, strlen(error->text));
}

bool object_check(struct request *request)
{
    json_error_t error;
    json_memory_begin(request->body_len);
    const json_t *root =
        json_loadb(request->body, request->body_len, JSON_REJECT_DUPLICATES, &error);
    bool is_object = json_is_object(root);
    if (root == NULL && json_memory_was_short())
        request_refuse(request, 503, "out of memory; try again");
    else if (root == NULL)
        request_refuse(request, 400, "the body is not JSON: line %d, column %d: %s", error.line,
                       error.column, what_is_wrong(&error).text);
    else if (!is_object)
        request_refuse(request, 400,
                       "the body must be a JSON object, such as {\"burst\":100,\"rate\":\"10/s\"}");
    json_memory_end();
    return is_object;
}
