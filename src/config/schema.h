/*
 * The schema: every name that a configuration knows, and the raw form it loads to.
 *
 * Names, kinds, what is required and how long a list may be are here, those of the
 * top level in parameters.h, and nowhere else: libcyaml loads by this table and
 * config_shape checks by it.
 * Every scalar is a string, for libcyaml misreads numbers in silence ("10/s"
 * as 10, "010" as 8); scalar.h reads them strictly.
 *
 * A raw configuration owns what it points to until config_raw_free. Any
 * thread. Never blocks.
 */
#pragma once

#include "config/faults.h"
#include "config/parameters.h"

#include <cyaml/cyaml.h>
#include <stddef.h>
#include <stdint.h>

/* A scalar that was loaded is "LINE:COLUMN TEXT", as config_shape has put it.
 * NULL: not in the file. Empty: in it or required, but a fault is reported.
 *
 * Each mapping has a name that no file can give it, with its place: it reads
 * "LINE:COLUMN ,NAME,NAME,", with the names of what the file has in the mapping,
 * or may have beyond a syntax error, and that is missing here at least in part. */
#define CONFIG_PLACE "its place"

struct raw_bucket {
    char *place, *name, *burst, *rate;
};

/* What a limit and an override have in common. */
struct raw_terms {
    char *place, *burst, *rate;
    struct raw_bucket *buckets;
    uint32_t buckets_count; /* of each list: 0 also when it is not in the file */
};

struct raw_override {
    struct raw_terms terms;
    char *key, *action, *until;
};

struct raw_limit {
    struct raw_terms terms;
    char *name, *match, *shadow;
    struct raw_override *overrides;
    uint32_t overrides_count;
};

struct raw_check {
    char *place, *name, *limit, *key, *deny_status, *missing;
    char **trusted_proxies;
    uint32_t trusted_proxies_count;
};

/* The rest is as parameters.h has it: a LIST is a pointer and the count of its entries. */
struct raw_log {
    char *place;
#define MEMBER(group, name, ...) char *name;
    CONFIG_LOG_PARAMETERS(MEMBER)
#undef MEMBER
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

/* The most names that any mapping of the schema has. */
#define CONFIG_NAMES_MAX 32

/* Loads what config_shape wrote; NULL: *faults says why not. */
struct raw_config *config_raw_load(const char *yaml, size_t len, struct faults *faults);

void config_raw_free(struct raw_config *raw); /* NULL is fine */
