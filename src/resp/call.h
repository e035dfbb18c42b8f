/*
 * Calls: a command that has been read, from then until its answer is on its way to the client.
 *
 * One that asks the decider is a message; others are answered as soon as they are read. A call is
 * done when its reply is written. The strings of its question lie where its reply will be: nobody
 * needs them any more by then.
 *
 * Owns its bytes. One thread. Never blocks. Never fails.
 */
#pragma once

#include "base/text.h"
#include "brain/message.h"
#include "limits/key.h"

#include <stdbool.h>
#include <stddef.h>

#define CALL_REPLY_MAX 512  /* bytes of a reply */
#define CALL_ANSWER_MAX 192 /* of one that answers a question, errors included */

struct resp_client;

struct call {
    struct message message; /* the first member, so that a letter leads to its call */
    struct call *next;      /* the one that the same client sent next; or the next free one */
    struct resp_client *client;
    unsigned char letters_away; /* 2: its own, and that of the LEAVE about it */
    bool leaves;                /* a LEAVE about it has been sent */
    bool is_done;               /* its reply is written */
    uint16_t reply_len;
    union {
        struct {
            char key[KEY_MAX + 1];
            char limit_name[LIMIT_NAME_MAX + 1];
        };
        char reply[CALL_REPLY_MAX + 1];
    };
};

/* Writes a reply: first begin, then text.h's functions, then end. What has no room is cut. */
static inline struct text call_begin_reply(struct call *call)
{
    return text_begin_cut(call->reply, sizeof call->reply);
}

static inline void call_end_reply(struct call *call, struct text *text)
{
    call->reply_len = (uint16_t)text_end(text);
    call->is_done = true;
}

/* Replies with an error: a code such as ERR, and printf(3)'s format. */
__attribute__((format(printf, 3, 4))) void call_refuse(struct call *call, const char *code,
                                                       const char *format, ...);
