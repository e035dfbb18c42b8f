/*
 * Requests: from the bytes of a target and a body to one checked message.
 *
 * What is wrong with a request is found where it is parsed but told only after
 * all of it has arrived, most general first: framing, path, method, parameters.
 *
 * Owns its buffers, and what request_release frees; the message borrows from
 * them. One thread. Never blocks.
 */
#pragma once

#include "actor/reload.h"
#include "ask/contract.h"
#include "brain/keys.h"
#include "brain/message.h"
#include "http/access.h"
#include "http/batch.h"
#include "http/reply.h"
#include "http/route.h"
#include "limits/key.h"

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_BODY_MAX 4096 /* bytes of form, or of anything that is ignored */
#define REQUEST_LONG_BODY_MAX BATCH_JSON_BODY_MAX /* of a list, or of what is sent to a check */

struct request {
    unsigned method;           /* METHOD_ bit; 0 until known */
    const struct route *route; /* NULL: no such path */
    unsigned seen;             /* PARAMETER_ bits that have had a value */
    unsigned fault_status;     /* of the first thing wrong with the parameters; 0: nothing yet */
    char detail[REPLY_DETAIL_MAX];
    struct message message;
    struct daemon_answer daemon_answer;
    struct metrics_answer *metrics; /* of METRICS, from malloc, or NULL */
    struct keys_question keys_ask;  /* of KEYS */
    uint64_t keys_cursor;
    struct keys_answer *keys;    /* likewise, from malloc, or NULL */
    enum access_verdict verdict; /* set when the header has arrived */
    size_t target_len;           /* bytes of the raw target */
    size_t target_parameters;    /* in its query */
    size_t body_len;
    char *long_body;       /* room for a body that has none in `body`, or NULL */
    size_t long_body_room; /* bytes; 0 without one */
    size_t reply_size;     /* of a large reply, until that has been sent */
    size_t counted;        /* of request_held, by whoever counts it for all */
    bool is_list;
    struct batch_json list;       /* if it is one */
    struct request *next_in_turn; /* while it waits for its turn */
    struct reload_report reload;  /* of RELOAD */
    char *list_room;              /* for the reply to it, until that is written */
    struct {
        unsigned deny_status;
        bool is_missing, missing_allows;
        bool key_is_private; /* the log must not show it as it is */
    } check;                 /* of route_check */
    char key[KEY_MAX + 1];
    char limit_name[LIMIT_NAME_MAX + 1];
    union {
        char body[REQUEST_BODY_MAX]; /* until it is parsed */
        struct reply reply;          /* from then on */
    };
};

/* Begins a request from its raw target: path, "?", query; NUL-terminated. */
void request_begin(struct request *request, const char *target);

/* Of route_check, when the header has arrived: finds the check that the path names,
 * and makes the key. path: of the raw target; asked: with the suffix still to be set. */
void request_check(struct request *request, const struct contract *contract, const char *path,
                   struct check_request asked);

/* The most bytes of body that this request may have. content_type: NULL if there is none. */
size_t request_body_max(const struct request *request, const char *content_type);

/* The room that a body of this length, at most request_body_max, needs besides the
 * request; and makes it. false: no memory. */
size_t request_body_room(const struct request *request, size_t len);
bool request_expect_body(struct request *request, size_t len);

/* Adds bytes of the body, of a length known to stay within the room. */
void request_add_body(struct request *request, const char *bytes, size_t len);

/* Once all has arrived: true, and the message is ready to ask; or false, and
 * the reply says what is wrong. content_type: NULL if there was none. */
bool request_finish(struct request *request, const char *content_type);

/* Whether it asks about health: its reply is of reply_health.h. */
bool request_is_health(const struct request *request);

/* Whether an answered message is to be asked once more: the answer is added to. */
bool request_asks_again(const struct request *request);

/* Writes the reply to an answered message. */
void request_reply(struct request *request, enum headers_dialect dialect);

/* Bytes that a request holds besides itself, now. */
size_t request_held(const struct request *request);

/* Frees what a request holds besides itself; it can begin again, as one that is all zeros can. */
void request_release(struct request *request);
