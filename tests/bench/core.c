/*
 * core: the brain alone, without HTTP and threads: what a decision takes, and how that compares
 * with the one thing that no brain can do without, a miss of the caches.
 *
 * For each number of keys, chosen uniformly, and each size of batch: keys that have tokens, that
 * are new, and that are denied. A miss is a step of a pointer chase round one cycle through as
 * much memory as the keys take, or a million would, a cache line a step; each can only begin when
 * the one before has ended. All take turns, round by round; what is printed are medians, and
 * those of the ratios within each round.
 *
 * usage: core [KEYS...]
 */
#include "brain/brain.h"
#include "support/ask_brain.h"
#include "support/dice.h"
#include "support/plain_limit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    ROUNDS = 5,
    KEY_LEN = 17,
    MESSAGES = 256,              /* made together, between two looks at the clock */
    DECISIONS = 1024 * MESSAGES, /* of a turn */
    NEWCOMERS_MAX = 65536,       /* keys that there is room for besides those there */
    CHASE_STEPS = 1 << 20,       /* of a turn */
    CHASE_BYTES_MIN = 48000000,  /* what a million keys take */
    STEP_BYTES = 64,
};
/* No bucket refills or runs dry while this runs. */
#define BURST 100000000u

static const unsigned batch_sizes[] = {1, 8, 64};
enum { SIZES = sizeof batch_sizes / sizeof batch_sizes[0] };

enum kind { HIT, NEW, DENIED, KINDS };
static const char *const kind_names[KINDS] = {"hit", "new key", "denied"};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "core: %s\n", what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*u %lu", &pages) != 1)
        fail("cannot read /proc/self/statm");
    fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double figures[ROUNDS])
{
    double sorted[ROUNDS];
    memcpy(sorted, figures, sizeof sorted);
    qsort(sorted, ROUNDS, sizeof sorted[0], compare);
    return sorted[ROUNDS / 2];
}

/* ---- the chase ---- */

struct step {
    struct step *next;
    char rest[STEP_BYTES - sizeof(struct step *)];
};

struct chase {
    struct step *steps;
    size_t bytes;
};

/* One cycle through all lines (Sattolo's shuffle). */
static struct chase chase_new(size_t bytes, struct dice *dice)
{
    size_t count = bytes / STEP_BYTES;
    struct step *steps =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (steps == MAP_FAILED)
        fail("no memory for the chase");
    for (size_t i = 0; i < count; i++)
        steps[i].next = &steps[i];
    for (size_t i = count - 1; i > 0; i--) {
        size_t other = dice_roll(dice, i);
        struct step *next = steps[i].next;
        steps[i].next = steps[other].next;
        steps[other].next = next;
    }
    return (struct chase){steps, bytes};
}

static double chase_step_ns(const struct chase *chase)
{
    const struct step *at = chase->steps;
    uint64_t began = now_ns();
    for (int i = 0; i < CHASE_STEPS; i++)
        at = at->next;
    uint64_t ended = now_ns();
    if (at == NULL) /* never; but so the steps are needed */
        fail("the chase has an end");
    return (double)(ended - began) / CHASE_STEPS;
}

/* ---- the brain ---- */

struct world {
    struct brain *brain;
    uint32_t keys;      /* that are there: numbers 0 to keys - 1 */
    uint32_t newcomers; /* that there is room for besides */
    struct dice dice;
    struct message message[MESSAGES];
    struct message *batch[MESSAGES];
    char key[MESSAGES][KEY_LEN + 1];
};

static void write_key(char key[KEY_LEN + 1], uint32_t number)
{
    for (int at = KEY_LEN - 1; at >= 5; at--, number /= 10)
        key[at] = (char)('0' + number % 10);
}

static void prepare(struct world *world, unsigned at, enum message_kind kind, uint32_t number,
                    uint64_t tokens)
{
    write_key(world->key[at], number);
    world->message[at].kind = kind;
    world->message[at].ask.bucket =
        (struct bucket_question){.key = world->key[at], .key_len = KEY_LEN, .tokens = tokens};
}

static void ask(struct world *world, unsigned count, unsigned batch)
{
    for (unsigned done = 0; done < count; done += batch)
        ask_brain(world->brain, world->batch + done, count - done < batch ? count - done : batch);
}

/* What became of the messages must be what was to be measured. */
static void check(const struct world *world, unsigned count, enum bucket_result result)
{
    for (unsigned i = 0; i < count; i++)
        if (world->message[i].answer.bucket.result != result)
            fail("a decision is not what it should be");
}

/* Asks the same of as many keys that follow each other; nobody looks at the time. */
static void ask_run(struct world *world, enum message_kind kind, uint32_t first, uint32_t count)
{
    for (uint32_t done = 0; done < count;) {
        unsigned n = 0;
        for (; n < MESSAGES && done < count; n++, done++)
            prepare(world, n, kind, first + done, 1);
        ask(world, n, n);
        check(world, n, BUCKET_ALLOWED);
    }
}

static struct world *world_new(uint32_t keys)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "the bench's own";
    struct world *world = calloc(1, sizeof *world);
    struct limits *limits = limits_new(1, 100);
    if (world == NULL || limits == NULL)
        fail("no memory");
    add_plain_limit(limits, LIMIT_DEFAULT_NAME, NULL, BURST, (struct rate){1, MS_PER_S});
    world->keys = keys;
    world->newcomers = keys < MESSAGES ? MESSAGES : keys > NEWCOMERS_MAX ? NEWCOMERS_MAX : keys;
    world->dice = (struct dice){keys};
    world->brain = brain_new(&(struct limits_question){.limits = limits}, keys + world->newcomers,
                             10, seed, 1);
    limits_release(limits);
    if (world->brain == NULL)
        fail("no memory for so many keys");
    for (unsigned i = 0; i < MESSAGES; i++) {
        world->batch[i] = &world->message[i];
        memcpy(world->key[i], "user:", 5);
    }
    ask_run(world, MESSAGE_ALLOW, 0, keys);
    return world;
}

static void world_free(struct world *world)
{
    brain_free(world->brain);
    free(world);
}

/* Time of MESSAGES decisions. */
static uint64_t take_ns(struct world *world, unsigned batch, enum bucket_result result)
{
    uint64_t began = now_ns();
    ask(world, MESSAGES, batch);
    uint64_t took = now_ns() - began;
    check(world, MESSAGES, result);
    return took;
}

static double known_ns(struct world *world, unsigned batch, uint64_t tokens,
                       enum bucket_result result)
{
    uint64_t took = 0;
    for (unsigned done = 0; done < DECISIONS; done += MESSAGES) {
        for (unsigned i = 0; i < MESSAGES; i++)
            prepare(world, i, MESSAGE_ALLOW, (uint32_t)dice_roll(&world->dice, world->keys),
                    tokens);
        took += take_ns(world, batch, result);
    }
    return (double)took / DECISIONS;
}

/* New ones until there is no room; then they go again. */
static double new_ns(struct world *world, unsigned batch)
{
    uint64_t took = 0;
    uint32_t there = 0;
    for (unsigned done = 0; done < DECISIONS; done += MESSAGES) {
        if (there + MESSAGES > world->newcomers) {
            ask_run(world, MESSAGE_RESET, world->keys, there);
            there = 0;
        }
        for (unsigned i = 0; i < MESSAGES; i++)
            prepare(world, i, MESSAGE_ALLOW, world->keys + there++, 1);
        took += take_ns(world, batch, BUCKET_ALLOWED);
    }
    ask_run(world, MESSAGE_RESET, world->keys, there);
    return (double)took / DECISIONS;
}

static double decision_ns(struct world *world, enum kind kind, unsigned batch)
{
    switch (kind) {
    case HIT:
        return known_ns(world, batch, 1, BUCKET_ALLOWED);
    case NEW:
        return new_ns(world, batch);
    case DENIED:
        return known_ns(world, batch, BURST, BUCKET_DENIED);
    case KINDS:
        break;
    }
    fail("no such kind");
}

/* ---- the run ---- */

struct figures {
    double miss_ns[ROUNDS];
    double ns[KINDS][SIZES][ROUNDS], ratio[KINDS][SIZES][ROUNDS];
};

static void measure(struct world *world, const struct chase *chase, struct figures *figures)
{
    for (int round = 0; round < ROUNDS; round++) {
        double miss = figures->miss_ns[round] = chase_step_ns(chase);
        for (enum kind kind = 0; kind < KINDS; kind++)
            for (unsigned size = 0; size < SIZES; size++) {
                double ns = decision_ns(world, kind, batch_sizes[size]);
                figures->ns[kind][size][round] = ns;
                figures->ratio[kind][size][round] = ns / miss;
            }
    }
}

static void show(uint32_t keys, const struct figures *figures)
{
    for (enum kind kind = 0; kind < KINDS; kind++)
        for (unsigned size = 0; size < SIZES; size++)
            printf("%10u  %-8s %5u %12.1f %9.2f\n", keys, kind_names[kind], batch_sizes[size],
                   median(figures->ns[kind][size]), median(figures->ratio[kind][size]));
    fflush(stdout);
}

static void bench(uint32_t keys)
{
    uint64_t before = resident_bytes();
    struct world *world = world_new(keys);
    size_t table_bytes = resident_bytes() - before;
    struct chase chase =
        chase_new(table_bytes > CHASE_BYTES_MIN ? table_bytes : CHASE_BYTES_MIN, &world->dice);
    struct figures figures;
    measure(world, &chase, &figures);
    printf("# %u keys in %.1f MB; a dependent miss in %.1f MB: %.1f ns\n", keys,
           (double)table_bytes / 1e6, (double)chase.bytes / 1e6, median(figures.miss_ns));
    show(keys, &figures);
    munmap(chase.steps, chase.bytes);
    world_free(world);
}

int main(int argc, char **argv)
{
    static const uint32_t usual[] = {1, 1000, 1000000, 10000000};
    printf("#     keys  kind     batch  ns/decision  / miss\n");
    if (argc == 1)
        for (unsigned i = 0; i < sizeof usual / sizeof usual[0]; i++)
            bench(usual[i]);
    for (int i = 1; i < argc; i++) {
        char *end;
        unsigned long keys = strtoul(argv[i], &end, 10);
        if (*end != '\0' || keys < 1 || keys > TABLE_KEYS_MAX / 2)
            fail("KEYS is a number from 1 to 50000000");
        bench((uint32_t)keys);
    }
    return 0;
}
