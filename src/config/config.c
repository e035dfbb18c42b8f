#include "config/config.h"

void config_release(struct config *config)
{
    limits_release(config->limits);
    contract_release(config->contract);
    *config = (struct config){0};
}
