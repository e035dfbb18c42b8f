/*
 * Client addresses: whom a request came from, through proxies of which only some are believed.
 *
 * Anyone can write X-Forwarded-For. What a trusted proxy has added to its right
 * end is true; what stands to the left of that is as good as who wrote it.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "ask/check.h"
#include "base/ip.h"

#include <stdbool.h>
#include <stdint.h>

/* The proxies that are believed. */
struct trusted {
    bool unix_sockets;
    uint32_t networks_count;
    struct ip_network networks[CHECK_TRUSTED_MAX];
};

/* Adds what check_trusted_is_valid accepts; at most CHECK_TRUSTED_MAX of them. */
void trusted_add(struct trusted *trusted, const char *text);

bool trusted_has_peer(const struct trusted *trusted, const struct sockaddr *peer);

/* The address that a request came from. false, and *ip untouched: it cannot be known. */
bool client_ip_find(const struct trusted *trusted, const struct check_request *request,
                    struct ip *ip);
