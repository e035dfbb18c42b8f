#include "edge/http_response.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RATE_LIMIT "RateLimit"

static bool add_header(struct MHD_Response *made, const char *name, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return true;
    return MHD_add_response_header(made, name, value) == MHD_YES;
}

static struct MHD_Response *make_bare(struct reply *reply)
{
    if (reply->large_body == NULL)
        return MHD_create_response_from_buffer(reply->body_len, reply->body,
                                               MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *made = MHD_create_response_from_buffer(
        reply->body_len, reply->large_body, MHD_RESPMEM_MUST_FREE);
    if (made == NULL)
        free(reply->large_body);
    return made;
}

static struct MHD_Response *make(struct reply *reply, bool close)
{
    struct MHD_Response *made = make_bare(reply);
    if (made == NULL)
        return NULL;
    bool has_policy = reply->rate_limit_policy != NULL;
    if (add_header(made, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type) &&
        add_header(made, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") &&
        add_header(made, MHD_HTTP_HEADER_ALLOW, reply->allow) &&
        add_header(made, "RateLimit-Policy", reply->rate_limit_policy) &&
        add_header(made, RATE_LIMIT, has_policy ? reply->rate_limit : NULL) &&
        add_header(made, MHD_HTTP_HEADER_RETRY_AFTER, reply->retry_after) &&
        add_header(made, MHD_HTTP_HEADER_CONNECTION, close ? "close" : NULL))
        return made;
    MHD_destroy_response(made);
    return NULL;
}

/* Whether the response kept will do, once its RateLimit is that of the reply. */
static bool fits(const struct http_response *response, const struct reply *reply)
{
    return response->kept != NULL && response->body_len == reply->body_len &&
           response->content_type == reply->content_type &&
           strcmp(response->policy, reply->rate_limit_policy) == 0 &&
           strcmp(response->retry_after, reply->retry_after) == 0;
}

static bool set_rate_limit(struct http_response *response, const char *rate_limit)
{
    if (strcmp(response->rate_limit, rate_limit) == 0)
        return true;
    if (MHD_del_response_header(response->kept, RATE_LIMIT, response->rate_limit) != MHD_YES ||
        !add_header(response->kept, RATE_LIMIT, rate_limit))
        return false;
    strcpy(response->rate_limit, rate_limit);
    return true;
}

/* Keeps a response for this reply; false: no memory, and none is kept. */
static bool keep(struct http_response *response, struct reply *reply)
{
    if (fits(response, reply) && set_rate_limit(response, reply->rate_limit))
        return true;
    http_response_release(response);
    response->kept = make(reply, false);
    response->body_len = reply->body_len;
    response->content_type = reply->content_type;
    strcpy(response->policy, reply->rate_limit_policy);
    strcpy(response->rate_limit, reply->rate_limit);
    strcpy(response->retry_after, reply->retry_after);
    return response->kept != NULL;
}

enum MHD_Result http_response_queue(struct http_response *response,
                                    struct MHD_Connection *connection, struct reply *reply,
                                    bool close)
{
    if (reply->rate_limit_policy != NULL && !close)
        return keep(response, reply)
                   ? MHD_queue_response(connection, reply->status, response->kept)
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

bool http_terse_init(struct http_terse_set *set)
{
    bool made_all = true;
    for (int i = 0; i < TERSE_COUNT; i++) {
        struct MHD_Response *made = MHD_create_response_from_buffer(
            strlen(terse[i].body), (void *)(uintptr_t)terse[i].body, MHD_RESPMEM_PERSISTENT);
        set->responses[i] = made;
        made_all &= made != NULL &&
                    add_header(made, MHD_HTTP_HEADER_CONTENT_TYPE, terse[i].content_type) &&
                    add_header(made, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") &&
                    add_header(made, MHD_HTTP_HEADER_RETRY_AFTER,
                               terse[i].status >= 400 ? "1" : NULL) &&
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

enum MHD_Result http_terse_queue(const struct http_terse_set *set, enum http_terse which,
                                 struct MHD_Connection *connection)
{
    return MHD_queue_response(connection, terse[which].status, set->responses[which]);
}
