/*
 * The schema: every name that a configuration knows, and the raw form it loads to.
 *
 * Names, kinds, required names and the lengths of lists are said here only, and those of the top
 * level in parameters.h only: libcyaml loads by this table, and config_shape_check checks by it.
 * Every scalar is loaded as a string, because libcyaml misreads numbers without an error ("10/s" as
 * 10, "010" as 8); scalar.h reads them strictly.
 *
 * A raw configuration owns what it points to until config_raw_free. Any thread. Never blocks.
 * Errors: faults.
 */
#pragma once

#include "config/faults.h"
#include "config/parameters.h"

#include <cyaml/cyaml.h>
#include <stddef.h>
#include <stdint.h>

/* A loaded scalar is "LINE:COLUMN TEXT", as config_shape_check writes it. NULL: it is not in the
 * file. Empty: it is in the file or required, but a fault is reported.
 *
 * Each mapping has one name more, which no file can have: its place. Its value reads
 * "LINE:COLUMN ,NAME,NAME," and lists the names whose values are missing here, at least in part,
 * although the file has them, or may have them behind a syntax error. */
#define CONFIG_PLACE "its place"

struct raw_bucket {
    char *place, *name, *burst, *rate, *debt_max, *concurrent;
};

/* What a limit and an override have in common. */
struct raw_terms {
    char *place, *burst, *rate, *debt_max, *concurrent;
    struct raw_bucket *buckets;
    uint32_t buckets_count; /* 0 also if the list is not in the file; so for every list */
};

struct raw_override {
    struct raw_terms terms;
    char *key, *action, *until, *reason;
};

struct raw_limit {
    struct raw_terms terms;
    char *name, *was, *match, *shadow, *scope, *on_expiry, *warn;
    struct raw_override *overrides;
    uint32_t overrides_count;
};

struct raw_rule {
    char *place, *tokens;
    char **methods, **paths, **networks;
    uint32_t methods_count, paths_count, networks_count;
};

struct raw_answer {
    char *place; /* NULL: it is not in the file */
    char *status, *type, *body;
    char **headers;
    uint32_t headers_count;
};

struct raw_answers {
    char *place;
    struct raw_answer allow, deny, never, missing;
};

struct raw_check {
    char *place, *name, *limit, *key, *wait, *deny_status, *never_status, *missing,
        *client_ip_header;
    char **trusted_proxies;
    uint32_t trusted_proxies_count;
    struct raw_rule *skip, *cost;
    uint32_t skip_count, cost_count;
    struct raw_answers answers;
};

/* The rest comes from parameters.h. A LIST is a pointer and the number of its entries. */
struct raw_log {
    char *place;
#define MEMBER(group, name, ...) char *name;
    CONFIG_LOG_PARAMETERS(MEMBER, NOTHING)
#undef MEMBER
};

struct raw_events {
    char *place;
#define MEMBER(group, name, ...) char *name;
    CONFIG_EVENTS_PARAMETERS(MEMBER, NOTHING)
#undef MEMBER
};

struct raw_fleet {
    char *place;
#define MEMBER(group, name, ...) char *name;
#define TEXTS(group, name, ...)                                                                    \
    char **name;                                                                                   \
    uint32_t name##_count;
    CONFIG_FLEET_PARAMETERS(MEMBER, TEXTS)
#undef MEMBER
#undef TEXTS
};

struct raw_config {
    char *place;
#define SCALAR(name, ...) char *name;
#define LIST(name, entry_type, ...)                                                                \
    entry_type *name;                                                                              \
    uint32_t name##_count;
#define GROUP(name, ...) struct raw_##name name;
    CONFIG_PARAMETERS(SCALAR, SCALAR, LIST, GROUP)
#undef SCALAR
#undef LIST
#undef GROUP
};

extern const cyaml_schema_value_t config_schema;

/* An override alone, without its key: struct raw_override. */
extern const cyaml_schema_value_t config_override_schema;

/* The most names that any mapping of the schema has. */
#define CONFIG_NAMES_MAX 32

/* Loads what config_shape_check wrote. NULL: *faults says why. */
struct raw_config *config_raw_load(const char *yaml, size_t len, struct faults *faults);

void config_raw_free(struct raw_config *raw); /* NULL is fine */

/* The same of an override alone. */
struct raw_override *config_raw_override_load(const char *yaml, size_t len, struct faults *faults);
void config_raw_override_free(struct raw_override *raw);
