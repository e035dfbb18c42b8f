#include "config/waiting.h"

#include "config/scalar.h"

#include <inttypes.h>

/* No configuration can have more: see max_connections in parameters.h. */
#define MOST 500000

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
