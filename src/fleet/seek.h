/*
 * Seeking: the addresses at which a store may be reached now.
 *
 * Of a server or a socket that is what the settings say. Of sentinels, each is asked in turn for the address of the
 * master until one knows it; the next search begins with the one that knew it last. So a failover is followed
 * by searching again.
 *
 * Owns its resolver, and its link to a sentinel. One thread. Never blocks. Errors: SEEK_FAILED, with the reason in
 * `why`.
 */
#pragma once

#include "fleet/link.h"
#include "fleet/resolver.h"
#include "fleet/stores.h"

#define SEEK_WHY_MAX 256
#define SEEK_PLACE_MAX 120

enum seek_state { SEEK_IDLE, SEEK_RESOLVES, SEEK_CONNECTS, SEEK_ASKS, SEEK_RESOLVES_MASTER };
enum seek_result { SEEK_BUSY, SEEK_FOUND, SEEK_FAILED };

typedef char store_words[FLEET_STORE_MAX + 1];

struct seek {
    const struct fleet_settings *settings; /* for the user and the password */
    const store_words *stores;
    unsigned stores_count;
    enum seek_state state;
    unsigned store;    /* the one that is tried */
    unsigned tried;    /* so many in this search */
    unsigned address;  /* of a sentinel: the one of its addresses that is tried */
    bool is_logged_in; /* with the sentinel, or that was not tried yet */
    struct store at;
    struct resolver resolver;
    struct addresses sentinel; /* of the one that is asked */
    struct link link;
    /* what was found */
    struct addresses found;
    char place[SEEK_PLACE_MAX]; /* as it is told: "redis://db:6379", or with a master behind it */
    char why[SEEK_WHY_MAX];
};

/* stores: the words for them, of one kind; they are borrowed, as the settings are. */
void seek_init(struct seek *seek, const struct fleet_settings *settings, const store_words *stores,
               unsigned stores_count);
void seek_release(struct seek *seek);

/* Begins a search; what was under way is left. */
void seek_begin(struct seek *seek);

/* What was found was of no use: the next search begins with another store, if there are several. */
void seek_reject(struct seek *seek);

/* What it waits for: a descriptor and events to poll; -1: for no descriptor. And when a turn is due all the same. */
int seek_fd(const struct seek *seek, short *events);
uint64_t seek_due_ns(const struct seek *seek);

/* Goes on with the search. After SEEK_FOUND or SEEK_FAILED it is over. */
enum seek_result seek_turn(struct seek *seek, short revents, uint64_t now_ns);
