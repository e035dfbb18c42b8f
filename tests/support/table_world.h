/*
 * A world for the table: a few keys of every shape, the lines they are on, and what
 * the table should hold of them.
 *
 * Owns nothing; the table is the test's. One thread.
 */
#pragma once

#include "support/dice.h"
#include "table/table.h"

enum {
    WORLD_KEYS = 16,
    WORLD_OWNERS = 2,
    WORLD_LINES = 8,        /* 0 to 3 of the owner 0, of 1 to 4 marks, then those of the owner 1 */
    WORLD_CREDIT = 1000000, /* of every bucket, whose mark is this if it is empty */
    WORLD_LAST_MARK = 1500000, /* of one that owes all it may */
};

struct world_entry {
    bool is_there;
    uint16_t line;
    uint64_t marks[BUCKETS_MAX]; /* sealed */
};

/* What there should be. */
struct world {
    uint32_t keys;
    struct world_entry entry[WORLD_KEYS][WORLD_OWNERS];
};

extern const uint16_t world_owners[WORLD_LINES];
extern const uint8_t world_seed[TABLE_SEED_BYTES];

/* What the table asks about lines and marks. */
extern const struct table_user world_user;

unsigned world_marks(uint16_t line);
uint64_t world_empty_mark(void);
uint64_t world_roll_mark(struct dice *dice);

/* Lengths round every boundary of cells, no two keys of the same bytes. */
size_t world_key(unsigned index, char key[KEY_MAX + 1]);
uint64_t world_hash(const struct table *table, unsigned index, uint16_t owner);

/* As a user finds it: what is in doubt is settled before. */
uint32_t world_find(struct table *table, unsigned index, uint16_t owner);

/* Which key's entry is in a slot; WORLD_KEYS: of none. */
unsigned world_which(const struct table *table, uint32_t slot, uint16_t *owner);

/* A random change: the next world, and the table brought to it. */
enum world_change { WORLD_INSERT, WORLD_SET, WORLD_REPLACE, WORLD_REMOVE };
struct world_step {
    enum world_change change;
    unsigned index;
    uint16_t owner;
    unsigned mark; /* of SET */
};
struct world_step world_roll(struct dice *dice, const struct world *world, uint32_t max_keys,
                             struct world *next);
void world_do(struct table *table, struct world_step step, const struct world *next);

/* Whether the table holds just this; with some buckets of it empty, that many. */
bool world_is(struct table *table, const struct world *world);
bool world_is_but_for(struct table *table, const struct world *world, unsigned emptied);

/* The bytes of the arena that say something: not those of cells never used. */
size_t world_arena_used(const struct table *table);

/* Whether every cell is an entry's or free, and none is both or twice. */
bool world_cells_add_up(const struct table *table);

/* Whether no two entries that are sure have a cell in common, and as many are as
 * the table says, whatever was in the arena. */
bool world_sure_is_whole(const struct table *table);
