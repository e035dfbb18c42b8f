#include "base/address.h"

#include "base/quantity.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define UNIX_PREFIX "unix:"

static bool parse_unix(const char *path, struct address *address)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (path[0] != '/' || strlen(path) >= sizeof un.sun_path)
        return false;
    strcpy(un.sun_path, path);
    memset(address, 0, sizeof *address);
    memcpy(&address->socket, &un, sizeof un);
    address->socket_len = sizeof un;
    return true;
}

static bool parse_internet(const char *text, struct address *address)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    char host[INET6_ADDRSTRLEN];
    if (colon == NULL ||
        quantity_parse_number(colon + 1, strlen(colon + 1), 0, 65535, &port) != QUANTITY_OK)
        return false;
    bool v6 = text[0] == '[' && colon[-1] == ']';
    size_t len = (size_t)(colon - text) - (v6 ? 2 : 0);
    if (len >= sizeof host)
        return false;
    memcpy(host, text + v6, len);
    host[len] = '\0';

    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (inet_pton(v6 ? AF_INET6 : AF_INET, host,
                  v6 ? (void *)&in6.sin6_addr : (void *)&in.sin_addr) != 1)
        return false;
    if (v6 && IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
        return false;
    memset(address, 0, sizeof *address);
    address->socket_len = v6 ? sizeof in6 : sizeof in;
    memcpy(&address->socket, v6 ? (void *)&in6 : (void *)&in, address->socket_len);
    return true;
}

bool address_parse(const char *text, struct address *address)
{
    if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
        return parse_unix(text + strlen(UNIX_PREFIX), address);
    return parse_internet(text, address);
}

void address_print(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "";
    const char *path = address_unix_path(address);
    const struct sockaddr_in *in = (const struct sockaddr_in *)&address->socket;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->socket;

    static_assert(sizeof(struct sockaddr_un) + sizeof UNIX_PREFIX <= ADDRESS_TEXT_MAX,
                  "any address fits its text");
    if (path != NULL && path[0] == '\0') {
        snprintf(text, ADDRESS_TEXT_MAX, UNIX_PREFIX "@%s", path + 1);
    } else if (path != NULL) {
        snprintf(text, ADDRESS_TEXT_MAX, UNIX_PREFIX "%s", path);
    } else if (address->socket.ss_family == AF_INET) {
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(text, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(in->sin_port));
    } else {
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(text, ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
    }
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->socket_len == b->socket_len && memcmp(&a->socket, &b->socket, a->socket_len) == 0;
}

const char *address_unix_path(const struct address *address)
{
    if (address->socket.ss_family != AF_UNIX)
        return NULL;
    return ((const struct sockaddr_un *)&address->socket)->sun_path;
}
