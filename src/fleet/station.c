#include "fleet/station.h"

#include "base/clock.h"
#include "base/quantity.h"
#include "log/log.h"

#include <stdio.h>
#include <string.h>

/* Between two times that sentinels are asked for the master that is up. */
#define WATCH_MIN_MS 1000
#define WATCH_MAX_MS 2000

/* A connection that was up for so long was of use. */
#define LAST_MIN_MS 1000

/* ---- life ---- */

void station_init(struct station *station, enum node_kind kind,
                  const struct fleet_settings *settings, const store_words *stores,
                  unsigned stores_count, uint64_t random)
{
    *station = (struct station){
        .settings = settings,
        .state = STATION_RESTS,
        .backoff = {.min_ms = settings->reconnect_min_ms,
                    .max_ms = settings->reconnect_max_ms,
                    .random = random},
        .watch = {.min_ms = WATCH_MIN_MS, .max_ms = WATCH_MAX_MS, .failures = 1, .random = random},
    };
    seek_init(&station->seek, settings, stores, stores_count);
    node_init(&station->node, kind, settings);
}

void station_release(struct station *station)
{
    seek_release(&station->seek);
    node_close(&station->node);
    station->state = STATION_OFF;
}

/* ---- what is told ---- */

/* Of others' words nothing but printable ASCII is kept. */
static void note(struct station *station, const char *text)
{
    size_t room = sizeof station->trouble - strlen(station->place) - 3;
    snprintf(station->trouble, sizeof station->trouble, "%s: %.*s", station->place, (int)room,
             text);
    for (char *at = station->trouble; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~')
            *at = '?';
    }
}

void station_trouble(struct station *station, const char *text, uint64_t now_ns)
{
    station->is_refusing = true;
    note(station, text);
    if (teller_tells(&station->teller, station->trouble, now_ns))
        log_warning("fleet store %s", station->trouble);
}

/* What is wrong with its settings stays so. */
void station_is_fine(struct station *station)
{
    if (!station->is_refusing)
        return;
    station->is_refusing = false;
    station->trouble[0] = '\0';
    if (!station->node.is_refusing && station->node.warning[0] != '\0')
        note(station, station->node.warning);
    if (teller_ends(&station->teller))
        log_info("fleet store %s does what it is asked again", station->place);
}

/* ---- from one state to the next ---- */

/* Whether a connection that is lost now was of use. */
static bool has_lasted(const struct station *station, uint64_t now_ns)
{
    uint64_t up_ms = (now_ns - station->up_ns) / NS_PER_MS;
    return station->state == STATION_UP && up_ms >= LAST_MIN_MS &&
           up_ms >= backoff_bound_ms(&station->backoff);
}

static void rest(struct station *station, const char *why, uint64_t now_ns)
{
    bool was_up = station->state == STATION_UP;
    if (has_lasted(station, now_ns))
        backoff_reset(&station->backoff);
    station->due_ns = now_ns + backoff_ms(&station->backoff) * NS_PER_MS;
    station->state = STATION_RESTS;
    station->is_refusing = false;
    seek_release(&station->seek);
    note(station, why);
    if (was_up)
        log_warning("fleet store %s is down: %s", station->place, why);
    else if (teller_tells(&station->teller, station->trouble, now_ns))
        log_warning("fleet store %s", station->trouble);
}

static void open_node(struct station *station, uint64_t now_ns)
{
    const struct addresses *found = &station->found;
    station->state = STATION_OPENS;
    node_open(&station->node, (const struct sockaddr *)&found->address[station->address].socket,
              found->address[station->address].len, now_ns);
}

static enum station_event came_up(struct station *station, uint64_t now_ns)
{
    const struct node *node = &station->node;
    station->state = STATION_UP;
    station->up_ns = now_ns;
    station->watch_ns = now_ns + backoff_ms(&station->watch) * NS_PER_MS;
    station->ups++;
    station->trouble[0] = '\0';
    teller_ends(&station->teller);
    log_info("fleet store %s is up: %s", station->place, node->server);
    if (node->warning[0] != '\0')
        station_trouble(station, node->warning, now_ns);
    station->is_refusing = node->is_refusing;
    return STATION_CAME_UP;
}

/* A name may have several addresses, of which the server serves some. */
static enum station_event lose(struct station *station, uint64_t now_ns)
{
    bool was_up = station->state == STATION_UP;
    if (!station->node.is_open && ++station->address < station->found.count) {
        open_node(station, now_ns);
        return STATION_NOTHING;
    }
    if (!was_up)
        seek_reject(&station->seek);
    rest(station, station->node.why, now_ns);
    return was_up ? STATION_LOST : STATION_NOTHING;
}

/* ---- turns ---- */

static bool is_seeking(const struct station *station)
{
    return station->seek.state != SEEK_IDLE;
}

static bool is_watching(const struct station *station)
{
    return station->state == STATION_UP && station->node.kind == NODE_OF_SENTINEL;
}

void station_poll(const struct station *station, struct pollfd polls[STATION_POLLS])
{
    polls[0] = (struct pollfd){.fd = -1};
    polls[1] = (struct pollfd){.fd = -1};
    if (is_seeking(station))
        polls[0].fd = seek_fd(&station->seek, &polls[0].events);
    if (station->state >= STATION_OPENS) {
        polls[1].fd = station->node.link.fd;
        polls[1].events = link_events(&station->node.link);
    }
}

static uint64_t node_due_ns(const struct station *station)
{
    const struct node *node = &station->node;
    if (station->state < STATION_OPENS)
        return CLOCK_NEVER;
    return node->is_leaving && node->link.count == 0 ? 0 : link_due_ns(&node->link);
}

/* When the next search begins. */
static uint64_t search_due_ns(const struct station *station)
{
    if (is_watching(station))
        return station->watch_ns;
    return station->state == STATION_RESTS ? station->due_ns : CLOCK_NEVER;
}

uint64_t station_due_ns(const struct station *station)
{
    uint64_t seek_ns = is_seeking(station) ? seek_due_ns(&station->seek) : search_due_ns(station);
    uint64_t node_ns = node_due_ns(station);
    return seek_ns < node_ns ? seek_ns : node_ns;
}

/* The search that began while a master was up. */
static void end_watch(struct station *station, bool is_found, uint64_t now_ns)
{
    const struct addresses *now = &station->seek.found, *then = &station->found;
    station->watch_ns = now_ns + backoff_ms(&station->watch) * NS_PER_MS;
    if (is_found && (now->address[0].len != then->address[station->address].len ||
                     memcmp(&now->address[0].socket, &then->address[station->address].socket,
                            now->address[0].len) != 0))
        node_leave(&station->node, "the sentinels have named another master");
}

static void end_search(struct station *station, bool is_found, uint64_t now_ns)
{
    memcpy(station->place, station->seek.place, sizeof station->place);
    if (!is_found) {
        rest(station, station->seek.why, now_ns);
        return;
    }
    station->found = station->seek.found;
    station->address = 0;
    open_node(station, now_ns);
}

static void seek_on(struct station *station, short revents, uint64_t now_ns)
{
    enum seek_result result = seek_turn(&station->seek, revents, now_ns);
    if (result == SEEK_BUSY)
        return;
    if (station->state == STATION_SEEKS)
        end_search(station, result == SEEK_FOUND, now_ns);
    else
        end_watch(station, result == SEEK_FOUND, now_ns);
}

void station_turn(struct station *station, const struct pollfd polls[STATION_POLLS],
                  uint64_t now_ns)
{
    short revents = polls[0].revents;
    if (station->state >= STATION_OPENS)
        link_turn(&station->node.link, polls[1].revents, now_ns);
    if (!is_seeking(station) && now_ns >= search_due_ns(station)) {
        if (station->state == STATION_RESTS)
            station->state = STATION_SEEKS;
        seek_begin(&station->seek);
        revents = 0;
    }
    if (is_seeking(station))
        seek_on(station, revents, now_ns);
}

enum station_event station_next(struct station *station, struct link_call *call, redisReply **reply,
                                uint64_t now_ns)
{
    enum station_event event = STATION_NOTHING;
    while (event == STATION_NOTHING && station->state >= STATION_OPENS) {
        switch (node_next(&station->node, call, reply, now_ns)) {
        case NODE_NOTHING:
            return STATION_NOTHING;
        case NODE_IS_UP:
            event = came_up(station, now_ns);
            break;
        case NODE_REPLY:
            return STATION_REPLY;
        case NODE_UNANSWERED:
            return STATION_UNANSWERED;
        case NODE_DOWN:
            event = lose(station, now_ns);
            break;
        }
    }
    return event;
}

void station_fail(struct station *station, const char *why)
{
    node_fail(&station->node, why);
}

void station_leave(struct station *station, const char *why)
{
    node_leave(&station->node, why);
}
