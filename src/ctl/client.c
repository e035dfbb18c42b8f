#include "ctl/client.h"

#include "base/text.h"
#include "ctl/token_file.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_MS = 5000,
    SILENT_S = 60, /* of a stream, whose heartbeats are 15 s apart */
};

struct client {
    const struct server *server;
    CURL *curl;
    struct curl_slist *fields; /* of every request */
    struct curl_slist
        json_fields; /* of those whose body is JSON: one more, and the others behind it */
    uint64_t patience_ms;
    char detail[CURL_ERROR_SIZE];
    const char *fault;
};

/* What comes of one question. */
struct incoming {
    CURL *curl;
    struct text body;
    const struct client_sink *sink; /* NULL: nobody */
    bool is_too_large, is_stopped;
};

static bool add_field(struct client *client, const char *field)
{
    struct curl_slist *fields = curl_slist_append(client->fields, field);
    if (fields != NULL)
        client->fields = fields;
    return fields != NULL;
}

static bool add_token(struct client *client, const char *token)
{
    char field[sizeof "Authorization: Bearer " + TOKEN_MAX];
    snprintf(field, sizeof field, "Authorization: Bearer %s", token);
    bool is_added = add_field(client, field);
    explicit_bzero(field, sizeof field);
    return is_added;
}

struct client *client_new(const struct server *server, const char *token, uint64_t patience_ms)
{
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    client->server = server;
    client->patience_ms = patience_ms;
    client->fault = "";
    client->curl = curl_easy_init();
    /* Events come a line each; all else has one form only. And libcurl is not to wait for a 100. */
    static char type_json[] = "Content-Type: application/json";
    if (client->curl != NULL && add_field(client, "Accept: application/x-ndjson, */*;q=0.5") &&
        add_field(client, "Expect:") &&
        add_field(client, "User-Agent: allowctl/" PACKAGE_VERSION) &&
        (token == NULL || add_token(client, token))) {
        client->json_fields = (struct curl_slist){type_json, client->fields};
        return client;
    }
    client_free(client);
    return NULL;
}

void client_free(struct client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->fields);
    free(client);
}

/* ---- what is asked ---- */

static char *url_of(const struct client *client, const struct client_request *request)
{
    struct text url = text_begin_growing();
    text_string(&url, client->server->url);
    text_string(&url, request->path);
    if (request->query != NULL && request->query[0] != '\0') {
        text_literal(&url, "?");
        text_string(&url, request->query);
    }
    size_t len;
    return text_take(&url, &len);
}

static void set_place(CURL *curl, const struct client *client)
{
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     client->patience_ms < CONNECT_MS ? (long)client->patience_ms : CONNECT_MS);
    if (client->server->unix_path != NULL)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->server->unix_path);
}

static void set_method(CURL *curl, const struct client_request *request)
{
    const char *body = request->form != NULL ? request->form : request->json;
    if (body != NULL)
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

/* false: there is no memory. The fields are the client's. */
static bool prepare(CURL *curl, const struct client *client, const struct client_request *request)
{
    char *url = url_of(client, request);
    if (url == NULL)
        return false;
    curl_easy_reset(curl);
    set_place(curl, client);
    set_method(curl, request);
    bool is_json = request->form == NULL && request->json != NULL;
    const struct curl_slist *fields = is_json ? &client->json_fields : client->fields;
    bool is_set = curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
                  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields) == CURLE_OK;
    free(url);
    return is_set;
}

/* ---- what is answered ---- */

static long status_of(CURL *curl)
{
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static bool keep(struct incoming *incoming, const char *bytes, size_t len)
{
    size_t kept = (size_t)(incoming->body.at - incoming->body.start);
    incoming->is_too_large = kept + len > CLIENT_REPLY_MAX;
    if (!incoming->is_too_large)
        text_bytes(&incoming->body, bytes, len);
    return !incoming->is_too_large && !incoming->body.is_short;
}

static size_t take(char *bytes, size_t size, size_t count, void *context)
{
    struct incoming *incoming = context;
    size_t len = size * count;
    bool goes_on = true;
    if (incoming->sink != NULL && status_of(incoming->curl) == 200)
        incoming->is_stopped =
            !(goes_on = incoming->sink->take(incoming->sink->context, bytes, len));
    else
        goes_on = keep(incoming, bytes, len);
    return goes_on ? len : 0;
}

/* Why there is no connection. Of a Unix socket libcurl names a host and a port, which nobody gave. */
static const char *fault_of(const struct client *client, CURLcode code)
{
    long error = 0;
    if (code == CURLE_COULDNT_CONNECT && client->server->unix_path != NULL &&
        curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &error) == CURLE_OK && error != 0)
        return strerror((int)error);
    return client->detail[0] != '\0' ? client->detail : curl_easy_strerror(code);
}

static enum client_result judge(struct client *client, CURLcode code,
                                const struct incoming *incoming)
{
    client->fault = fault_of(client, code);
    if (code == CURLE_OK && !incoming->body.is_short)
        return CLIENT_ANSWERED;
    if (incoming->is_stopped)
        return CLIENT_STOPPED;
    if (incoming->is_too_large) {
        client->fault = "the answer is larger than any of allowd's";
        return CLIENT_UNREADABLE;
    }
    switch (code) {
    case CURLE_OK:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_WRITE_ERROR:
        client->fault = "there is not enough memory";
        return CLIENT_FAILED;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
        return CLIENT_UNREADABLE;
    default:
        return CLIENT_UNREACHABLE;
    }
}

static enum client_result run(struct client *client, struct incoming *incoming,
                              struct client_reply *reply)
{
    CURL *curl = client->curl;
    client->detail[0] = '\0';
    incoming->curl = curl;
    incoming->body = text_begin_growing();
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->detail);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, incoming);
    enum client_result result = judge(client, curl_easy_perform(curl), incoming);
    *reply = (struct client_reply){.status = status_of(curl)};
    reply->body = text_take(&incoming->body, &reply->len);
    if (result == CLIENT_ANSWERED && reply->body == NULL)
        result = CLIENT_FAILED;
    if (result != CLIENT_ANSWERED) {
        free(reply->body);
        reply->body = NULL;
    }
    return result;
}

static enum client_result failed(struct client *client)
{
    client->fault = "there is not enough memory";
    return CLIENT_FAILED;
}

enum client_result client_ask(struct client *client, const struct client_request *request,
                              struct client_reply *reply)
{
    struct incoming incoming = {.sink = NULL};
    *reply = (struct client_reply){0};
    if (!prepare(client->curl, client, request))
        return failed(client);
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS,
                     (long)(client->patience_ms + request->more_patience_ms));
    return run(client, &incoming, reply);
}

enum client_result client_follow(struct client *client, const struct client_request *request,
                                 const struct client_sink *sink, struct client_reply *reply)
{
    struct incoming incoming = {.sink = sink};
    *reply = (struct client_reply){0};
    if (!prepare(client->curl, client, request))
        return failed(client);
    curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_TIME, (long)SILENT_S);
    return run(client, &incoming, reply);
}

const char *client_fault(const struct client *client)
{
    return client->fault;
}

const struct server *client_server(const struct client *client)
{
    return client->server;
}

/* ---- many at once ---- */

static size_t ignore(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    (void)context;
    return size * count;
}

void *client_handle(const struct client *client, const struct client_request *request)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL || !prepare(curl, client, request)) {
        curl_easy_cleanup(curl);
        return NULL;
    }
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)client->patience_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
    return curl;
}
