/*
 * Parameters: the one table of what a configuration file may say at its top level, and below events:, log: and fleet:.
 *
 * From its rows come the raw form that a file loads to, and its schema (schema.h); the members of
 * struct config; checks and defaults; what --print-config writes, in this order; and the warning of
 * a reload that a change waits for the next start. So a new parameter is a row here.
 *
 * Owns nothing. Any thread. Blocks if the functions of a row do. Errors: faults, each at its place.
 */
#pragma once

#include "config/faults.h"
#include "fleet/fleet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_LISTEN_MAX 64
#define CONFIG_THREADS_MAX 64
#define CONFIG_LEASES_MAX 1000000
#define CONFIG_EVENTS_MAX 1000000

/* The rows, of four sorts:
 *
 *   VALUE(name, type, member, kind, effect)
 *       one value, which struct config keeps as `type member`
 *   TEXT(name, functions, effect)
 *       one value with functions of its own, and members written out in struct config
 *   LIST(name, type of an entry, schema of an entry, entries at most, functions, effect)
 *   GROUP(name, rows, shown)
 *       names with values of their own, each a MEMBER or TEXTS. They are shown ALWAYS, or IF(function)
 *       says that the file has them
 *
 * The kind of a value says what is allowed and what holds if it is not in the file:
 *
 *   NUMBER(min, max, default)
 *   NUMBER_OR(word, min, max, default)   a number or the word, which is kept as PARAMETER_IS_WORD
 *   DURATION(min_ms, max_ms, default_ms) kept in milliseconds
 *   WORD(words, count, default)          kept as the word's index
 *   FLAG(default)                        the words false and true, so kept as 0 or 1
 *   RATE(counted, max)                   kept as struct rate; of 0 tokens if not in the file
 *
 * OWN(subject) stands for the functions subject_check and subject_print. The effect is AT_RELOAD;
 * or AT_START: a reload warns that a change waits, of a member AT_START_AS(what the warning calls
 * it). A row with functions of its own has AT_START_IF(function that compares, what the warning calls it) for that, or AS_ABOVE if a row
 * before warns of it. */
#define CONFIG_PARAMETERS(VALUE, TEXT, LIST, GROUP)                                                \
    LIST(listen, char *, text_entry, CONFIG_LISTEN_MAX, OWN(config_listen),                        \
         AT_START_IF(config_listen_differs, "listen"))                                             \
    LIST(admin_listen, char *, text_entry, CONFIG_LISTEN_MAX, OWN(config_admin_listen),            \
         AT_START_IF(config_admin_listen_differs, "admin_listen"))                                 \
    LIST(listen_resp, char *, text_entry, CONFIG_LISTEN_MAX, OWN(config_listen_resp),              \
         AT_START_IF(config_listen_resp_differs, "listen_resp"))                                   \
    TEXT(admin_token_file, OWN(config_token_file), AT_RELOAD)                                      \
    TEXT(admin_token_mode, OWN(config_token_mode), AT_RELOAD)                                      \
    LIST(hosts, char *, text_entry, HOSTS_MAX, OWN(config_hosts), AT_RELOAD)                       \
    TEXT(socket_mode, OWN(config_socket_mode),                                                     \
         AT_START_IF(config_sockets_differ, "socket_mode or socket_group"))                        \
    TEXT(socket_group, OWN(config_socket_group), AS_ABOVE)                                         \
    VALUE(idle_timeout, uint32_t, idle_timeout_ms, DURATION(1000, 3600000, 75000), AT_START)       \
    TEXT(header_room, OWN(config_header_room),                                                     \
         AT_START_IF(config_header_room_differs, CONFIG_HEADER_ROOM_AT_START))                     \
    VALUE(max_connections, uint32_t, max_connections, NUMBER(16, 1000000, 4096), AT_START)         \
    VALUE(wait_max, uint32_t, wait_max_ms, DURATION(0, 3600000, 30000), AT_RELOAD)                 \
    TEXT(max_waiting, OWN(config_max_waiting), AT_RELOAD)                                          \
    VALUE(waiting_per_key, uint32_t, waiting_per_key, NUMBER(1, CONFIG_WAITING_PER_KEY_MAX, 100),  \
          AT_RELOAD)                                                                               \
    VALUE(drain_delay, uint32_t, drain_delay_ms, DURATION(0, 3600000, 0), AT_RELOAD)               \
    VALUE(threads, uint32_t, threads, NUMBER_OR("auto", 0, CONFIG_THREADS_MAX, PARAMETER_IS_WORD), \
          AT_RELOAD)                                                                               \
    VALUE(tick, uint32_t, tick_ms, DURATION(1, 10000, 100), AT_RELOAD)                             \
    VALUE(max_keys, uint32_t, max_keys, NUMBER(1, TABLE_KEYS_MAX, 1000000), AT_START)              \
    VALUE(max_leases, uint32_t, max_leases, NUMBER(1, CONFIG_LEASES_MAX, 100000), AT_START)        \
    TEXT(state, OWN(config_state), AT_START_IF(config_state_differs, "state"))                     \
    VALUE(when_full, enum when_full, when_full,                                                    \
          WORD(when_full_names, WHEN_FULL_COUNT, WHEN_FULL_EVICT), AT_RELOAD)                      \
    VALUE(headers, enum headers_dialect, headers,                                                  \
          WORD(headers_dialect_names, HEADERS_DIALECTS, HEADERS_IETF), AT_RELOAD)                  \
    VALUE(retry_after_ms, uint32_t, retry_after_ms, FLAG(false), AT_RELOAD)                        \
    GROUP(events, CONFIG_EVENTS_PARAMETERS, ALWAYS)                                                \
    GROUP(log, CONFIG_LOG_PARAMETERS, ALWAYS)                                                      \
    GROUP(fleet, CONFIG_FLEET_PARAMETERS, IF(config_fleet_is_there))                               \
    LIST(limits, struct raw_limit, limit_entry, LIMITS_MAX, OWN(config_limits), AT_RELOAD)         \
    LIST(checks, struct raw_check, check_entry, CHECKS_MAX, OWN(config_checks), AT_RELOAD)

/* MEMBER(group, name, member of struct config, kind, effect), of which one with functions of its own tells the
 * member that they keep; or TEXTS(group, name, texts at most, functions, effect), a list. */
#define CONFIG_EVENTS_PARAMETERS(MEMBER, TEXTS)                                                    \
    MEMBER(events, keep, events_keep, NUMBER(0, CONFIG_EVENTS_MAX, 10000),                         \
           AT_START_AS("events: {keep}"))

#define CONFIG_LOG_PARAMETERS(MEMBER, TEXTS)                                                       \
    MEMBER(log, level, log.level, WORD(log_level_names, LOG_LEVELS, LOG_LEVEL_INFO), AT_RELOAD)    \
    MEMBER(log, format, log.format, WORD(log_format_names, LOG_FORMATS, LOG_FORMAT_TEXT),          \
           AT_RELOAD)                                                                              \
    MEMBER(log, denials, denials, RATE("lines", SAMPLER_TOKENS_MAX), AT_RELOAD)

/* Those of the fleet thread are settled when it begins: see daemon/sharing.h. */
#define CONFIG_FLEET_PARAMETERS(MEMBER, TEXTS)                                                     \
    MEMBER(fleet, name, fleet, OWN(config_fleet_name),                                             \
           AT_START_IF(config_fleet_differs, CONFIG_FLEET_AT_START))                               \
    TEXTS(fleet, store, FLEET_STORES_MAX, OWN(config_fleet_store), AS_ABOVE)                       \
    MEMBER(fleet, user, fleet, OWN(config_fleet_user), AS_ABOVE)                                   \
    MEMBER(fleet, password_file, fleet, OWN(config_fleet_password_file), AS_ABOVE)                 \
    MEMBER(fleet, password_mode, fleet, OWN(config_fleet_password_mode), AS_ABOVE)                 \
    MEMBER(fleet, op_timeout, fleet.settings.op_timeout_ms, DURATION(1, 10000, 50), AS_ABOVE)      \
    MEMBER(fleet, reconnect_min, fleet.settings.reconnect_min_ms, DURATION(1, 60000, 50),          \
           AS_ABOVE)                                                                               \
    MEMBER(fleet, reconnect_max, fleet, OWN(config_fleet_reconnect_max), AS_ABOVE)                 \
    MEMBER(fleet, ttl, fleet.terms.ttl_ms, DURATION(100, 600000, 2000), AT_RELOAD)                 \
    MEMBER(fleet, renew, fleet, OWN(config_fleet_renew), AT_RELOAD)                                \
    MEMBER(fleet, grace, fleet.terms.grace_ms, DURATION(0, 60000, 500), AT_RELOAD)                 \
    MEMBER(fleet, clock_guard, fleet.terms.clock_guard_ms, DURATION(0, 10000, 20), AT_RELOAD)      \
    MEMBER(fleet, return_after, fleet.terms.return_after_ms, DURATION(10, 600000, 1000),           \
           AT_RELOAD)                                                                              \
    MEMBER(fleet, horizon, fleet.terms.horizon_ms, DURATION(1, 60000, 200), AT_RELOAD)             \
    MEMBER(fleet, min_interval, fleet.terms.min_interval_ms, DURATION(1, 60000, 20), AT_RELOAD)    \
    MEMBER(fleet, outstanding, fleet, OWN(config_fleet_outstanding), AT_RELOAD)                    \
    MEMBER(fleet, cold, fleet.terms.cold,                                                          \
           WORD(fleet_cold_names, FLEET_COLD_COUNT, FLEET_COLD_WAIT), AT_RELOAD)                   \
    MEMBER(fleet, cold_wait, fleet.terms.cold_wait_ms, DURATION(1, 60000, 5), AT_RELOAD)           \
    MEMBER(fleet, on_partition, fleet.terms.on_partition,                                          \
           WORD(fleet_partition_names, FLEET_PARTITION_COUNT, FLEET_PARTITION_DENY), AT_RELOAD)    \
    MEMBER(fleet, sidecars, fleet, OWN(config_fleet_sidecars), AT_RELOAD)                          \
    MEMBER(fleet, on_loss, fleet.terms.on_loss,                                                    \
           WORD(fleet_loss_names, FLEET_LOSS_COUNT, FLEET_LOSS_EMPTY), AT_RELOAD)

struct config;
struct raw_config;

enum parameter_kind {
    PARAMETER_NUMBER, /* uint32_t */
    PARAMETER_DURATION,
    PARAMETER_WORD,
    PARAMETER_RATE, /* struct rate */
    PARAMETER_OWN,
    PARAMETER_GROUP,
};

/* The words of a FLAG. */
extern const char *const parameter_flags[2];

/* The value of a NUMBER_OR that is its word. */
#define PARAMETER_IS_WORD UINT32_MAX

enum parameter_effect {
    PARAMETER_AT_RELOAD,
    PARAMETER_AT_START,
    PARAMETER_AT_START_AS_ABOVE, /* a row before warns of both */
};

struct parameter {
    const char *name;
    const char *group; /* the name of its group, or NULL */
    enum parameter_kind kind;
    enum parameter_effect effect;
    size_t raw;    /* of a value: offset of its text in struct raw_config */
    size_t member; /* of a value: offset of its member in struct config */
    uint32_t min, max, by_default;
    const char *word; /* of NUMBER_OR; else NULL */
    const char *const *words;
    size_t words_count;
    const char *counted; /* of RATE: what the rate counts */
    void (*check)(const struct raw_config *raw, struct faults *faults, struct config *config);
    void (*print)(const struct config *config, FILE *out);
    bool (*is_there)(const struct config *config); /* of GROUP; NULL: always */
    bool (*differs)(const struct config *now, const struct config *next); /* of OWN, or NULL */
    const char *changed; /* what a warning calls it; NULL: its name */
};

extern const struct parameter config_parameters[];
extern const size_t config_parameters_count;

/* Makes a configuration from a raw one, and checks each parameter in the order of the table. false:
 * *faults says why, and there is nothing to release. */
bool config_check(const struct raw_config *raw, struct config *config, struct faults *faults);

/* If the value of a parameter has changed and waits for the next start: what to call the parameter.
 * NULL: the value is the same, or a reload puts it into force. */
const char *parameter_waits_for_start(const struct parameter *parameter, const struct config *now,
                                      const struct config *next);
