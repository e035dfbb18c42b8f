#include "config/check.h"

#include "config/contract.h"
#include "config/limits.h"
#include "config/listen.h"
#include "config/log.h"
#include "config/scalar.h"
#include "config/state.h"
#include "config/token.h"
#include "table/table.h"

bool config_check(const struct raw_config *raw, struct config *config, struct faults *faults)
{
    struct config checked = {
        .threads = (uint32_t)scalar_number(faults, "threads", raw->threads, 1, CONFIG_THREADS_MAX,
                                           CONFIG_DEFAULT_THREADS),
        .max_keys = (uint32_t)scalar_number(faults, "max_keys", raw->max_keys, 1, TABLE_KEYS_MAX,
                                            CONFIG_DEFAULT_MAX_KEYS),
        .when_full = (enum when_full)scalar_word(faults, "when_full", raw->when_full,
                                                 when_full_names, WHEN_FULL_COUNT, WHEN_FULL_EVICT),
        .log = config_log_check(raw, faults),
    };
    config_listen_check(raw, faults, &checked);
    checked.limits = config_limits_check(raw, scalar_tick(faults, raw->tick), faults);
    const struct rate denials = config_log_denials(raw, faults);
    if (checked.limits != NULL)
        checked.limits->shown_denials = denials;
    checked.contract = config_contract_check(raw, faults);
    config_token_check(raw, faults, &checked);
    config_state_check(raw, faults, &checked);
    if (faults->count > 0) {
        config_release(&checked);
        return false;
    }
    *config = checked;
    return true;
}
