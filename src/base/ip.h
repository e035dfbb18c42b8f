/*
 * Internet addresses and networks, IPv4 and IPv6 in one form.
 *
 * An IPv4 address is kept as its IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2), so that
 * 192.0.2.1 and ::ffff:192.0.2.1 are the same address.
 *
 * Owns nothing. Any thread. Never blocks. Errors: false for what is no address.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#define IP_BITS_MAX 128
#define IP_TEXT_MAX INET6_ADDRSTRLEN /* bytes of any address, with NUL */

struct ip {
    struct in6_addr bytes;
};

/* All addresses with the same leading bits: IPv4 or IPv6 ones, never both. */
struct ip_network {
    struct ip first;
    unsigned bits; /* of the mapped form: an IPv4 network has 96 to 128 */
};

/* Reads an address and nothing else; *ip is untouched on failure. */
bool ip_parse(const char *text, size_t len, struct ip *ip);

/* The address of an IP socket. false, and *ip untouched: it is of another family, such as Unix. */
bool ip_of_socket(const struct sockaddr *socket, struct ip *ip);

/* Makes an address of 64:ff9b::/96, by which a network without IPv4 reaches an IPv4 address through
 * NAT64, that IPv4 address (RFC 6052, 2.1). Other addresses stay as they are. */
void ip_leave_nat64(struct ip *ip);

/* Keeps this many leading bits and clears the rest. Of an IPv4 address, 32 or more keep all. */
void ip_keep(struct ip *ip, unsigned bits);

/* Writes an address as inet_ntop(3) does; returns its length. */
size_t ip_print(const struct ip *ip, char text[IP_TEXT_MAX]);

/* Reads "10.0.0.0/8", "fd00::/8", or one address, which is a network by itself. false, and
 * *network untouched: it is none, or has a bit set behind the leading ones. */
bool ip_network_parse(const char *text, struct ip_network *network);

bool ip_network_has(const struct ip_network *network, const struct ip *ip);

/* Whether a network is all of IPv4, or all of IPv6. */
bool ip_network_is_all(const struct ip_network *network);
