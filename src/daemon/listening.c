#include "daemon/listening.h"

#include "daemon/core.h"
#include "log/log.h"

#include <errno.h>
#include <string.h>

/* What a list of addresses is for. */
struct purpose {
    bool is_admin, is_resp;
};
static const struct purpose for_all = {0};
static const struct purpose for_admins = {.is_admin = true};
static const struct purpose for_resp = {.is_resp = true};

static void dedicate(struct listener *listener, const struct purpose *purpose)
{
    listener->is_admin = purpose->is_admin;
    listener->is_resp = purpose->is_resp;
}

static bool open_listener(struct server *server, const struct address *address,
                          const struct purpose *purpose)
{
    struct listener *listener = &server->listeners[server->listeners_count];
    char text[ADDRESS_TEXT_MAX];
    const char *doing = "";
    int error = listener_open(listener, address, &server->config->sockets, &doing);
    address_print(error == 0 ? &listener->address : address, text);
    if (error == EINTR)
        return false;
    if (error != 0) {
        log_error("cannot %s %s: %s", doing, text, strerror(error));
        return false;
    }
    dedicate(listener, purpose);
    server->listeners_count++;
    log_info("listening %son %s", listener_purpose(listener), text);
    return true;
}

/* The inherited socket of an address, or NULL. */
static struct listener *find_inherited(struct server *server, const struct address *address)
{
    for (unsigned i = 0; i < server->listeners_count; i++)
        if (server->listeners[i].is_inherited &&
            address_equal(&server->listeners[i].address, address))
            return &server->listeners[i];
    return NULL;
}

static void dedicate_inherited(struct server *server, const struct address *addresses,
                               uint32_t count, const struct purpose *purpose)
{
    for (uint32_t i = 0; i < count; i++) {
        struct listener *inherited = find_inherited(server, &addresses[i]);
        if (inherited != NULL)
            dedicate(inherited, purpose);
    }
}

/* Those that are not inherited. */
static bool open_addresses(struct server *server, const struct address *addresses, uint32_t count,
                           const struct purpose *purpose)
{
    for (uint32_t i = 0; i < count; i++)
        if (find_inherited(server, &addresses[i]) == NULL &&
            !open_listener(server, &addresses[i], purpose))
            return false;
    return true;
}

/* Whether HTTP is served on an inherited socket. */
static bool has_inherited_http(const struct server *server)
{
    for (unsigned i = 0; i < server->listeners_count; i++)
        if (!server->listeners[i].is_resp)
            return true;
    return false;
}

bool listening_open(struct server *server)
{
    const struct config *config = server->config;
    if (!inherited_take(server->listeners, &server->listeners_count))
        return false;
    dedicate_inherited(server, config->admin_listen, config->admin_listen_count, &for_admins);
    dedicate_inherited(server, config->listen_resp, config->listen_resp_count, &for_resp);
    bool is_default = !config->listen_is_fixed && !config->listen_is_given;
    uint32_t listen_count = has_inherited_http(server) && is_default ? 0 : config->listen_count;
    dedicate_inherited(server, config->listen, listen_count, &for_all);
    inherited_tell(server->listeners, server->listeners_count);
    return open_addresses(server, config->listen, listen_count, &for_all) &&
           open_addresses(server, config->admin_listen, config->admin_listen_count, &for_admins) &&
           open_addresses(server, config->listen_resp, config->listen_resp_count, &for_resp);
}

void listening_remove_files(const struct server *server)
{
    for (unsigned i = 0; i < server->listeners_count; i++)
        listener_remove_file(&server->listeners[i]);
}

void listening_close(struct server *server)
{
    for (unsigned i = 0; i < server->listeners_count; i++)
        listener_close(&server->listeners[i]);
}
