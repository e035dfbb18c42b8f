#include "config/listen.h"

#include "config/scalar.h"
#include "config/text.h"
#include "limits/key.h"

#include <grp.h>
#include <netinet/in.h>
#include <string.h>

/* Port 0 stands for another free port each time. */
static bool is_any_port(const struct address *address)
{
    if (address->socket.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&address->socket)->sin_port == 0;
    if (address->socket.ss_family == AF_INET6)
        return ((const struct sockaddr_in6 *)&address->socket)->sin6_port == 0;
    return false;
}

static bool is_listed(const struct address *listed, uint32_t count, const struct address *address)
{
    for (uint32_t i = 0; i < count; i++)
        if (address_equal(&listed[i], address) && !is_any_port(address))
            return true;
    return false;
}

/* Adds an address to one of the lists of `config`, in none of which it may be yet. */
static void check_address(const char *raw, struct faults *faults, const struct config *config,
                          struct address *list, uint32_t *count)
{
    struct placed value = scalar_placed(raw);
    char shortened[CONFIG_SHORT_MAX];
    struct address address;
    if (key_check(value.text, strlen(value.text)) != KEY_OK || !address_parse(value.text, &address))
        faults_add(faults, value.line, value.column,
                   "\"%s\" is not an address to listen on; write %s",
                   config_shorten(value.text, shortened), ADDRESS_FORMS);
    else if (is_listed(config->listen, config->listen_count, &address) ||
             is_listed(config->admin_listen, config->admin_listen_count, &address))
        faults_add(faults, value.line, value.column,
                   "\"%s\" is listed already; list each address once",
                   config_shorten(value.text, shortened));
    else
        list[(*count)++] = address;
}

static void check_listen(const struct raw_config *raw, struct faults *faults, struct config *config)
{
    static const char *const absent = "0:0 " CONFIG_DEFAULT_LISTEN;
    config->listen_is_given = raw->listen_count > 0;
    for (uint32_t i = 0; i < raw->listen_count; i++)
        check_address(raw->listen[i], faults, config, config->listen, &config->listen_count);
    for (uint32_t i = 0; i < raw->admin_listen_count; i++)
        check_address(raw->admin_listen[i], faults, config, config->admin_listen,
                      &config->admin_listen_count);
    config->listen_is_given = raw->listen_count > 0;
    if (raw->listen_count == 0)
        check_address(absent, faults, config, config->listen, &config->listen_count);
}

/* "0660": a zero and three octal digits. */
static bool parse_mode(const char *text, uint32_t *mode)
{
    if (strlen(text) != 4 || text[0] != '0' || strspn(text, "01234567") != 4)
        return false;
    *mode =
        (uint32_t)(text[1] - '0') << 6 | (uint32_t)(text[2] - '0') << 3 | (uint32_t)(text[3] - '0');
    return true;
}

static void check_mode(const char *raw, struct faults *faults, struct socket_access *sockets)
{
    char shortened[CONFIG_SHORT_MAX];
    if (!scalar_is_usable(raw))
        return;
    struct placed value = scalar_placed(raw);
    uint32_t mode;
    if (!parse_mode(value.text, &mode))
        faults_add(faults, value.line, value.column,
                   "socket_mode \"%s\" is not a mode; write 0 and three octal digits, such as 0660",
                   config_shorten(value.text, shortened));
    else if ((mode & 0222) == 0)
        faults_add(faults, value.line, value.column,
                   "socket_mode \"%s\" lets nobody connect, which takes the right to write; write "
                   "0600, 0660 or 0666",
                   value.text);
    else
        sockets->mode = mode;
}

static void check_group(const char *raw, struct faults *faults, struct socket_access *sockets)
{
    char shortened[CONFIG_SHORT_MAX];
    if (!scalar_is_usable(raw))
        return;
    struct placed value = scalar_placed(raw);
    const struct group *group =
        strlen(value.text) <= SOCKET_GROUP_MAX ? getgrnam(value.text) : NULL;
    if (group == NULL) {
        faults_add(faults, value.line, value.column,
                   "socket_group \"%s\" is the name of no group here; write that of one, which "
                   "getent group lists",
                   config_shorten(value.text, shortened));
        return;
    }
    strcpy(sockets->group_name, value.text);
    sockets->group = group->gr_gid;
}

void config_listen_check(const struct raw_config *raw, struct faults *faults, struct config *config)
{
    config->sockets = SOCKET_ACCESS_DEFAULT;
    check_listen(raw, faults, config);
    check_mode(raw->socket_mode, faults, &config->sockets);
    check_group(raw->socket_group, faults, &config->sockets);
}
