#include "config/waiting.h"

#include "config/scalar.h"

#include <inttypes.h>
#include <string.h>

/* No configuration can have more: see max_connections and wait_max in parameters.h. */
#define MOST 500000
#define WAIT_MOST_MS 3600000
#define WAIT_EXAMPLE_MS 2000

void config_max_waiting_check(const struct raw_config *raw, struct faults *faults,
                              struct config *config)
{
    bool is_known = config->max_connections > 0;
    uint32_t most = is_known ? config_waiting_most(config->max_connections) : MOST;
    config->max_waiting =
        (uint32_t)scalar_number(faults, "max_waiting", raw->max_waiting, 1, MOST, most);
    if (config->max_waiting <= most)
        return;
    struct placed value = scalar_placed(raw->max_waiting);
    faults_add(faults, value.line, value.column,
               "max_waiting %" PRIu32 " is more than half of max_connections, %" PRIu32
               ", and the other half is for those who do not wait; write at most %" PRIu32
               ", or raise max_connections",
               config->max_waiting, config->max_connections, most);
}

void config_max_waiting_print(const struct config *config, FILE *out)
{
    fprintf(out, "max_waiting: %" PRIu32 "\n", config->max_waiting);
}

/* Whether wait_max has been read. One that is faulty reads as 0, which is valid too. */
static bool is_wait_max_known(const struct raw_config *raw, const struct config *config)
{
    uint64_t ms;
    if (raw->wait_max == NULL || config->wait_max_ms > 0)
        return true;
    if (!scalar_is_usable(raw->wait_max))
        return false;
    const char *text = scalar_placed(raw->wait_max).text;
    return quantity_parse_duration(text, strlen(text), 0, 0, &ms) == QUANTITY_OK;
}

uint32_t config_wait_read(const struct raw_config *raw, const char *wait,
                          const struct config *config, struct faults *faults)
{
    if (wait == NULL)
        return 0;
    uint32_t wait_ms =
        (uint32_t)scalar_duration(faults, "wait", wait, 0, WAIT_MOST_MS, WAIT_EXAMPLE_MS);
    if (wait_ms <= config->wait_max_ms || !is_wait_max_known(raw, config))
        return wait_ms;
    struct placed value = scalar_placed(wait);
    char most[QUANTITY_TEXT_MAX];
    quantity_print_duration(config->wait_max_ms, most);
    faults_add(faults, value.line, value.column,
               "wait %s is longer than wait_max, %s; write at most %s, or raise wait_max",
               value.text, most, most);
    return 0;
}
