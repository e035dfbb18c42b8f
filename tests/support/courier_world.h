/*
 * A world of one courier (fleet/courier.h) and the stores that it speaks to, in virtual time.
 *
 * The stores are played by the test (played_store.h). Each has a port of 127.0.0.1, but no socket of TCP is opened: the
 * linker has connect(2) go to a Unix socket for that port instead, on which all that was sent is there
 * at once. So nothing in it waits, and no run is unlike another.
 *
 * A test of it is linked with $(courier_ldflags).
 */
#pragma once

#include "actor/inbox.h"
#include "base/quantity.h"
#include "fleet/courier.h"

#include "support/played_store.h"

#define OP_TIMEOUT_MS 50
#define WORLD_LETTERS 1000
#define WORLD_STORES 5
#define WORLD_PORT 7000 /* of the first store; the others have the next ones */
#define WORLD_START_NS (1000 * NS_PER_S)

struct world {
    struct courier courier;
    struct inbox home;
    struct played store, others[WORLD_STORES - 1];
    unsigned others_count;
    struct fleet_settings
        settings; /* of one store, redis://127.0.0.1:7000; change it before world_start */
    uint64_t now_ns;
    struct orders *letters; /* WORLD_LETTERS */
    char (*keys)[ORDERS_MAX][16];
    unsigned came_home;
    bool is_running;
};

/* For cmocka. */
int world_set_up(void **state);
int world_tear_down(void **state);

/* Adds stores, which listen at the next ports. */
void world_add_stores(struct world *world, unsigned count);

/* Has a store listen once more. */
void world_listen(struct played *store, unsigned port);

/* Has the courier begin; or begin, and go on until nothing happens any more. */
void world_begin(struct world *world);
void world_start(struct world *world);

/* Goes on until nothing happens any more, and no time passes. */
void settle(struct world *world);

/* So much time passes, with all that falls due in it. */
void pass_ms(struct world *world, uint64_t ms);

/* Posts a letter of one order or several; the key of order i of letter n is "k" and 16 n + i. */
void post(struct world *world, unsigned number);
void post_many(struct world *world, unsigned number, uint32_t count);

bool is_home(const struct world *world, unsigned number);

/* The result of the first order of a letter that is home. */
enum order_result result(const struct world *world, unsigned number);

/* The letter is answered, each order as DONE, and by no other's answer. */
void assert_done(const struct world *world, unsigned number);

void assert_up(struct world *world);
void assert_trouble(struct world *world, const char *want);

/* It is up, now or after the waits between two tries, and answers this letter. */
void assert_recovers(struct world *world, unsigned number);
