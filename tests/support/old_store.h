/*
 * Stores of earlier layouts, made of one of the present layout or read from a listing.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

/* Makes a store what it would be in layout 1, that of allowd 0.1.0, which ends where the table does:
 * without a directory, without room for leases, and without the time lived. */
void old_store_first_layout(unsigned char *memory);

/* A key of a listing, and what a process of the version that left the file found there. */
struct old_key {
    unsigned line, marks;
    unsigned long long mark[4], tokens[4];
    char key[256];
};

struct old_store {
    unsigned char *memory;
    size_t bytes;
    struct old_key keys[64];
    unsigned count;
};

/* So much more is mapped behind a state, all zeros. */
#define OLD_STORE_MORE ((size_t)1 << 20)

/* Maps the state that a file of the source tree lists, or a text, which is changed: its length, then
 * lines with an offset and the bytes that are there, then a line "left LINE MARK:TOKENS... KEY" for
 * each key. */
void old_store_map(struct old_store *old, const char *name);
void old_store_map_text(struct old_store *old, char *text);

/* Lists the bytes of a state, and a key of it. */
void old_store_list(FILE *out, const unsigned char *memory, size_t bytes);
void old_store_list_key(FILE *out, const struct old_key *key);
void old_store_unmap(struct old_store *old);
