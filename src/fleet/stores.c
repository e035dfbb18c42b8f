#include "fleet/stores.h"

#include "base/quantity.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

struct scheme {
    const char *text;
    enum store_kind kind;
    const char *port;
};

static const struct scheme schemes[] = {
    {"redis://", STORE_SERVER, "6379"},
    {"sentinel://", STORE_SENTINEL, "26379"},
    {"cluster://", STORE_CLUSTER, "6379"},
};

static bool is_host(const char *text, size_t len, bool is_bracketed)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    static const char bracketed[] = "abcdefABCDEF0123456789:.";
    return len > 0 && strspn(text, is_bracketed ? bracketed : plain) >= len;
}

/* Reads HOST[:PORT] of so many bytes. */
static bool read_host(const char *text, size_t len, struct store *store)
{
    bool is_bracketed = len > 0 && text[0] == '[';
    const char *host = text + is_bracketed;
    const char *end = memchr(text, is_bracketed ? ']' : ':', len);
    if (end == NULL && is_bracketed)
        return false;
    size_t host_len = end == NULL ? len : (size_t)(end - host);
    const char *port = host + host_len + is_bracketed;
    size_t port_len = (size_t)(text + len - port);
    uint64_t number;
    if (!is_host(host, host_len, is_bracketed))
        return false;
    if (port_len > 0) {
        if (port[0] != ':' ||
            quantity_parse_number(port + 1, port_len - 1, 1, 65535, &number) != QUANTITY_OK)
            return false;
        snprintf(store->port, sizeof store->port, "%" PRIu64, number);
    }
    memcpy(store->host, host, host_len);
    store->host[host_len] = '\0';
    return true;
}

/* Reads what stands behind the scheme. */
static bool read_place(const char *text, const struct scheme *scheme, struct store *store)
{
    struct store read = {.kind = scheme->kind};
    size_t len = strcspn(text, "/");
    const char *rest = text + len;
    strcpy(read.port, scheme->port);
    if (!read_host(text, len, &read))
        return false;
    if (scheme->kind == STORE_SENTINEL) {
        size_t name = rest[0] == '/' ? strlen(rest + 1) : 0;
        if (name == 0 || name > FLEET_STORE_MAX || strcspn(rest + 1, "/ \"\\") < name)
            return false;
        memcpy(read.master, rest + 1, name + 1);
    } else if (strcmp(rest, "") != 0 && strcmp(rest, "/") != 0) {
        return false;
    }
    *store = read;
    return true;
}

static bool read_socket(const char *path, struct store *store)
{
    size_t len = strlen(path);
    if (path[0] != '/' || len >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return false;
    *store = (struct store){.kind = STORE_SOCKET};
    memcpy(store->host, path, len + 1);
    return true;
}

bool store_read(const char *words, struct store *store)
{
    if (strlen(words) > FLEET_STORE_MAX)
        return false;
    if (strncmp(words, "unix:", 5) == 0)
        return read_socket(words + 5, store);
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i].text);
        if (strncmp(words, schemes[i].text, len) == 0)
            return read_place(words + len, &schemes[i], store);
    }
    return false;
}

const char *fleet_stores_fault(const struct fleet_settings *settings)
{
    struct store first, other;
    if (settings->stores_count == 0 || settings->stores_count > FLEET_STORES_MAX)
        return "there must be 1 to 16 stores";
    if (!store_read(settings->stores[0], &first))
        return "a store is redis://HOST:PORT, unix:/PATH, sentinel://HOST:PORT/MASTER or "
               "cluster://HOST:PORT";
    for (unsigned i = 1; i < settings->stores_count; i++) {
        if (first.kind == STORE_SERVER || first.kind == STORE_SOCKET)
            return "of redis:// and unix: there can be one store only";
        if (!store_read(settings->stores[i], &other) || other.kind != first.kind)
            return "several stores must all be sentinel://HOST:PORT/MASTER, or all "
                   "cluster://HOST:PORT";
        if (strcmp(first.master, other.master) != 0)
            return "all sentinels must be asked for the same master";
    }
    return NULL;
}
