#include "config/config_check.h"

#include "config/config_contract.h"
#include "config/config_limits.h"
#include "config/config_scalar.h"
#include "config/config_text.h"
#include "pure/key.h"
#include "pure/table.h"

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

static void check_address(const char *raw, struct faults *faults, struct config *config)
{
    struct placed value = scalar_placed(raw);
    char shortened[CONFIG_SHORT_MAX];
    struct address address;
    if (key_check(value.text, strlen(value.text)) != KEY_OK ||
        !address_parse(value.text, &address)) {
        faults_add(faults, value.line, value.column,
                   "\"%s\" is not an address to listen on; write %s",
                   config_shorten(value.text, shortened), ADDRESS_FORMS);
        return;
    }
    for (uint32_t i = 0; i < config->listen_count; i++) {
        if (address_equal(&config->listen[i], &address) && !is_any_port(&address)) {
            faults_add(faults, value.line, value.column,
                       "\"%s\" is listed already; list each address once",
                       config_shorten(value.text, shortened));
            return;
        }
    }
    config->listen[config->listen_count++] = address;
}

static void check_listen(const struct raw_config *raw, struct faults *faults,
                         struct config *config)
{
    static const char *const absent = "0:0 " CONFIG_DEFAULT_LISTEN;
    for (uint32_t i = 0; i < raw->listen_count; i++)
        check_address(raw->listen[i], faults, config);
    config->listen_is_given = raw->listen_count > 0;
    if (raw->listen_count == 0)
        check_address(absent, faults, config);
}

bool config_check(const struct raw_config *raw, struct config *config, struct faults *faults)
{
    struct config checked = {
        .threads = (uint32_t)scalar_number(faults, "threads", raw->threads, 1, CONFIG_THREADS_MAX,
                                           CONFIG_DEFAULT_THREADS),
        .max_keys = (uint32_t)scalar_number(faults, "max_keys", raw->max_keys, 1, TABLE_KEYS_MAX,
                                            CONFIG_DEFAULT_MAX_KEYS),
        .when_full = (enum when_full)scalar_word(faults, "when_full", raw->when_full,
                                                 when_full_names, WHEN_FULL_COUNT, WHEN_FULL_EVICT),
    };
    check_listen(raw, faults, &checked);
    checked.limits = config_limits_check(raw, scalar_tick(faults, raw->tick), faults);
    checked.contract = config_contract_check(raw, faults);
    if (faults->count > 0) {
        config_release(&checked);
        return false;
    }
    *config = checked;
    return true;
}
