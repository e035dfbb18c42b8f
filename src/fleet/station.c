#include "fleet/station.h"

#include "base/clock.h"
#include "base/quantity.h"
#include "log/log.h"

#include <stdio.h>
#include <string.h>

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
    size_t room = sizeof station->trouble - strlen(station->seek.place) - 3;
    snprintf(station->trouble, sizeof station->trouble, "%s: %.*s", station->seek.place, (int)room,
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
        log_info("fleet store %s does what it is asked again", station->seek.place);
}

/* ---- from one state to the next ---- */

static void rest(struct station *station, const char *why, uint64_t now_ns)
{
    bool was_up = station->state == STATION_UP;
    if (was_up && now_ns - station->up_ns >= station->settings->reconnect_max_ms * NS_PER_MS)
        backoff_reset(&station->backoff);
    station->due_ns = now_ns + backoff_ms(&station->backoff) * NS_PER_MS;
    station->state = STATION_RESTS;
    station->is_refusing = false;
    note(station, why);
    if (was_up)
        log_warning("fleet store %s is down: %s", station->seek.place, why);
    else if (teller_tells(&station->teller, station->trouble, now_ns))
        log_warning("fleet store %s", station->trouble);
}

static void open_node(struct station *station, uint64_t now_ns)
{
    const struct addresses *found = &station->seek.found;
    station->state = STATION_OPENS;
    node_open(&station->node, (const struct sockaddr *)&found->address[station->address].socket,
              found->address[station->address].len, now_ns);
}

static enum station_event came_up(struct station *station, uint64_t now_ns)
{
    const struct node *node = &station->node;
    station->state = STATION_UP;
    station->up_ns = now_ns;
    station->ups++;
    station->trouble[0] = '\0';
    teller_ends(&station->teller);
    log_info("fleet store %s is up: %s", station->seek.place, node->server);
    if (node->warning[0] != '\0')
        station_trouble(station, node->warning, now_ns);
    station->is_refusing = node->is_refusing;
    return STATION_CAME_UP;
}

/* A name may have several addresses, of which the server serves some. */
static enum station_event lose(struct station *station, uint64_t now_ns)
{
    bool was_up = station->state == STATION_UP;
    if (!station->node.is_open && ++station->address < station->seek.found.count) {
        open_node(station, now_ns);
        return STATION_NOTHING;
    }
    if (!was_up)
        seek_reject(&station->seek);
    rest(station, station->node.why, now_ns);
    return was_up ? STATION_LOST : STATION_NOTHING;
}

/* ---- turns ---- */

int station_fd(const struct station *station, short *events)
{
    *events = 0;
    if (station->state == STATION_SEEKS)
        return seek_fd(&station->seek, events);
    if (station->state < STATION_OPENS)
        return -1;
    *events = link_events(&station->node.link);
    return station->node.link.fd;
}

uint64_t station_due_ns(const struct station *station)
{
    switch (station->state) {
    case STATION_OFF:
        return CLOCK_NEVER;
    case STATION_RESTS:
        return station->due_ns;
    case STATION_SEEKS:
        return seek_due_ns(&station->seek);
    case STATION_OPENS:
    case STATION_UP:
        if (station->node.is_leaving && station->node.link.count == 0)
            return 0;
        return link_due_ns(&station->node.link);
    }
    return CLOCK_NEVER;
}

static void seek_on(struct station *station, short revents, uint64_t now_ns)
{
    switch (seek_turn(&station->seek, revents, now_ns)) {
    case SEEK_BUSY:
        break;
    case SEEK_FOUND:
        station->address = 0;
        open_node(station, now_ns);
        break;
    case SEEK_FAILED:
        rest(station, station->seek.why, now_ns);
        break;
    }
}

void station_turn(struct station *station, short revents, uint64_t now_ns)
{
    if (station->state >= STATION_OPENS)
        link_turn(&station->node.link, revents, now_ns);
    if (station->state == STATION_RESTS && now_ns >= station->due_ns) {
        station->state = STATION_SEEKS;
        seek_begin(&station->seek);
        revents = 0;
    }
    if (station->state == STATION_SEEKS)
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
