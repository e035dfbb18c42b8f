/*
 * Calls: an order as the script reads it, and the script's answer as an order has it.
 *
 * Both are packed, little-endian, of fixed layout; script.lua has the same layout, and says what each field
 * does. Numbers are below 2^52, because the script's are doubles.
 *
 * Owns nothing. Any thread. Never blocks. Errors: call_read, of an answer that is none.
 */
#pragma once

#include "brain/order.h"

#include <stdbool.h>
#include <stddef.h>

#define CALL_BYTES_MAX 320
#define CALL_ANSWER_BYTES_MAX 128

/* As the letter of an order has them. */
struct call_terms {
    uint32_t ttl_ms, grace_ms;
    uint32_t
        clock_guard_ms; /* by so much the store's clock may run ahead of ours between two answers */
};

/* Packs an order that is sent now (now_ns: the clock by which the order tells store_at_ns). Returns its bytes. */
size_t call_write(const struct order *order, const struct call_terms *terms, uint64_t now_ns,
                  unsigned char call[CALL_BYTES_MAX]);

/* Reads an answer into the order. false: it is none, and nothing is changed. */
bool call_read(struct order *order, const unsigned char *answer, size_t len);
