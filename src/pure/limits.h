/*
 * Limits: the named rules that say how much a key may take, and which rule a key falls under.
 *
 * A set of limits is built once, then never changes; a reload builds another.
 * It is shared by reference count, so that an answer may point into the set
 * it was decided by even after a reload.
 *
 * Owns its limits and their strings. Threads: limits_add before the set is
 * shared; all else from any thread. Never blocks. Errors: as each function says.
 */
#pragma once

#include "pure/quantity.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMITS_MAX 1000
#define LIMIT_NAME_MAX 64   /* bytes; printable ASCII, no space at either end */
#define LIMIT_MATCH_MAX 255 /* bytes */
#define LIMIT_DEFAULT_NAME "default"

/* The policy of a limit as RateLimit-Policy wants it: "NAME";q=BURST;w=WINDOW. */
#define LIMIT_POLICY_MAX (2 * LIMIT_NAME_MAX + 64)

struct limit {
    char name[LIMIT_NAME_MAX + 1];
    char match[LIMIT_MATCH_MAX + 1]; /* a glob; empty: only asked for by name, or the default */
    uint64_t burst;                  /* tokens */
    struct rate rate;
    char quoted_name[2 * LIMIT_NAME_MAX + 3]; /* in quotes, '"' and '\' escaped: JSON and RFC 9651 alike */
    char policy[LIMIT_POLICY_MAX];
};

struct limits {
    atomic_uint references;
    uint64_t tick_ms;
    uint32_t count;
    uint32_t fallback; /* index of the limit named "default" */
    struct limit limit[];
};

/* A set with room for `capacity` limits, holding none, with one reference; NULL: no memory. */
struct limits *limits_new(uint32_t capacity, uint64_t tick_ms);

/* Appends a limit. name and match are copied and must fit; match may be NULL.
 * burst and rate must have passed credit_line_init. */
void limits_add(struct limits *limits, const char *name, const char *match, uint64_t burst,
                struct rate rate);

struct limits *limits_retain(struct limits *limits);
void limits_release(struct limits *limits); /* NULL is fine; the last one frees */

/* Whether a name is 1 to LIMIT_NAME_MAX printable ASCII characters with no space at either end. */
bool limit_name_is_valid(const char *name, size_t len);

/* The index of the limit of that name, or -1. */
int limits_find(const struct limits *limits, const char *name, size_t len);

/* The index of the first limit whose glob matches the NUL-terminated key, else of the default. */
uint32_t limits_match(const struct limits *limits, const char *key);

/* Seconds in which `burst` tokens refill, rounded up, at least 1: the w of RateLimit-Policy. */
uint64_t limit_window_s(uint64_t burst, struct rate rate);
