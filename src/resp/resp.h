/*
 * RESP: reads commands of Redis's protocol and makes letters of them; takes letters home and writes
 * answers.
 *
 * In a turn it reads what has come in on all its connections, whole pipelines at once, and every
 * command that asks something has a letter in the turn's chain. Once those are home the answers to a
 * connection go out together, in the order of its commands. No more is read from a connection before
 * it has the answers to all that was read.
 *
 * What one connection can take up is bounded: RESP_COMMANDS_MAX commands at a time, whose answers
 * take RESP_REPLIES_MAX bytes at most, and a command of COMMAND_MAX bytes that is not whole. If its
 * client does not read, it is not read from either, and ended after RESP_REPLY_S.
 *
 * Owns its connections and its letters, also while they are away. One thread, except for
 * resp_set_contract. Never blocks. Errors: resp_new only; whoever cannot be served is told why, or
 * its connection ends.
 */
#pragma once

#include "ask/contract.h"
#include "base/clock.h"
#include "brain/letter.h"
#include "brain/tally.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct inbox;
struct resp;

#define RESP_COMMANDS_MAX 1000
#define RESP_REPLIES_MAX 196608
#define RESP_TURN_MAX 4096        /* commands of a turn, of all connections */
#define RESP_HELD_MAX (64u << 20) /* bytes kept for all connections, in and out */
#define RESP_COMMAND_S 10         /* for a command to be whole, from its first byte */
#define RESP_REPLY_S 60           /* for a client to take the answers that are there */
#define RESP_LEAVING_MS 1000      /* for a client to close, once it has its last answer */

struct resp_terms {
    unsigned connections_max;
    uint32_t idle_timeout_ms;
    unsigned place;            /* of the front-end: see tally.h */
    bool admin_apart;          /* commands of admins are not served */
    struct contract *contract; /* resp_new takes a reference of its own */
    const struct clock *clock;
    struct inbox *home, *decider; /* where its letters come home to, and where a LEAVE goes */
    struct tally *const *tally;   /* where the front-end counts at the time */
};

/* NULL and errno: no memory or no descriptors. */
struct resp *resp_new(const struct resp_terms *terms);

/* Closes all connections. Letters may still be away. */
void resp_close(struct resp *resp);

/* Closes, and frees. No letter may be away. */
void resp_free(struct resp *resp);

/* The descriptor to wait for. If it is readable, call resp_heed, then resp_collect. */
int resp_descriptor(const struct resp *resp);
void resp_heed(struct resp *resp);

/* Milliseconds after which to call resp_collect though the descriptor is not readable; -1: never.
 * is_stalled: nothing can be handed over now. */
int resp_timeout_ms(const struct resp *resp, bool is_stalled);

/* Takes over an accepted socket, for which there must be memory: fewer than connections_max are
 * open. */
void resp_add(struct resp *resp, int socket, const struct sockaddr *peer);

/* Tells an accepted socket that there is no room, and closes it. */
void resp_turn_away(struct resp *resp, int socket);

/* Reads and parses as far as that is possible without waiting. */
void resp_collect(struct resp *resp);

/* Commands that are read and not yet handed over; and adds their letters to a chain whose first
 * letter is a report (see http.h). */
unsigned resp_questions(const struct resp *resp);
void resp_hand_over(struct resp *resp, struct chain *chain);

/* Takes those of the letters home that are its own. Returns the others. */
struct letter *resp_take_home(struct resp *resp, struct letter *letters);

/* Writes the answers that are there. Call it before limits can change that answers point into: at
 * the end of every turn. */
void resp_run(struct resp *resp);

/* How many letters are away. */
unsigned resp_letters_away(const struct resp *resp);

unsigned resp_connections(const struct resp *resp);

/* Commands that are read from now on are judged by this contract. Any thread. */
void resp_set_contract(struct resp *resp, struct contract *contract);

/* From now on nobody waits for tokens: who does is told so, charged nothing; others are answered at once. */
void resp_end_waits(struct resp *resp);

/* From now on each connection ends with the next answers that it gets. */
void resp_drain(struct resp *resp);

/* Answers what has arrived on connections that have nothing to be answered, and ends them. */
void resp_close_idle(struct resp *resp);
