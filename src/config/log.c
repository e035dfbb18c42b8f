#include "config/log.h"

#include "brain/sampler.h"
#include "config/scalar.h"

struct log_settings config_log_check(const struct raw_config *raw, struct faults *faults)
{
    struct log_settings settings = LOG_SETTINGS_DEFAULT;
    if (raw->log == NULL)
        return settings;
    settings.level = (enum log_level)scalar_word(faults, "level", raw->log->level, log_level_names,
                                                 LOG_LEVELS, settings.level);
    settings.format = (enum log_format)scalar_word(faults, "format", raw->log->format,
                                                   log_format_names, LOG_FORMATS, settings.format);
    return settings;
}

struct rate config_log_denials(const struct raw_config *raw, struct faults *faults)
{
    return scalar_rate(faults, "denials", "lines", SAMPLER_TOKENS_MAX,
                       raw->log == NULL ? NULL : raw->log->denials);
}
