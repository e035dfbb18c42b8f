/*
 * The client: asks the server over HTTP, by libcurl.
 *
 * It goes to the server that was named and nowhere else: no proxy of the environment, no
 * redirection, no other protocol than HTTP, so that the token reaches nobody else. It waits for an
 * answer as long as its patience is, and takes no answer that is larger than CLIENT_REPLY_MAX.
 *
 * Owns the connection. Main thread. Blocks as long as its patience is. Errors: enum client_result, and
 * client_fault says what it was.
 */
#pragma once

#include "ctl/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_REPLY_MAX (16u << 20) /* bytes */

struct client;

enum client_result {
    CLIENT_ANSWERED,
    CLIENT_UNREACHABLE, /* no connection, no answer in time, or the connection broke */
    CLIENT_UNREADABLE,  /* what came is no HTTP, or too much of it */
    CLIENT_STOPPED,     /* the sink wants no more */
    CLIENT_FAILED,      /* no memory */
};

/* The texts are the caller's. */
struct client_request {
    const char *method, *path;
    const char *query;         /* NULL or "": none */
    const char *form;          /* the body, a form; NULL: none */
    const char *json;          /* the body, JSON, if there is no form; NULL: none */
    uint64_t more_patience_ms; /* because the server may wait so long */
};

struct client_reply {
    long status;
    char *body; /* with a NUL behind it; free(3) is the caller's */
    size_t len;
};

/* Takes a part of a stream. false: no more. */
struct client_sink {
    bool (*take)(void *context, const char *bytes, size_t len);
    void *context;
};

/* token: NULL for none; it is copied. server: must live as long. NULL: there is no memory. */
struct client *client_new(const struct server *server, const char *token, uint64_t patience_ms);
void client_free(struct client *client);

/* Asks. The reply is to be freed if it is CLIENT_ANSWERED. */
enum client_result client_ask(struct client *client, const struct client_request *request,
                              struct client_reply *reply);

/* Asks for a stream, and gives it to the sink as it comes, for as long as it goes on. If the status
 * is not 200, the sink gets nothing, and the reply has the body; else that is empty. */
enum client_result client_follow(struct client *client, const struct client_request *request,
                                 const struct client_sink *sink, struct client_reply *reply);

/* What went wrong with the last question, for the end of a sentence. */
const char *client_fault(const struct client *client);
const struct server *client_server(const struct client *client);

/* Another handle of libcurl (CURL *) for the same question, for those who ask many at once; theirs to
 * clean up, before the client. Its answer goes nowhere. NULL: there is no memory. */
void *client_handle(const struct client *client, const struct client_request *request);
