#include "daemon/begin_fleet.h"

#include "base/clock.h"
#include "base/quantity.h"
#include "config/config.h"
#include "fleet/fleet.h"
#include "log/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SHARDS = 256, PATIENCE_S = 5, LETTERS = SHARDS / ORDERS_MAX, KEY_ROOM = 16 };
static_assert(SHARDS % ORDERS_MAX == 0, "all letters are full");

/* What is asked of the store: one key of each shard. */
struct beginning {
    struct inbox home;
    struct fleet *fleet;
    struct orders *letters; /* LETTERS */
    char key[SHARDS][KEY_ROOM];
    bool is_answered[SHARDS];
    unsigned begun, known; /* shards */
};

/* No limit has this name, so nobody's buckets are asked about. */
static const char limit_name[] = "-begin";

static void find_keys(struct beginning *beginning)
{
    unsigned found = 0;
    for (unsigned number = 0; found < SHARDS; number++) {
        char key[KEY_ROOM];
        size_t len = (size_t)snprintf(key, sizeof key, "%u", number);
        char *place = beginning->key[fleet_shard(limit_name, strlen(limit_name), key, len)];
        if (place[0] != '\0')
            continue;
        memcpy(place, key, len + 1);
        found++;
    }
}

/* It wants nothing, so a shard that is known is left as it is. */
static struct order order_for(const char *key)
{
    return (struct order){
        .limit_name = limit_name,
        .limit_len = sizeof limit_name - 1,
        .key = key,
        .key_len = (uint16_t)strlen(key),
        .flags = ORDER_ON_LOSS_FULL,
        .buckets = 1,
        .session = 1,
        .seq = 1,
        .terms = {{.burst_tokens = 1, .token_units = 1, .step_units = 1, .outstanding_tokens = 1}},
    };
}

static void post(struct beginning *beginning, unsigned number)
{
    struct orders *letter = &beginning->letters[number];
    letter->message.kind = MESSAGE_ORDERS;
    letter->message.letter.home = &beginning->home;
    letter->sent_ns = clock_now_ns(&clock_keys);
    letter->ttl_ms = letter->grace_ms = letter->clock_guard_ms = 1;
    letter->count = ORDERS_MAX;
    for (unsigned i = 0; i < ORDERS_MAX; i++)
        letter->order[i] = order_for(beginning->key[number * ORDERS_MAX + i]);
    inbox_post_one(fleet_inbox(beginning->fleet), &letter->message.letter);
}

/* Counts the first answer for each shard of a letter: asked again, the store knows what was begun. false: it has
 * not answered for all of them yet. */
static bool count_answers(struct beginning *beginning, unsigned number)
{
    const struct order *orders = beginning->letters[number].order;
    bool *is_answered = beginning->is_answered + (size_t)number * ORDERS_MAX, are_all = true;
    for (unsigned i = 0; i < ORDERS_MAX; i++) {
        if (!is_answered[i] && orders[i].result < ORDER_REFUSED) {
            is_answered[i] = true;
            if (orders[i].result == ORDER_AGAIN)
                beginning->begun++;
            else
                beginning->known++;
        }
        are_all &= is_answered[i];
    }
    return are_all;
}

/* Asks by one letter until it is answered. false: not in time. */
static bool ask(struct beginning *beginning, unsigned number, uint64_t deadline_ns)
{
    while (clock_now_ns(&clock_system) < deadline_ns) {
        post(beginning, number);
        inbox_take(&beginning->home, CLOCK_NEVER);
        if (count_answers(beginning, number))
            return true;
        inbox_take(&beginning->home, clock_now_ns(&clock_system) + 50 * (uint64_t)NS_PER_MS);
    }
    return false;
}

static bool ask_all(struct beginning *beginning)
{
    uint64_t deadline_ns = clock_now_ns(&clock_system) + PATIENCE_S * (uint64_t)NS_PER_S;
    for (unsigned number = 0; number < LETTERS; number++)
        if (!ask(beginning, number, deadline_ns))
            return false;
    return true;
}

static enum exit_status tell(const struct beginning *beginning, const char *name, bool is_done,
                             FILE *out)
{
    struct fleet_seen seen;
    fleet_look(beginning->fleet, &seen);
    if (!is_done) {
        log_error(
            "fleet %s: the store has not answered%s%s; nothing is lost: start this again when it does",
            name, seen.trouble[0] == '\0' ? "" : ": ", seen.trouble);
        return EXIT_STATUS_FAILURE;
    }
    if (beginning->begun == 0)
        fprintf(out, "The store knows fleet %s already. Nothing was changed.\n", name);
    else
        fprintf(out, "Fleet %s has begun in %s: all its buckets are full.\n", name,
                beginning->known == 0 ? "the store" : "what the store did not know of it");
    return fflush(out) == 0 ? EXIT_STATUS_OK : EXIT_STATUS_FAILURE;
}

static enum exit_status begin(struct beginning *beginning, const struct fleet_settings *settings,
                              FILE *out)
{
    int error = fleet_start(&beginning->fleet, settings);
    if (error != 0) {
        log_error("cannot start the fleet thread: %s", strerror(error));
        return EXIT_STATUS_FAILURE;
    }
    find_keys(beginning);
    enum exit_status status = tell(beginning, settings->name, ask_all(beginning), out);
    fleet_stop(beginning->fleet);
    return status;
}

enum exit_status begin_fleet(const struct config *config, FILE *out)
{
    enum exit_status status = EXIT_STATUS_FAILURE;
    if (!config->fleet.is_there) {
        log_error("--begin-fleet: the configuration has no fleet; say with -c which file has it");
        return EXIT_STATUS_USAGE;
    }
    struct beginning *beginning = calloc(1, sizeof *beginning);
    struct orders *letters = calloc(LETTERS, sizeof *letters);
    int error = beginning == NULL || letters == NULL ? ENOMEM : inbox_init(&beginning->home, false);
    if (error == 0) {
        beginning->letters = letters;
        status = begin(beginning, &config->fleet.settings, out);
        inbox_release(&beginning->home);
    } else {
        log_error("cannot begin the fleet: %s", strerror(error));
    }
    free(letters);
    free(beginning);
    return status;
}
