#include "http/wire/response.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool add_header(struct MHD_Response *made, const char *name, const char *value)
{
    if (value == NULL)
        return true;
    return MHD_add_response_header(made, name, value) == MHD_YES;
}

static struct MHD_Response *make_bare(struct reply *reply)
{
    if (reply->large_body == NULL)
        return MHD_create_response_from_buffer(reply->body_len, reply->body,
                                               MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *made =
        MHD_create_response_from_buffer(reply->body_len, reply->large_body, MHD_RESPMEM_MUST_FREE);
    if (made == NULL)
        free(reply->large_body);
    return made;
}

static bool add_fields(struct MHD_Response *made, const struct reply *reply)
{
    for (uint32_t i = 0; i < reply->fields_count; i++)
        if (!add_header(made, reply->fields[i].name, reply->fields[i].value))
            return false;
    return true;
}

bool http_response_add_fields(struct MHD_Response *made, const struct reply *reply, bool close)
{
    return add_header(made, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type) &&
           add_header(made, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") &&
           add_header(made, MHD_HTTP_HEADER_ALLOW, reply->allow) &&
           add_header(made, MHD_HTTP_HEADER_WWW_AUTHENTICATE, reply->authenticate) &&
           add_fields(made, reply) &&
           add_header(made, MHD_HTTP_HEADER_CONNECTION, close ? "close" : NULL);
}

static struct MHD_Response *make(struct reply *reply, bool close)
{
    struct MHD_Response *made = make_bare(reply);
    if (made == NULL)
        return NULL;
    if (http_response_add_fields(made, reply, close))
        return made;
    MHD_destroy_response(made);
    return NULL;
}

/* Whether the kept response fits once its fields have the values of the reply. */
static bool fits(const struct http_response *response, const struct reply *reply)
{
    if (response->kept == NULL || response->body_len != reply->body_len ||
        response->content_type != reply->content_type ||
        response->fields_count != reply->fields_count)
        return false;
    for (uint32_t i = 0; i < reply->fields_count; i++)
        if (response->fields[i].name != reply->fields[i].name)
            return false;
    return true;
}

static void remember(struct http_response *response, const struct reply *reply)
{
    char *value = response->values;
    response->body_len = reply->body_len;
    response->content_type = reply->content_type;
    response->fields_count = reply->fields_count;
    for (uint32_t i = 0; i < reply->fields_count; i++) {
        response->fields[i] = (struct reply_field){reply->fields[i].name, value};
        size_t size = strlen(reply->fields[i].value) + 1;
        assert(size <= sizeof response->values - (size_t)(value - response->values));
        memcpy(value, reply->fields[i].value, size);
        value += size;
    }
}

/* Sets the fields of the kept response to the values of the reply. false: no memory. */
static bool set_values(struct http_response *response, const struct reply *reply)
{
    bool changed = false;
    for (uint32_t i = 0; i < reply->fields_count; i++) {
        struct reply_field was = response->fields[i], is = reply->fields[i];
        if (strcmp(was.value, is.value) == 0)
            continue;
        changed = true;
        if (MHD_del_response_header(response->kept, was.name, was.value) != MHD_YES ||
            !add_header(response->kept, is.name, is.value))
            return false;
    }
    if (changed)
        remember(response, reply);
    return true;
}

/* Makes a response for this reply and keeps it. false: no memory, and none is kept. */
static bool keep(struct http_response *response, struct reply *reply)
{
    if (fits(response, reply) && set_values(response, reply))
        return true;
    http_response_release(response);
    response->kept = make(reply, false);
    remember(response, reply);
    return response->kept != NULL;
}

enum MHD_Result http_response_queue(struct http_response *response,
                                    struct MHD_Connection *connection, struct reply *reply,
                                    bool close)
{
    if (reply->recurs && !close)
        return keep(response, reply) ? MHD_queue_response(connection, reply->status, response->kept)
                                     : MHD_NO;

    struct MHD_Response *made = make(reply, close);
    if (made == NULL)
        return MHD_NO;
    enum MHD_Result result = MHD_queue_response(connection, reply->status, made);
    MHD_destroy_response(made);
    return result;
}

void http_response_release(struct http_response *response)
{
    if (response->kept != NULL)
        MHD_destroy_response(response->kept);
    response->kept = NULL;
}

static const struct {
    unsigned status;
    const char *content_type, *body;
} terse[] = {
    [TERSE_ALLOWED] = {200, "application/json", "{\"allowed\":true}\n"},
    [TERSE_DENIED] = {429, "application/json", "{\"allowed\":false}\n"},
    [TERSE_DONE] = {200, "application/json", "{}\n"},
    [TERSE_UNAVAILABLE] = {503, "application/problem+json",
                           "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
                           "\"status\":503,\"detail\":\"out of memory; try again\"}\n"},
};

unsigned http_terse_status(const struct reply *reply)
{
    bool is_decision = reply->terse == TERSE_ALLOWED || reply->terse == TERSE_DENIED;
    return is_decision ? reply->status : terse[reply->terse].status;
}

bool http_terse_init(struct http_terse_set *set)
{
    bool made_all = true;
    for (int i = 0; i < TERSE_COUNT; i++) {
        struct MHD_Response *made = MHD_create_response_from_buffer(
            strlen(terse[i].body), (void *)(uintptr_t)terse[i].body, MHD_RESPMEM_PERSISTENT);
        set->responses[i] = made;
        made_all &=
            made != NULL && add_header(made, MHD_HTTP_HEADER_CONTENT_TYPE, terse[i].content_type) &&
            add_header(made, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") &&
            add_header(made, MHD_HTTP_HEADER_RETRY_AFTER, terse[i].status == 429 ? "1" : NULL) &&
            add_header(made, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    return made_all;
}

void http_terse_release(struct http_terse_set *set)
{
    for (int i = 0; i < TERSE_COUNT; i++)
        if (set->responses[i] != NULL)
            MHD_destroy_response(set->responses[i]);
}

enum MHD_Result http_terse_queue(const struct http_terse_set *set, const struct reply *reply,
                                 struct MHD_Connection *connection)
{
    return MHD_queue_response(connection, http_terse_status(reply), set->responses[reply->terse]);
}
