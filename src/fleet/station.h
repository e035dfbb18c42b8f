/*
 * Stations: a server that is kept connected: searched for, connected to, and when it is lost, again.
 *
 * While a master is up that sentinels have named, they are asked again and again whether it still is: the old master of
 * a planned failover goes on granting for ten seconds, and what it grants then is forgotten.
 *
 * After each failure it waits with jitter before it searches and connects again. A connection that lasts for a second, and
 * longer than the last wait could have been, makes the next one short; so one which ends at once each time is
 * not tried without a pause. What is met on the way is told in the log, each once.
 *
 * Owns its search and its node. One thread. Never blocks. Errors: STATION_LOST, and the reason in `trouble`.
 */
#pragma once

#include "fleet/backoff.h"
#include "fleet/node.h"
#include "fleet/seek.h"
#include "fleet/teller.h"

#include <poll.h>

#define STATION_TROUBLE_MAX 256

enum station_state { STATION_OFF, STATION_RESTS, STATION_SEEKS, STATION_OPENS, STATION_UP };

struct station {
    const struct fleet_settings *settings;
    enum station_state state;
    uint64_t due_ns;  /* of RESTS: when the next search begins */
    uint64_t up_ns;   /* since when it is up */
    uint64_t ups;     /* how often it was */
    unsigned address; /* of those found, the one that is tried */
    struct addresses found;
    char place[SEEK_PLACE_MAX]; /* as it is told */
    uint64_t watch_ns;          /* when the sentinels are asked again */
    struct backoff watch;       /* and how long until the next time */
    struct seek seek;
    struct node node;
    struct backoff backoff;
    struct teller teller;
    bool is_refusing;                  /* `trouble` is what it refused of the last call */
    char trouble[STATION_TROUBLE_MAX]; /* or empty */
};

enum station_event {
    STATION_NOTHING,
    STATION_CAME_UP,
    STATION_REPLY,      /* the caller's, for freeReplyObject */
    STATION_UNANSWERED, /* this call, because the connection is lost: each of them, and then */
    STATION_LOST,       /* it was up */
};

/* stores: see seek_init. random: any number, another one for each sidecar. */
void station_init(struct station *station, enum node_kind kind,
                  const struct fleet_settings *settings, const store_words *stores,
                  unsigned stores_count, uint64_t random);
void station_release(struct station *station);

/* Fills in what it waits for. The same polls go to the next station_turn. */
#define STATION_POLLS 2
void station_poll(const struct station *station, struct pollfd polls[STATION_POLLS]);
uint64_t station_due_ns(const struct station *station);

void station_turn(struct station *station, const struct pollfd polls[STATION_POLLS],
                  uint64_t now_ns);
enum station_event station_next(struct station *station, struct link_call *call, redisReply **reply,
                                uint64_t now_ns);

/* A call was answered by an error or was not answered in time; or it was answered. */
void station_trouble(struct station *station, const char *text, uint64_t now_ns);
void station_is_fine(struct station *station);

/* Ends this connection: at once, or once all is answered that it was asked. */
void station_fail(struct station *station, const char *why);
void station_leave(struct station *station, const char *why);
