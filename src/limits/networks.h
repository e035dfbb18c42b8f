/*
 * Networks: overrides for all keys whose address lies in a network.
 *
 * The key of such an override is a prefix, which may be empty, and a network: "10.0.0.0/8",
 * "login:2001:db8::/32". It is for keys that are the same prefix and an address of that network.
 * The networks of a limit are kept sorted, each with the next wider one around it; so finding the
 * narrowest one around an address takes a binary search, and the wider ones follow.
 *
 * Owns its lists; keys are borrowed. Threads: change it before it is shared, then from any thread.
 * Never blocks. Errors: false when there is no memory; enum network_form.
 */
#pragma once

#include "base/ip.h"
#include "limits/key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the key of an override is, read as a network. */
enum network_form {
    NETWORK_NOT,           /* it does not end in an address, '/' and digits */
    NETWORK_IS,            /* it is one */
    NETWORK_NOT_CANONICAL, /* it is one, but spelt otherwise, or with bits set behind its length */
    NETWORK_NO_LENGTH,     /* what follows '/' is no number of bits that the address has */
};

struct network_key {
    size_t prefix_len;         /* bytes of the key before the network */
    struct ip_network network; /* unless NETWORK_NO_LENGTH */
};

#define NETWORK_TEXT_MAX (IP_TEXT_MAX + sizeof "/128")

/* Reads the key of an override. The network begins at the first character from which on the text
 * is one, and which follows none of the letters, digits and dots. *read is untouched if it is
 * NETWORK_NOT. */
enum network_form network_read(const char *key, struct network_key *read);

/* Whether a key that is NETWORK_NOT looks like an IPv4 network all the same: "10.0.0/8". */
bool network_is_misspelt(const char *key);

/* Writes a network as it must be written in the key of an override. */
void network_print(const struct ip_network *network, char text[NETWORK_TEXT_MAX]);

struct network_node {
    struct ip_network network;
    const char *key; /* of the override */
    size_t prefix_len;
    uint32_t override; /* its index */
    uint32_t wider;    /* the number of the node of the next wider network around it, or 0 */
};

/* The nodes with one prefix. */
struct network_group {
    uint32_t first, end;
};

struct networks {
    uint32_t count, groups_count;
    struct network_node *node; /* by prefix, family, first address, bits; numbered from 1 */
    struct network_group *group;
};

/* Makes room for so many networks. false: no memory. */
bool networks_init(struct networks *networks, uint32_t capacity);
void networks_release(struct networks *networks); /* all zeros are fine */

void networks_add(struct networks *networks, const char *key, const struct network_key *read,
                  uint32_t override);

/* Call it after the last one was added. */
void networks_sort(struct networks *networks);

/* Goes through the overrides for networks that the address of a NUL-terminated key is in, the
 * narrowest network first; of two for the same network, the one of the lower index. */
struct networks_walk {
    const struct networks *networks;
    const char *key;
    size_t start, len; /* where the address may begin next; the key's length */
    uint32_t node;     /* the number of the next node, or 0 */
};

struct networks_walk networks_walk(const struct networks *networks, const char *key);
int networks_next(struct networks_walk *walk); /* the index of an override, or -1 */
