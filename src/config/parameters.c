#include "config/parameters.h"

#include "base/clock.h"
#include "brain/sampler.h"
#include "config/checks.h"
#include "config/config.h"
#include "config/fleet.h"
#include "config/header_room.h"
#include "config/hosts.h"
#include "config/limits.h"
#include "config/limits_warn.h"
#include "config/listen.h"
#include "config/scalar.h"
#include "config/schema.h"
#include "config/state.h"
#include "config/token.h"
#include "config/waiting.h"
#include "table/table.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* ---- the table ---- */

#define NUMBER(least, most, absent)                                                                \
    .kind = PARAMETER_NUMBER, .min = (least), .max = (most), .by_default = (absent)
#define NUMBER_OR(other, least, most, absent) NUMBER(least, most, absent), .word = (other)
#define DURATION(least_ms, most_ms, absent_ms)                                                     \
    .kind = PARAMETER_DURATION, .min = (least_ms), .max = (most_ms), .by_default = (absent_ms)
#define WORD(names, count, absent)                                                                 \
    .kind = PARAMETER_WORD, .words = (names), .words_count = (count), .by_default = (absent)
#define FLAG(absent) WORD(parameter_flags, 2, absent)
#define RATE(what, most) .kind = PARAMETER_RATE, .counted = (what), .max = (most)
#define OWN(subject) .kind = PARAMETER_OWN, .check = subject##_check, .print = subject##_print

#define AT_RELOAD .effect = PARAMETER_AT_RELOAD
#define AT_START .effect = PARAMETER_AT_START
#define AT_START_AS(called) .effect = PARAMETER_AT_START, .changed = (called)
#define AT_START_IF(function, called)                                                              \
    .effect = PARAMETER_AT_START, .differs = (function), .changed = (called)
#define AS_ABOVE .effect = PARAMETER_AT_START_AS_ABOVE

#define VALUE(parameter, type, kept, kind, effect)                                                 \
    {.name = #parameter,                                                                           \
     .raw = offsetof(struct raw_config, parameter),                                                \
     .member = offsetof(struct config, kept),                                                      \
     kind,                                                                                         \
     effect},
#define TEXT(parameter, functions, effect) {.name = #parameter, functions, effect},
#define LIST(parameter, type, entry, most, functions, effect)                                      \
    {.name = #parameter, functions, effect},
#define GROUP(parameter, members, shown)                                                           \
    {.name = #parameter, .kind = PARAMETER_GROUP, shown}, members(MEMBER, TEXTS)
#define ALWAYS .is_there = NULL
#define IF(function) .is_there = (function)
#define MEMBER(above, parameter, kept, kind, effect)                                               \
    {.name = #parameter,                                                                           \
     .group = #above,                                                                              \
     .raw = offsetof(struct raw_config, above) + offsetof(struct raw_##above, parameter),          \
     .member = offsetof(struct config, kept),                                                      \
     kind,                                                                                         \
     effect},
#define TEXTS(above, parameter, most, functions, effect)                                           \
    {.name = #parameter, .group = #above, functions, effect},

const char *const parameter_flags[2] = {"false", "true"};

const struct parameter config_parameters[] = {CONFIG_PARAMETERS(VALUE, TEXT, LIST, GROUP)};
const size_t config_parameters_count = sizeof config_parameters / sizeof config_parameters[0];

#undef VALUE
#undef TEXT
#undef LIST
#undef GROUP

/* Every value is read and written as uint32_t, except rates. */
#define VALUE(parameter, type, ...)                                                                \
    static_assert(sizeof(type) == sizeof(uint32_t) || sizeof(type) == sizeof(struct rate),         \
                  #parameter " has a type that a value can have");
#define NOTHING(...)
CONFIG_PARAMETERS(VALUE, NOTHING, NOTHING, NOTHING)
static_assert(sizeof(enum log_level) == sizeof(uint32_t) &&
                  sizeof(enum log_format) == sizeof(uint32_t),
              "so have those of the log");
static_assert(sizeof(enum fleet_cold) == sizeof(uint32_t) &&
                  sizeof(enum fleet_partition) == sizeof(uint32_t) &&
                  sizeof(enum fleet_loss) == sizeof(uint32_t),
              "and those of the fleet");

static uint32_t kept(const struct parameter *parameter, const struct config *config)
{
    uint32_t value;
    memcpy(&value, (const char *)config + parameter->member, sizeof value);
    return value;
}

static struct rate kept_rate(const struct parameter *parameter, const struct config *config)
{
    struct rate rate;
    memcpy(&rate, (const char *)config + parameter->member, sizeof rate);
    return rate;
}

/* ---- checks ---- */

static void keep(const struct parameter *parameter, struct config *config, uint64_t value)
{
    const uint32_t word = value > UINT32_MAX ? PARAMETER_IS_WORD : (uint32_t)value;
    memcpy((char *)config + parameter->member, &word, sizeof word);
}
static_assert(SCALAR_IS_WORD > UINT32_MAX, "a word is none of the numbers");

static void check(const struct parameter *parameter, const struct raw_config *raw_config,
                  struct faults *faults, struct config *config)
{
    const char *name = parameter->name, *raw;
    struct rate rate;
    memcpy(&raw, (const char *)raw_config + parameter->raw, sizeof raw);
    switch (parameter->kind) {
    case PARAMETER_NUMBER:
        keep(parameter, config,
             scalar_number_or(faults, name, parameter->word, raw, parameter->min, parameter->max,
                              parameter->by_default));
        break;
    case PARAMETER_DURATION:
        keep(parameter, config,
             scalar_duration(faults, name, raw, parameter->min, parameter->max,
                             parameter->by_default));
        break;
    case PARAMETER_WORD:
        keep(parameter, config,
             scalar_word(faults, name, raw, parameter->words, parameter->words_count,
                         parameter->by_default));
        break;
    case PARAMETER_RATE:
        rate = scalar_rate(faults, name, parameter->counted, parameter->max, raw);
        memcpy((char *)config + parameter->member, &rate, sizeof rate);
        break;
    case PARAMETER_OWN:
        parameter->check(raw_config, faults, config);
        break;
    case PARAMETER_GROUP:
        break;
    }
}

bool config_check(const struct raw_config *raw, struct config *config, struct faults *faults)
{
    struct config checked = {0};
    for (size_t i = 0; i < config_parameters_count; i++)
        check(&config_parameters[i], raw, faults, &checked);
    if (faults->count == 0)
        config_limits_warn(raw, clock_date_s(&clock_system), faults);
    if (faults->count > 0) {
        config_release(&checked);
        return false;
    }
    *config = checked;
    return true;
}

/* ---- what --print-config writes ---- */

static void print_value(const struct parameter *parameter, const char *text, FILE *out)
{
    fprintf(out, "%s%s: %s\n", parameter->group == NULL ? "" : "  ", parameter->name, text);
}

static void print_number(const struct parameter *parameter, uint32_t number, FILE *out)
{
    char text[QUANTITY_TEXT_MAX];
    snprintf(text, sizeof text, "%" PRIu32, number);
    bool is_word = parameter->word != NULL && number == PARAMETER_IS_WORD;
    print_value(parameter, is_word ? parameter->word : text, out);
}

static void print(const struct parameter *parameter, const struct config *config, FILE *out)
{
    char text[QUANTITY_TEXT_MAX];
    struct rate rate;
    switch (parameter->kind) {
    case PARAMETER_NUMBER:
        print_number(parameter, kept(parameter, config), out);
        break;
    case PARAMETER_DURATION:
        quantity_print_duration(kept(parameter, config), text);
        print_value(parameter, text, out);
        break;
    case PARAMETER_WORD:
        print_value(parameter, parameter->words[kept(parameter, config)], out);
        break;
    case PARAMETER_RATE:
        rate = kept_rate(parameter, config);
        if (rate.tokens == 0)
            break;
        quantity_print_rate(&rate, text);
        print_value(parameter, text, out);
        break;
    case PARAMETER_OWN:
        parameter->print(config, out);
        break;
    case PARAMETER_GROUP:
        fprintf(out, "%s:\n", parameter->name);
        break;
    }
}

void config_print(const struct config *config, FILE *out)
{
    bool has_group = true;
    for (size_t i = 0; i < config_parameters_count; i++) {
        const struct parameter *parameter = &config_parameters[i];
        if (parameter->kind == PARAMETER_GROUP)
            has_group = parameter->is_there == NULL || parameter->is_there(config);
        if (has_group || (parameter->kind != PARAMETER_GROUP && parameter->group == NULL))
            print(parameter, config, out);
    }
}

/* ---- what waits for the next start ---- */

static bool differs(const struct parameter *parameter, const struct config *now,
                    const struct config *next)
{
    switch (parameter->kind) {
    case PARAMETER_NUMBER:
    case PARAMETER_DURATION:
    case PARAMETER_WORD:
        return kept(parameter, now) != kept(parameter, next);
    case PARAMETER_RATE: {
        const struct rate a = kept_rate(parameter, now), b = kept_rate(parameter, next);
        return a.tokens != b.tokens || a.period_ms != b.period_ms;
    }
    case PARAMETER_OWN:
        return parameter->differs(now, next);
    case PARAMETER_GROUP:
        break;
    }
    return false;
}

const char *parameter_waits_for_start(const struct parameter *parameter, const struct config *now,
                                      const struct config *next)
{
    if (parameter->effect != PARAMETER_AT_START || !differs(parameter, now, next))
        return NULL;
    return parameter->changed != NULL ? parameter->changed : parameter->name;
}
