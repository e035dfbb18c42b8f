/*
 * Client addresses: where a request came from, through proxies of which only some are trusted.
 *
 * Anyone can write X-Forwarded-For, and each proxy appends to its right end. So it is read from
 * the right: the first address that is not a trusted proxy's is the client's. What stands
 * further to the left may be forged. Another field of the same form can take its place, such as
 * X-Real-IP; or Forwarded, whose form is that of RFC 7239.
 *
 * Owns nothing. Any thread. Never blocks. Errors: false for an address that cannot be known.
 */
#pragma once

#include "ask/check.h"
#include "base/ip.h"

#include <stdbool.h>
#include <stdint.h>

#define CLIENT_IP_FIELD_DEFAULT "X-Forwarded-For"
#define CLIENT_IP_FIELD_RFC7239 "Forwarded"

/* The trusted proxies, and the field in which they tell addresses. */
struct trusted {
    const char *field; /* borrowed; NULL: CLIENT_IP_FIELD_DEFAULT */
    bool unix_sockets;
    uint32_t networks_count;
    struct ip_network networks[CHECK_TRUSTED_MAX];
};

/* Adds a text that check_trusted_is_valid accepts; at most CHECK_TRUSTED_MAX of them. */
void trusted_add(struct trusted *trusted, const char *text);

bool trusted_has_peer(const struct trusted *trusted, const struct sockaddr *peer);

/* The name of that field. */
const char *trusted_field(const struct trusted *trusted);

/* The address from which a request came; one behind NAT64 is its IPv4 address. Whether a proxy is
 * trusted goes by the address that it has. false, and *ip untouched: it cannot be known. */
bool client_ip_find(const struct trusted *trusted, const struct check_request *request,
                    struct ip *ip);
