/*
 * Internet addresses and networks, IPv4 and IPv6 in one form.
 *
 * An IPv4 address is kept as its IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2),
 * so that the two ways of writing it are the same address from here on.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#define IP_BITS_MAX 128
#define IP_TEXT_MAX INET6_ADDRSTRLEN /* of any address, with NUL */

struct ip {
    struct in6_addr bytes;
};

/* All addresses with the same leading bits; of one family, never of both. */
struct ip_network {
    struct ip first;
    unsigned bits; /* an IPv4 network's are counted in the mapped form: 96 to 128 */
};

/* Reads an address and nothing else; *ip is untouched on failure. */
bool ip_parse(const char *text, size_t len, struct ip *ip);

/* false, and *ip untouched: a socket of another family, such as a Unix one. */
bool ip_of_socket(const struct sockaddr *socket, struct ip *ip);

/* Keeps this many leading bits, up to all: 32 of an IPv4 address. */
void ip_keep(struct ip *ip, unsigned bits);

/* Writes an address as inet_ntop(3) does; its length. */
size_t ip_print(const struct ip *ip, char text[IP_TEXT_MAX]);

/* Reads an address, which is a network of its own, or "10.0.0.0/8", "fd00::/8":
 * no bit may be set behind the leading ones. *network is untouched on failure. */
bool ip_network_parse(const char *text, struct ip_network *network);

bool ip_network_has(const struct ip_network *network, const struct ip *ip);
