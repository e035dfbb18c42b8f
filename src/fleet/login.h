/*
 * Logging in to a node: one command after the other, each once the one before it is answered as it should be.
 *
 *     AUTH         if there is a password
 *     HELLO 2      what it is, and of which version
 *     ROLE         if a sentinel says that it is the master
 *     SCRIPT LOAD
 *     EVALSHA      on a record of our own, which goes through all that a call does
 *     CONFIG GET   of the settings by which it may forget records; whoever may not ask hears of none
 *
 * Owns nothing. One thread, the node's. Never blocks. Errors: node_fail, with what it refuses and what that means.
 */
#pragma once

#include "fleet/node.h"

/* Begins, once the node is connected to. */
enum node_event login_begin(struct node *node, uint64_t now_ns);

/* Takes the answer to one of these commands; of SCRIPT LOAD at any time. NODE_IS_UP after the last. */
enum node_event login_take(struct node *node, enum node_call call, const redisReply *reply,
                           uint64_t now_ns);
