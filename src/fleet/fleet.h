/*
 * The fleet thread: takes orders to the store, and brings its answers home.
 *
 * It alone speaks to the store, by one connection (or in a cluster, one for each node): it connects, logs in,
 * loads the script, sends each letter of orders as one EVALSHA, many pipelined, and reads the replies. Each
 * letter goes home once: with the answer; with ORDER_REFUSED if the store is there but does not do it; with
 * ORDER_NOT_SENT, at once, while there is no connection or another answer is overdue; or with ORDER_UNREACHABLE if
 * no answer comes in op_timeout or the connection ends before it. So nothing that the store does holds a letter
 * for longer, and the brain has no timer for it. An answer that comes later is nobody's; if none comes for a
 * second, the connection is given up.
 *
 * The work is courier.h's, and can be done in virtual time; here are the thread and the inbox. A host's name is looked up by
 * another thread, which nobody waits for.
 *
 * Owns its thread, its inbox and its connections. Threads: main calls _start and _stop; any may post into the inbox, and
 * call fleet_look. Blocks: fleet_stop, until the thread has ended, which takes op_timeout at most. Errors: errno values of
 * fleet_start.
 */
#pragma once

#include "actor/fleet_view.h"
#include "actor/inbox.h"
#include "brain/order.h"
#include "fleet/name.h"

#define FLEET_STORES_MAX 16
#define FLEET_STORE_MAX 255 /* bytes of the words for one store */
#define FLEET_USER_MAX 63
#define FLEET_PASSWORD_MAX 512

/* stores.h says how the stores are written. All are of one kind: one server or socket, or several sentinels
 * or nodes of a cluster, of which any does. */
struct fleet_settings {
    char name[FLEET_NAME_MAX + 1];
    unsigned stores_count;
    char stores[FLEET_STORES_MAX][FLEET_STORE_MAX + 1];
    char user[FLEET_USER_MAX + 1], password[FLEET_PASSWORD_MAX + 1]; /* empty: none */
    uint32_t op_timeout_ms;                      /* for an answer; 1,000 ms for a connection */
    uint32_t reconnect_min_ms, reconnect_max_ms; /* with full jitter in between */
};

/* The bounds of `latency` in struct fleet_seen. */
extern const struct histogram_bounds fleet_latency_bounds_ns;

/* What is wrong with the words for the stores, or NULL: stores.h says how they are written. */
const char *fleet_stores_fault(const struct fleet_settings *settings);

/* Begins the thread. *fleet is the caller's until fleet_stop. 0, or an errno value. */
int fleet_start(struct fleet **fleet, const struct fleet_settings *settings);
struct inbox *fleet_inbox(struct fleet *fleet);

/* How it is now. Any thread. */
void fleet_look(struct fleet *fleet, struct fleet_seen *seen);

/* All its letters are at home. */
void fleet_stop(struct fleet *fleet);
