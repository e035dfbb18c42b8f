/*
 * Posts: the stations of a store, and which of them has which records.
 *
 * Without a cluster there is one. In a cluster the first is asked for the slots only, and each other one is a master
 * that has some, or gets one just now. The slots are asked for again whenever a station comes or goes, or says that it has
 * not what it was asked for, and until each shard's master is up: a replica may take the place of one that is not. Masters
 * that have no slots any more are left.
 *
 * Owns its stations. One thread. Never blocks. Errors: posts_init.
 */
#pragma once

#include "fleet/cluster.h"
#include "fleet/station.h"

#define POSTS_MAX (1 + CLUSTER_NODES_MAX)
#define POSTS_POLLS_MAX (STATION_POLLS * POSTS_MAX)

/* A station, and the words for it if they are not the settings'. */
struct post {
    struct station station;
    store_words words;
    bool is_asked; /* since the last map, an ASK has named it, which may have no slots yet */
};

struct posts {
    const struct fleet_settings *settings;
    uint64_t random;
    bool is_cluster;
    unsigned count;
    struct post *post[POSTS_MAX];
    uint8_t of_shard[CLUSTER_SHARDS]; /* of a cluster: its post; 0: nobody */
    bool is_stale;                    /* that is to be asked for again */
    uint64_t slots_due_ns;            /* and not before */
    bool has_new_map;                 /* some posts may be of no use any more */
};

/* The settings are borrowed. false: there is no memory. */
bool posts_init(struct posts *posts, const struct fleet_settings *settings, uint64_t random);
void posts_release(struct posts *posts);

/* The station that has the records of a shard, or the one of these words; NULL: nobody is known to, or there is none. */
struct station *posts_of(const struct posts *posts, uint8_t shard);
struct station *posts_at(const struct posts *posts, const char *words);

/* The station that an ASK names by these words. If there is none yet, it is made, and connects. NULL: there is no room. */
struct station *posts_meet(struct posts *posts, const char *words);

/* Whether a station may be asked: it is up, and owes no answer that is overdue. */
bool posts_is_ready(const struct posts *posts, const struct station *station, uint64_t now_ns);

/* Whether all records can be reached; and else, whether that is being worked at. */
bool posts_are_up(const struct posts *posts);
bool posts_are_connecting(const struct posts *posts);

/* As of a station, for all of them. */
unsigned posts_poll(const struct posts *posts, struct pollfd polls[POSTS_POLLS_MAX]);
uint64_t posts_due_ns(const struct posts *posts);

/* The map of slots is to be asked for again, if there is one. */
void posts_are_stale(struct posts *posts);

/* A station's answer to NODE_SLOTS. */
void posts_take_slots(struct posts *posts, struct station *station, const redisReply *reply);

/* Leaves masters that have no slots, and asks for the slots if they are to be. Nobody may hold a station then. */
void posts_turn(struct posts *posts, uint64_t now_ns);
