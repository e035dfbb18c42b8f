#include "config/schema.h"

#include "config/config.h"

#include <assert.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

/* Bytes. A file that holds nothing but empty mappings, "{},", takes some 40 MB, and its faults must
 * be told. No valid file takes a quarter of that. */
#define ALLOCATED_MAX (64u << 20)

#define STRING(name, flags, structure, member)                                                     \
    CYAML_FIELD_STRING_PTR(name, flags, structure, member, 0, CYAML_UNLIMITED)
#define PLACE(structure, member) STRING(CONFIG_PLACE, CYAML_FLAG_OPTIONAL, structure, member)
#define OPTIONAL_STRING(structure, member) STRING(#member, CYAML_FLAG_OPTIONAL, structure, member)
#define REQUIRED_STRING(structure, member) STRING(#member, CYAML_FLAG_DEFAULT, structure, member)

/* The least length of a list is 0. Where an empty list is a fault, config_shape_check reports it,
 * and the rest must still load for the other checks. */
#define LIST(name, structure, member, entry, max)                                                  \
    CYAML_FIELD_SEQUENCE(name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, structure, member, entry, \
                         0, max)

/* Which of the others are required depends on them all: config_buckets_check says. */
static const cyaml_schema_field_t bucket_fields[] = {
    PLACE(struct raw_bucket, place),
    REQUIRED_STRING(struct raw_bucket, name),
    OPTIONAL_STRING(struct raw_bucket, burst),
    OPTIONAL_STRING(struct raw_bucket, rate),
    OPTIONAL_STRING(struct raw_bucket, debt_max),
    OPTIONAL_STRING(struct raw_bucket, concurrent),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t bucket_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_bucket, bucket_fields),
};

/* Likewise. */
#define TERMS(structure)                                                                           \
    STRING("burst", CYAML_FLAG_OPTIONAL, structure, terms.burst),                                  \
        STRING("rate", CYAML_FLAG_OPTIONAL, structure, terms.rate),                                \
        STRING("debt_max", CYAML_FLAG_OPTIONAL, structure, terms.debt_max),                        \
        STRING("concurrent", CYAML_FLAG_OPTIONAL, structure, terms.concurrent),                    \
        LIST("buckets", structure, terms.buckets, &bucket_entry, BUCKETS_MAX)

#define OVERRIDE_FIELDS                                                                            \
    TERMS(struct raw_override), OPTIONAL_STRING(struct raw_override, action),                      \
        OPTIONAL_STRING(struct raw_override, until), OPTIONAL_STRING(struct raw_override, reason)

static const cyaml_schema_field_t override_fields[] = {
    PLACE(struct raw_override, terms.place),
    REQUIRED_STRING(struct raw_override, key),
    OVERRIDE_FIELDS,
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t lone_override_fields[] = {
    PLACE(struct raw_override, terms.place),
    OVERRIDE_FIELDS,
    CYAML_FIELD_END,
};

const cyaml_schema_value_t config_override_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_override, lone_override_fields),
};

static const cyaml_schema_value_t override_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_override, override_fields),
};

static const cyaml_schema_field_t limit_fields[] = {
    PLACE(struct raw_limit, terms.place),
    REQUIRED_STRING(struct raw_limit, name),
    OPTIONAL_STRING(struct raw_limit, was),
    OPTIONAL_STRING(struct raw_limit, match),
    TERMS(struct raw_limit),
    OPTIONAL_STRING(struct raw_limit, shadow),
    OPTIONAL_STRING(struct raw_limit, scope),
    OPTIONAL_STRING(struct raw_limit, on_expiry),
    OPTIONAL_STRING(struct raw_limit, warn),
    LIST("overrides", struct raw_limit, overrides, &override_entry, OVERRIDES_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t limit_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_limit, limit_fields),
};

static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

#define RULE_LISTS                                                                                 \
    LIST("methods", struct raw_rule, methods, &text_entry, CHECK_RULE_LIST_MAX),                   \
        LIST("paths", struct raw_rule, paths, &text_entry, CHECK_RULE_LIST_MAX),                   \
        LIST("networks", struct raw_rule, networks, &text_entry, CHECK_RULE_LIST_MAX)

static const cyaml_schema_field_t skip_fields[] = {
    PLACE(struct raw_rule, place),
    RULE_LISTS,
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t skip_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_rule, skip_fields),
};

static const cyaml_schema_field_t cost_fields[] = {
    PLACE(struct raw_rule, place),
    RULE_LISTS,
    REQUIRED_STRING(struct raw_rule, tokens),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t cost_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_rule, cost_fields),
};

static const cyaml_schema_field_t answer_fields[] = {
    PLACE(struct raw_answer, place),
    OPTIONAL_STRING(struct raw_answer, status),
    OPTIONAL_STRING(struct raw_answer, type),
    LIST("headers", struct raw_answer, headers, &text_entry, CHECK_FIELDS_MAX),
    OPTIONAL_STRING(struct raw_answer, body),
    CYAML_FIELD_END,
};

#define ANSWER(member)                                                                             \
    CYAML_FIELD_MAPPING(#member, CYAML_FLAG_OPTIONAL, struct raw_answers, member, answer_fields)

static const cyaml_schema_field_t answers_fields[] = {
    PLACE(struct raw_answers, place),
    ANSWER(allow),
    ANSWER(deny),
    ANSWER(never),
    ANSWER(missing),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t check_fields[] = {
    PLACE(struct raw_check, place),
    REQUIRED_STRING(struct raw_check, name),
    OPTIONAL_STRING(struct raw_check, limit),
    REQUIRED_STRING(struct raw_check, key),
    OPTIONAL_STRING(struct raw_check, wait),
    OPTIONAL_STRING(struct raw_check, deny_status),
    OPTIONAL_STRING(struct raw_check, never_status),
    OPTIONAL_STRING(struct raw_check, missing),
    OPTIONAL_STRING(struct raw_check, client_ip_header),
    LIST("trusted_proxies", struct raw_check, trusted_proxies, &text_entry, CHECK_TRUSTED_MAX),
    LIST("skip", struct raw_check, skip, &skip_entry, CHECK_RULES_MAX),
    LIST("cost", struct raw_check, cost, &cost_entry, CHECK_RULES_MAX),
    CYAML_FIELD_MAPPING("answers", CYAML_FLAG_OPTIONAL, struct raw_check, answers, answers_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t check_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_check, check_fields),
};

static const cyaml_schema_field_t events_fields[] = {
    PLACE(struct raw_events, place),
#define MEMBER(group, name, ...) OPTIONAL_STRING(struct raw_##group, name),
    CONFIG_EVENTS_PARAMETERS(MEMBER, NOTHING)
#undef MEMBER
        CYAML_FIELD_END,
};

static const cyaml_schema_field_t log_fields[] = {
    PLACE(struct raw_log, place),
#define MEMBER(group, name, ...) OPTIONAL_STRING(struct raw_##group, name),
    CONFIG_LOG_PARAMETERS(MEMBER, NOTHING)
#undef MEMBER
        CYAML_FIELD_END,
};

static const cyaml_schema_field_t fleet_fields[] = {
    PLACE(struct raw_fleet, place),
#define MEMBER(group, name, ...) OPTIONAL_STRING(struct raw_##group, name),
#define TEXTS(group, name, most, ...) LIST(#name, struct raw_##group, name, &text_entry, most),
    CONFIG_FLEET_PARAMETERS(MEMBER, TEXTS)
#undef MEMBER
#undef TEXTS
        CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
    PLACE(struct raw_config, place),
#define SCALAR(name, ...) OPTIONAL_STRING(struct raw_config, name),
#define ENTRIES(name, type, entry, most, ...) LIST(#name, struct raw_config, name, &(entry), most),
#define GROUP(name, ...)                                                                           \
    CYAML_FIELD_MAPPING(#name, CYAML_FLAG_OPTIONAL, struct raw_config, name, name##_fields),
    CONFIG_PARAMETERS(SCALAR, SCALAR, ENTRIES, GROUP)
#undef SCALAR
#undef ENTRIES
#undef GROUP
        CYAML_FIELD_END,
};

#define NAMES(fields) (sizeof(fields) / sizeof(fields)[0] - 2) /* without the place and the end */
static_assert(NAMES(config_fields) <= CONFIG_NAMES_MAX && NAMES(limit_fields) <= CONFIG_NAMES_MAX &&
                  NAMES(override_fields) <= CONFIG_NAMES_MAX &&
                  NAMES(bucket_fields) <= CONFIG_NAMES_MAX &&
                  NAMES(check_fields) <= CONFIG_NAMES_MAX &&
                  NAMES(answer_fields) <= CONFIG_NAMES_MAX &&
                  NAMES(cost_fields) <= CONFIG_NAMES_MAX && NAMES(log_fields) <= CONFIG_NAMES_MAX &&
                  NAMES(fleet_fields) <= CONFIG_NAMES_MAX,
              "no mapping has more names than CONFIG_NAMES_MAX");

const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config, config_fields),
};

/* libcyaml's allocator. `context` counts the bytes held, at most ALLOCATED_MAX. libcyaml makes a
 * list longer by one entry at a time; an eighth more than asked keeps it from moving each time. */
static void *allocate(void *context, void *block, size_t size)
{
    size_t *allocated = context, held = malloc_usable_size(block);
    if (size == 0) {
        *allocated -= held;
        free(block);
        return NULL;
    }
    if (block != NULL && size <= held)
        return block;
    if (block != NULL && size <= ALLOCATED_MAX)
        size += size / 8;
    bool has_room = size <= ALLOCATED_MAX && *allocated - held <= ALLOCATED_MAX - size;
    void *moved = has_room ? realloc(block, size) : NULL;
    if (moved != NULL)
        *allocated += malloc_usable_size(moved) - held;
    return moved;
}

/* libcyaml does not log: the faults tell the same in words for the reader of the file. */
static cyaml_config_t library(size_t *allocated)
{
    return (cyaml_config_t){
        .mem_fn = allocate,
        .mem_ctx = allocated,
        .flags = CYAML_CFG_NO_ALIAS,
    };
}

static void *load(const char *yaml, size_t len, const cyaml_schema_value_t *schema,
                  struct faults *faults)
{
    size_t allocated = 0;
    cyaml_config_t config = library(&allocated);
    cyaml_data_t *raw = NULL;
    cyaml_err_t error = cyaml_load_data((const uint8_t *)yaml, len, &config, schema, &raw, NULL);
    if (error == CYAML_OK)
        return raw;
    faults_add(faults, 0, 0, "cannot be loaded: %s", cyaml_strerror(error));
    return NULL;
}

/* The load has counted the bytes held. Here the count may wrap, and nothing looks at it. */
static void give_back(void *raw, const cyaml_schema_value_t *schema)
{
    size_t allocated = 0;
    cyaml_config_t config = library(&allocated);
    cyaml_free(&config, schema, raw, 0);
}

struct raw_config *config_raw_load(const char *yaml, size_t len, struct faults *faults)
{
    return load(yaml, len, &config_schema, faults);
}

void config_raw_free(struct raw_config *raw)
{
    give_back(raw, &config_schema);
}

struct raw_override *config_raw_override_load(const char *yaml, size_t len, struct faults *faults)
{
    return load(yaml, len, &config_override_schema, faults);
}

void config_raw_override_free(struct raw_override *raw)
{
    give_back(raw, &config_override_schema);
}
