/*
 * Stores: where a fleet's store is, as people write it.
 *
 *     redis://HOST[:PORT]             a server; 6379 if no port is said
 *     unix:/PATH                      a server on this machine
 *     sentinel://HOST[:PORT]/MASTER   a sentinel that knows where the master of that name is; 26379
 *     cluster://HOST[:PORT]           a node of a cluster; 6379
 *
 * HOST is a name, an IPv4 address, or an IPv6 address in brackets.
 *
 * Owns nothing. Any thread. Never blocks. Errors: false.
 */
#pragma once

#include "fleet/fleet.h"

#include <stdbool.h>

enum store_kind { STORE_SERVER, STORE_SOCKET, STORE_SENTINEL, STORE_CLUSTER };

struct store {
    enum store_kind kind;
    char host[FLEET_STORE_MAX + 1];   /* without brackets; of STORE_SOCKET the path */
    char port[6];                     /* decimal */
    char master[FLEET_STORE_MAX + 1]; /* of STORE_SENTINEL */
};

/* *store is untouched if it is none. */
bool store_read(const char *words, struct store *store);
