#include "config/listen.h"

#include "config/hints.h"
#include "config/scalar.h"
#include "config/text.h"
#include "limits/key.h"

#include <grp.h>
#include <netinet/in.h>
#include <string.h>

/* Two addresses of port 0 are never equal: each gets another free port. */
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

static void refuse_address(struct placed value, struct faults *faults)
{
    char shortened[CONFIG_SHORT_MAX], hint[HINT_MAX];
    bool is_text = key_check(value.text, strlen(value.text)) == KEY_OK;
    const char *placeholder = hint_placeholder(value.text);
    config_shorten(value.text, shortened);
    if (placeholder != NULL)
        faults_add(faults, value.line, value.column, "\"%s\" is not an address to listen on; %s",
                   shortened, placeholder);
    else
        faults_add(faults, value.line, value.column,
                   "\"%s\" is not an address to listen on; write %s", shortened,
                   is_text && hint_address(value.text, hint) ? hint : ADDRESS_FORMS);
}

/* Adds an address to one of the lists of `config`. It may not be in any of them yet. */
static void check_address(const char *raw, struct faults *faults, const struct config *config,
                          struct address *list, uint32_t *count)
{
    struct placed value = scalar_placed(raw);
    char shortened[CONFIG_SHORT_MAX];
    struct address address;
    if (key_check(value.text, strlen(value.text)) != KEY_OK || !address_parse(value.text, &address))
        refuse_address(value, faults);
    else if (is_listed(config->listen, config->listen_count, &address) ||
             is_listed(config->admin_listen, config->admin_listen_count, &address) ||
             is_listed(config->listen_resp, config->listen_resp_count, &address))
        faults_add(faults, value.line, value.column,
                   "\"%s\" is listed already; list each address once",
                   config_shorten(value.text, shortened));
    else
        list[(*count)++] = address;
}

void config_listen_check(const struct raw_config *raw, struct faults *faults, struct config *config)
{
    config->listen_is_given = raw->listen_count > 0;
    for (uint32_t i = 0; i < raw->listen_count; i++)
        check_address(raw->listen[i], faults, config, config->listen, &config->listen_count);
}

/* Adds the default of listen. It comes after the addresses of the file, so that if one is there
 * twice, the default is the one that is reported. */
static void listen_by_default(struct faults *faults, struct config *config)
{
    check_address("0:0 " CONFIG_DEFAULT_LISTEN, faults, config, config->listen,
                  &config->listen_count);
}

void config_admin_listen_check(const struct raw_config *raw, struct faults *faults,
                               struct config *config)
{
    for (uint32_t i = 0; i < raw->admin_listen_count; i++)
        check_address(raw->admin_listen[i], faults, config, config->admin_listen,
                      &config->admin_listen_count);
    if (!config->listen_is_given)
        listen_by_default(faults, config);
}

void config_listen_resp_check(const struct raw_config *raw, struct faults *faults,
                              struct config *config)
{
    for (uint32_t i = 0; i < raw->listen_resp_count; i++)
        check_address(raw->listen_resp[i], faults, config, config->listen_resp,
                      &config->listen_resp_count);
}

static void print_listen(const char *name, const struct address *addresses, uint32_t count,
                         FILE *out)
{
    char text[ADDRESS_TEXT_MAX];
    if (count > 0)
        fputs(name, out);
    for (uint32_t i = 0; i < count; i++) {
        address_print(&addresses[i], text);
        config_write_named(out, "  - ", text);
    }
}

void config_listen_print(const struct config *config, FILE *out)
{
    print_listen("listen:\n", config->listen, config->listen_count, out);
}

void config_admin_listen_print(const struct config *config, FILE *out)
{
    print_listen("admin_listen:\n", config->admin_listen, config->admin_listen_count, out);
}

void config_listen_resp_print(const struct config *config, FILE *out)
{
    print_listen("listen_resp:\n", config->listen_resp, config->listen_resp_count, out);
}

static bool is_same_list(const struct address *a, uint32_t a_count, const struct address *b,
                         uint32_t b_count)
{
    if (a_count != b_count)
        return false;
    for (uint32_t i = 0; i < a_count; i++)
        if (!address_equal(&a[i], &b[i]))
            return false;
    return true;
}

bool config_listen_differs(const struct config *now, const struct config *next)
{
    return !now->listen_is_fixed &&
           !is_same_list(now->listen, now->listen_count, next->listen, next->listen_count);
}

bool config_admin_listen_differs(const struct config *now, const struct config *next)
{
    return !is_same_list(now->admin_listen, now->admin_listen_count, next->admin_listen,
                         next->admin_listen_count);
}

bool config_listen_resp_differs(const struct config *now, const struct config *next)
{
    return !is_same_list(now->listen_resp, now->listen_resp_count, next->listen_resp,
                         next->listen_resp_count);
}

/* ---- who may reach the Unix sockets ---- */

/* "0660": a zero and three octal digits. */
static bool parse_mode(const char *text, uint32_t *mode)
{
    if (strlen(text) != 4 || text[0] != '0' || strspn(text, "01234567") != 4)
        return false;
    *mode =
        (uint32_t)(text[1] - '0') << 6 | (uint32_t)(text[2] - '0') << 3 | (uint32_t)(text[3] - '0');
    return true;
}

enum { MODE_TEXT_MAX = 4 };

/* Programs that read a mode as a number write it again as 432 or as 660. Finds the three digits
 * that stood behind the zero. */
static bool meant_mode(const char *text, char meant[MODE_TEXT_MAX])
{
    if (strlen(text) != 3 || strspn(text, "0123456789") != 3 || text[0] == '0')
        return false;
    unsigned number = (unsigned)(text[0] - '0') * 100 + (unsigned)(text[1] - '0') * 10 +
                      (unsigned)(text[2] - '0');
    if (number <= 0777)
        snprintf(meant, MODE_TEXT_MAX, "%03o", number);
    else if (strspn(text, "01234567") == 3)
        memcpy(meant, text, MODE_TEXT_MAX);
    else
        return false;
    return true;
}

void config_socket_mode_check(const struct raw_config *raw, struct faults *faults,
                              struct config *config)
{
    char shortened[CONFIG_SHORT_MAX];
    config->sockets.mode = SOCKET_MODE_BY_UMASK;
    if (!scalar_is_usable(raw->socket_mode))
        return;
    struct placed value = scalar_placed(raw->socket_mode);
    uint32_t mode;
    char meant[MODE_TEXT_MAX];
    if (meant_mode(value.text, meant))
        faults_add(faults, value.line, value.column,
                   "socket_mode \"%s\" is not a mode; a program may have read 0%s as a number; "
                   "write \"0%s\", in quotes",
                   value.text, meant, meant);
    else if (!parse_mode(value.text, &mode))
        faults_add(
            faults, value.line, value.column,
            "socket_mode \"%s\" is not a mode; write 0 and three octal digits, such as \"0660\"",
            config_shorten(value.text, shortened));
    else if ((mode & 0222) == 0)
        faults_add(faults, value.line, value.column,
                   "socket_mode \"%s\" lets nobody connect, because that takes write permission; "
                   "write 0600, 0660 or 0666",
                   value.text);
    else
        config->sockets.mode = mode;
}

void config_socket_group_check(const struct raw_config *raw, struct faults *faults,
                               struct config *config)
{
    char shortened[CONFIG_SHORT_MAX];
    config->sockets.group = SOCKET_GROUP_OWN;
    if (!scalar_is_usable(raw->socket_group))
        return;
    struct placed value = scalar_placed(raw->socket_group);
    const struct group *group =
        strlen(value.text) <= SOCKET_GROUP_MAX ? getgrnam(value.text) : NULL;
    if (group == NULL) {
        faults_add(faults, value.line, value.column,
                   "there is no group named \"%s\" for socket_group; write the name of one that "
                   "getent group lists",
                   config_shorten(value.text, shortened));
        return;
    }
    strcpy(config->sockets.group_name, value.text);
    config->sockets.group = group->gr_gid;
}

void config_socket_mode_print(const struct config *config, FILE *out)
{
    if (config->sockets.mode != SOCKET_MODE_BY_UMASK)
        fprintf(out, "socket_mode: \"%04o\"\n", (unsigned)config->sockets.mode);
}

void config_socket_group_print(const struct config *config, FILE *out)
{
    if (config->sockets.group != SOCKET_GROUP_OWN)
        config_write_named(out, "socket_group: ", config->sockets.group_name);
}

bool config_sockets_differ(const struct config *now, const struct config *next)
{
    return now->sockets.mode != next->sockets.mode || now->sockets.group != next->sockets.group;
}
