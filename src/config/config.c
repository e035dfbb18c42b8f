#include "config/config.h"

#include <string.h>

void config_release(struct config *config)
{
    limits_release(config->limits);
    contract_release(config->contract);
    explicit_bzero(&config->fleet.settings.password, sizeof config->fleet.settings.password);
    *config = (struct config){0};
}
