#include "daemon/keeper.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "daemon/beside.h"
#include "daemon/signals.h"
#include "keep/lease_records.h"
#include "log/log.h"

#include <assert.h>
#include <errno.h>
#include <sodium/core.h>
#include <sodium/randombytes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    WAIT_MS = 10000, /* for the other process, whose drain takes 5 s at most, behind its delay */
    LOOK_MS = 20,
    WATCH_MS = 5000, /* between two looks whether the file was removed */
};

static_assert((int)STORE_CLOCK_ID_BYTES == (int)CLOCK_BOOT_ID_BYTES, "both are of one length");
static_assert(LEASES_MAX == CONFIG_LEASES_MAX, "whatever may be configured has room");

/* What is needed to make the brain, and what is known of the file so far. */
struct opening {
    struct keeper *keeper;
    const struct config *config;
    const struct limits_question *limits;
    struct moment moment;
    uint64_t refused; /* files put aside */
    int no_leases;    /* why the state has no room for leases; 0: it has */
};

static struct moment moment_now(void)
{
    struct moment moment = {clock_now_ns(&clock_keys), clock_wall_ns(&clock_keys), {0}};
    clock_keys_id(moment.clock_id);
    return moment;
}

/* Up to 0.1.0 the time in a state was by the clock that does not count what the machine is
 * suspended for, and so none of that is credited until now. */
static void leave_former_clock(struct store *store)
{
    struct moment by_that = {.now_ns = clock_now_ns(&clock_system)};
    const struct moment by_this = moment_now();
    clock_boot_id(by_that.clock_id);
    store_change_clock(store, &by_that, &by_this);
}

/* ---- without a file ---- */

static bool make_seed(uint8_t seed[TABLE_SEED_BYTES])
{
    if (sodium_init() < 0) {
        log_error("cannot get random bytes");
        return false;
    }
    randombytes_buf(seed, TABLE_SEED_BYTES);
    return true;
}

static struct brain *begin_in_memory(const struct opening *opening)
{
    uint8_t seed[TABLE_SEED_BYTES];
    if (!make_seed(seed))
        return NULL;
    const struct config *config = opening->config;
    struct brain *brain = brain_new(opening->limits, config->max_keys, config->max_leases, seed,
                                    opening->moment.now_ns);
    if (brain == NULL)
        log_error("cannot map memory for max_keys and max_leases: %s", strerror(errno));
    return brain;
}

static const char *name_of(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
        return "the state file cannot be written; the log says which";
    case EDQUOT:
    case EFBIG:
    case ENOSPC:
        return "there is no room for the state file; the log says which";
    default:
        return "the state file cannot be used; the log says which";
    }
}

static struct brain *do_without(struct opening *opening, const char *doing, int error)
{
    log_error("cannot %s %s: %s; serving without it: at the end of this process all is forgotten",
              doing, opening->keeper->path, strerror(error));
    state_file_close(&opening->keeper->file);
    struct brain *brain = begin_in_memory(opening);
    if (brain != NULL)
        brain_lose_state(brain, name_of(error));
    return brain;
}

/* ---- with one ---- */

/* What tells a fleet, and how its store is written, from others. */
static uint64_t number_of(const struct config_fleet *fleet)
{
    const struct fleet_settings *settings = &fleet->settings;
    if (!fleet->is_there)
        return 0;
    uint64_t number = bytes_checksum(settings->name, strlen(settings->name));
    for (unsigned i = 0; i < settings->stores_count; i++)
        number = 31 * number + bytes_checksum(settings->stores[i], strlen(settings->stores[i]));
    return number;
}

/* What is in hand of a fleet may be gone on with if there is a fleet still: else nobody has told its store
 * what became of it since. */
static void own_shares(const struct opening *opening)
{
    struct keeper *keeper = opening->keeper;
    keeper->stores[0].shares_fleet = number_of(&opening->config->fleet);
    store_own_shares(&keeper->stores[0], state_file_home(&keeper->file), opening->moment.clock_id,
                     opening->config->fleet.is_there);
}

static struct brain *no_memory(void)
{
    log_error("out of memory");
    return NULL;
}

static struct brain *begin(struct opening *opening)
{
    struct keeper *keeper = opening->keeper;
    const struct config *config = opening->config;
    uint8_t seed[TABLE_SEED_BYTES];
    bool has_shares = config->fleet.is_there;
    size_t bytes = store_bytes(config->max_keys, config->max_leases, has_shares);
    beside_make_private(keeper->path, &keeper->file);
    int error = state_file_clear(&keeper->file, bytes);
    if (error == 0)
        error = state_file_map(&keeper->file, bytes);
    if (error != 0)
        return do_without(opening, "begin the state in", error);
    if (!make_seed(seed))
        return NULL;
    store_begin(&keeper->stores[0], keeper->file.memory, config->max_keys, config->max_leases,
                has_shares, seed);
    own_shares(opening);
    struct brain *brain = brain_new_stored(opening->limits, &keeper->stores[0], &opening->moment);
    if (brain == NULL)
        return no_memory();
    log_info("state %s is new", keeper->path);
    return brain;
}

static struct brain *refuse(struct opening *opening, const char *why)
{
    struct keeper *keeper = opening->keeper;
    char aside[BESIDE_PATH_MAX];
    opening->refused++;
    if (!beside_path(keeper->path, "refused", aside) || rename(keeper->path, aside) != 0)
        return do_without(opening, "put aside the refused state", errno);
    log_error("state %s is refused: %s; it is kept as %s, and a new one is begun", keeper->path,
              why, aside);
    /* A process that waits for its lock then finds that a new file has taken its place. */
    struct state_file refused = keeper->file;
    keeper->file = (struct state_file){.descriptor = -1};
    int error = state_file_open(&keeper->file, keeper->path);
    state_file_close(&refused);
    return error == 0 ? begin(opening) : do_without(opening, "open the state", error);
}

/* ---- another number of keys or leases, or a fleet ---- */

static void tell_moved(const char *path, const struct store *from, const struct store *to)
{
    if (from->max_keys != to->max_keys)
        log_info("state %s: moved from max_keys %u to %u", path, from->max_keys, to->max_keys);
    if (from->max_leases != to->max_leases)
        log_info("state %s: moved from max_leases %u to %u", path, from->max_leases,
                 to->max_leases);
    if (from->shares == NULL && to->shares != NULL)
        log_info("state %s: moved to get room for what is in hand of the fleet", path);
}

/* Whether the file must become another one for what is configured. */
static bool must_move(const struct opening *opening, const struct brain *brain)
{
    const struct store *from = &opening->keeper->stores[0];
    return from->max_keys != opening->config->max_keys ||
           (from->leases != NULL && from->max_leases != brain_leases_room(brain)) ||
           (from->shares == NULL && opening->config->fleet.is_there);
}

static void tell_not_moved(const struct opening *opening, const char *path, int error)
{
    const struct store *from = &opening->keeper->stores[0];
    log_error("cannot make %s: %s; max_keys stays %u, and max_leases %u", path,
              beside_obstacle(error), from->max_keys, from->max_leases);
    if (from->shares == NULL && opening->config->fleet.is_there)
        log_warning("state %s has no room for what is in hand of the fleet, which is lost if this "
                    "process is killed",
                    opening->keeper->path);
}

/* The shares of the file that takes the place are believed from when it does, and those of the one before no
 * more: whoever has that one still, by another name, has it in vain. */
static void move_shares_home(const struct opening *opening, const struct state_file *next)
{
    struct store *stores = opening->keeper->stores;
    const uint8_t *clock_id = opening->moment.clock_id;
    store_put_shares_home(&stores[0], 0, clock_id);
    store_set_shares_file(&stores[1], state_file_home(next));
    store_put_shares_home(&stores[1], stores[1].shares_home, clock_id);
}

/* Moves all into a new file, which takes its place once it is complete. false: no memory. */
static bool move(struct opening *opening, struct brain *brain)
{
    struct keeper *keeper = opening->keeper;
    const struct store *from = &keeper->stores[0];
    uint32_t max_keys = opening->config->max_keys, max_leases = brain_leases_room(brain);
    bool has_shares = from->shares != NULL || opening->config->fleet.is_there;
    struct state_file next = {.descriptor = -1};
    char path[BESIDE_PATH_MAX];
    beside_path(keeper->path, "new", path);
    int error = beside_make(&next, path, store_bytes(max_keys, max_leases, has_shares));
    if (error != 0) {
        tell_not_moved(opening, path, error);
        return true;
    }
    store_begin(&keeper->stores[1], next.memory, max_keys, max_leases, has_shares, from->seed);
    if (!brain_move(brain, &keeper->stores[1])) {
        state_file_close(&next);
        unlink(path);
        return false;
    }
    opening->no_leases = 0;
    move_shares_home(opening, &next);
    tell_moved(keeper->path, from, &keeper->stores[1]);
    if (state_file_failures() > 0)
        error = ENOSPC;
    else if (fsync(next.descriptor) != 0 || rename(path, keeper->path) != 0)
        error = errno;
    state_file_close(&keeper->file); /* only now: till then nobody else could lock the path */
    keeper->file = next;
    if (error == 0)
        return true;
    log_error("cannot put %s in place: %s; serving without it: at the end of this process what "
              "was taken in it is forgotten",
              path, strerror(error));
    unlink(path);
    keeper->is_lost = true;
    brain_lose_state(brain, name_of(error));
    return true;
}

/* Has a brain that was restored be as configured. Returns it, or NULL: no memory. */
static struct brain *adapt(struct opening *opening, struct brain *brain)
{
    const struct config *config = opening->config;
    if (brain_leases_room(brain) > config->max_leases)
        log_warning(
            "state %s: more leases are held than max_leases %u; all stay, and none is granted "
            "before fewer are",
            opening->keeper->path, config->max_leases);
    if (must_move(opening, brain) && !move(opening, brain)) {
        brain_free(brain);
        return no_memory();
    }
    if (opening->no_leases != 0)
        brain_lose_state(brain, name_of(opening->no_leases));
    return brain;
}

static void tell_restored(const char *path, const struct brain *brain)
{
    uint32_t keys = brain_keys(brain), leases = brain_leases(brain);
    char more[64] = "";
    if (leases > 0)
        snprintf(more, sizeof more, ", and %u lease%s", leases, leases == 1 ? "" : "s");
    log_info("state %s: %u key%s restored%s", path, keys, keys == 1 ? "" : "s", more);
}

static struct brain *go_on(struct opening *opening)
{
    struct keeper *keeper = opening->keeper;
    struct brain *brain = NULL;
    struct store *store = &keeper->stores[0];
    const char *why = "";
    own_shares(opening);
    switch (brain_restore(&brain, opening->limits, opening->config->max_leases, store,
                          &opening->moment, &why)) {
    case BRAIN_RESTORED:
        beside_make_private(keeper->path, &keeper->file);
        tell_restored(keeper->path, brain);
        if (store->layout != STORE_LAYOUT)
            log_info("state %s: brought from layout %u to layout %d, which versions of allowd "
                     "before this one refuse",
                     keeper->path, store->layout, STORE_LAYOUT);
        return adapt(opening, brain);
    case BRAIN_DAMAGED:
        return refuse(opening, why);
    case BRAIN_NO_MEMORY:
        break;
    }
    return no_memory();
}

/* ---- room for leases ---- */

/* Maps a file anew that is `bytes` long, and finds the store in it again. */
static int map_again(struct keeper *keeper, size_t bytes)
{
    const char *why;
    state_file_unmap(&keeper->file);
    int error = state_file_map(&keeper->file, bytes);
    if (error != 0)
        return error;
    return store_find(&keeper->stores[0], keeper->file.memory, bytes, &why) == STORE_FOUND ? 0
                                                                                           : EIO;
}

/* Makes the file longer, once what it says of that is on its disk. */
static int grow(const struct keeper *keeper, size_t bytes)
{
    if (fsync(keeper->file.descriptor) != 0)
        return errno;
    if (state_file_failures() > 0)
        return ENOSPC;
    return state_file_grow(&keeper->file, bytes);
}

/* A state that has no room for leases, as that of 0.1.0, gets it behind all others. If the file cannot
 * become longer it stays as it is, and is served from; its leases are in memory. Returns an errno value
 * if the file can no longer be used at all. */
static int make_room_for_leases(struct opening *opening, size_t bytes)
{
    struct keeper *keeper = opening->keeper;
    size_t next_bytes = store_grow(&keeper->stores[0], bytes, opening->config->max_leases);
    if (next_bytes == bytes)
        return 0;
    int error = grow(keeper, next_bytes);
    if (error == 0)
        return map_again(keeper, next_bytes);
    opening->no_leases = error;
    log_error("cannot make %s longer for leases: %s; leases are kept in memory: at the end of this "
              "process they are forgotten; make room, then restart",
              keeper->path, strerror(error));
    return map_again(keeper, bytes);
}

static struct brain *take_up(struct opening *opening)
{
    struct keeper *keeper = opening->keeper;
    const char *why = "";
    size_t bytes;
    int error = state_file_length(&keeper->file, &bytes);
    if (error != 0)
        return do_without(opening, "look at the state", error);
    if (bytes == 0)
        return begin(opening);
    error = state_file_map(&keeper->file, bytes);
    if (error != 0)
        return do_without(opening, "map the state", error);
    switch (store_find(&keeper->stores[0], keeper->file.memory, bytes, &why)) {
    case STORE_FOUND:
        error = make_room_for_leases(opening, bytes);
        if (error != 0)
            return do_without(opening, "map the state", error);
        leave_former_clock(&keeper->stores[0]);
        return go_on(opening);
    case STORE_REFUSED:
        return refuse(opening, why);
    case STORE_BLANK:
        if (!state_file_is_blank(&keeper->file))
            return refuse(opening, "it is no state of allowd's");
        break;
    case STORE_BEGUN:
        break;
    }
    state_file_unmap(&keeper->file);
    return begin(opening);
}

/* ---- opening ---- */

/* The other process may be one with the same configuration that has begun to end. */
static int open_in_turn(struct keeper *keeper, uint32_t drain_delay_ms)
{
    uint32_t most_ms = drain_delay_ms + WAIT_MS;
    int error = state_file_open(&keeper->file, keeper->path);
    if (error == EWOULDBLOCK)
        log_info("waiting for the process that still has the state %s", keeper->path);
    for (uint32_t waited_ms = 0; error == EWOULDBLOCK && waited_ms < most_ms;
         waited_ms += LOOK_MS) {
        if (signals_await_end(LOOK_MS) != 0)
            return EINTR;
        error = state_file_open(&keeper->file, keeper->path);
    }
    return error;
}

/* If neither waiting nor another disk would help: what to do. Else NULL. */
static const char *remedy_of(int error)
{
    switch (error) {
    case EWOULDBLOCK:
        return "another process has it; end that one, or give each a file of its own";
    case ENOENT:
        return "its directory does not exist; make one that belongs to allowd's user alone";
    case EINVAL:
    case EISDIR:
    case ELOOP:
    case ENOTDIR:
    case ENXIO:
        return "that is something else; write the path of a file that is allowd's alone";
    default:
        return NULL;
    }
}

static struct brain *open_brain(struct keeper *keeper, const struct config *config,
                                const struct limits_question *limits)
{
    struct opening opening = {
        .keeper = keeper,
        .config = config,
        .limits = limits,
        .moment = moment_now(),
    };
    *keeper = (struct keeper){
        .path = config->state,
        .file = {.descriptor = -1},
        .next = {.descriptor = -1},
        .there = {.descriptor = -1},
    };
    if (keeper->path[0] == '\0')
        return begin_in_memory(&opening);
    int error = open_in_turn(keeper, config->drain_delay_ms);
    if (signals_ended_by() != 0) {
        log_info("%s: no longer waiting for the state %s", strsignal(signals_ended_by()),
                 keeper->path);
        return NULL;
    }
    const char *remedy = remedy_of(error);
    if (remedy != NULL) {
        log_error("cannot use the state %s: %s", keeper->path, remedy);
        return NULL;
    }
    opening.moment = moment_now();
    struct brain *brain =
        error == 0 ? take_up(&opening) : do_without(&opening, "open the state", error);
    if (brain != NULL)
        brain_count_refused(brain, opening.refused);
    return brain;
}

struct brain *keeper_open(struct keeper *keeper, const struct config *config,
                          const struct limits_question *limits)
{
    struct brain *brain = open_brain(keeper, config, limits);
    if (brain == NULL || brain_keep_events(brain, config->events_keep, randombytes_random()))
        return brain;
    log_error("cannot map memory for events: %s", strerror(errno));
    brain_free(brain);
    return NULL;
}
static_assert(CONFIG_EVENTS_MAX == BRAIN_EVENTS_MAX, "as many as can be configured can be kept");

/* ---- while it serves ---- */

int keeper_timeout_ms(const struct keeper *keeper, uint64_t now_ns)
{
    bool is_kept = keeper->file.descriptor >= 0 && !keeper->is_lost;
    return clock_ms_until(now_ns, is_kept ? keeper->look_due_ns : CLOCK_NEVER);
}

const char *keeper_look(struct keeper *keeper, uint64_t now_ns)
{
    if (keeper->file.descriptor < 0 || keeper->is_lost)
        return NULL;
    keeper->look_due_ns = now_ns + (uint64_t)WATCH_MS * NS_PER_MS;
    if (!state_file_has_left(&keeper->file, keeper->path))
        return NULL;
    keeper->is_lost = true;
    log_error(
        "state %s is no longer there: it, or its directory, was removed or replaced; serving "
        "goes on from memory, and at the end of this process all is forgotten; a reload makes "
        "it anew if nothing else is there",
        keeper->path);
    return "the state file was removed or replaced; the log says which";
}

void keeper_tell_failure(struct keeper *keeper)
{
    eventfd_t count;
    keeper->is_lost = keeper->has_failed = true;
    eventfd_read(state_file_failure(), &count);
    log_error(
        "state %s has failed: its disk is full or failing, or the file was cut short; serving "
        "goes on from memory, and what is taken from now on may be forgotten at the end; make "
        "room, then reload",
        keeper->path);
}

void keeper_close(struct keeper *keeper)
{
    state_file_close(&keeper->file);
}
