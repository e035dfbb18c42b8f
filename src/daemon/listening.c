#include "daemon/listening.h"

#include "daemon/core.h"
#include "log/log.h"

#include <errno.h>
#include <string.h>

static bool open_listener(struct server *server, const struct address *address, bool is_admin)
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
    listener->is_admin = is_admin;
    server->listeners_count++;
    log_info("listening %son %s", is_admin ? "for admins " : "", text);
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

static bool serve_addresses(struct server *server, const struct address *addresses, uint32_t count,
                            bool is_admin)
{
    for (uint32_t i = 0; i < count; i++) {
        struct listener *inherited = find_inherited(server, &addresses[i]);
        if (inherited != NULL)
            inherited->is_admin = is_admin;
        else if (!open_listener(server, &addresses[i], is_admin))
            return false;
    }
    return true;
}

bool listening_open(struct server *server)
{
    const struct config *config = server->config;
    if (!inherited_take(server->listeners, &server->listeners_count))
        return false;
    bool is_default = !config->listen_is_fixed && !config->listen_is_given;
    uint32_t listen_count = server->listeners_count > 0 && is_default ? 0 : config->listen_count;
    return serve_addresses(server, config->listen, listen_count, false) &&
           serve_addresses(server, config->admin_listen, config->admin_listen_count, true);
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
