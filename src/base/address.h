/*
 * Addresses that allowd listens on, as people write them: "127.0.0.1:10429",
 * "[::1]:10429", "unix:/run/allowd/allowd.sock".
 *
 * Numeric only: a host name could resolve to another address tomorrow.
 *
 * Owns nothing. Any thread. Never blocks. Errors: false for a text that is no address.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define ADDRESS_TEXT_MAX 128 /* bytes of any address, with "unix:", brackets and NUL */

struct address {
    struct sockaddr_storage socket;
    socklen_t socket_len;
};

/* Who may connect to a Unix socket. */
#define SOCKET_GROUP_MAX 63 /* bytes of the group's name */
struct socket_access {
    mode_t mode; /* SOCKET_MODE_BY_UMASK, or permission bits */
    gid_t group; /* SOCKET_GROUP_OWN, or the group called group_name */
    char group_name[SOCKET_GROUP_MAX + 1];
};
#define SOCKET_MODE_BY_UMASK ((mode_t)-1)
#define SOCKET_GROUP_OWN ((gid_t)-1)
#define SOCKET_ACCESS_DEFAULT                                                                      \
    ((struct socket_access){.mode = SOCKET_MODE_BY_UMASK, .group = SOCKET_GROUP_OWN})

#define ADDRESS_FORMS                                                                              \
    "an IPv4 address and port (127.0.0.1:10429), an IPv6 one ([::1]:10429) or a Unix socket "      \
    "(unix:/run/allowd/allowd.sock, at most 107 bytes of absolute path)"

/* Reads an address; *address is untouched on failure. Port 0 means any free port. An IPv4-mapped
 * IPv6 address is none: a socket for IPv6 alone cannot be bound to it. */
bool address_parse(const char *text, struct address *address);

/* Writes an address in the form that address_parse reads. A Unix socket in the abstract
 * namespace, which allowd can only inherit, becomes "unix:@NAME". */
void address_print(const struct address *address, char text[ADDRESS_TEXT_MAX]);

bool address_equal(const struct address *a, const struct address *b);

/* The path of a Unix socket's address, or NULL for another kind. */
const char *address_unix_path(const struct address *address);
