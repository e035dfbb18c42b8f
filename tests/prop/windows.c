/*
 * windows: how much a limit lets through, for tests/windows.py to hold against what manuals say.
 *
 * A client asks for one token whenever it could be let through, from a full bucket on: always, or
 * at times that dice choose. Told are the most that pass in any window, both ends counted; and of
 * the client that always asks, how long it waits at least and at most once the bucket is empty.
 *
 * usage: windows CONFIG LIMIT KEY WINDOW_MS
 */
#include "brain/brain.h"
#include "config/config.h"
#include "support/ask_brain.h"
#include "support/dice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 6, PASSED_MAX = 1 << 22 };

static uint64_t passed_ns[PASSED_MAX];
static size_t passed;

struct asker {
    struct brain *brain;
    const char *key, *limit;
};

static bool passes(const struct asker *asker)
{
    struct message message = {
        .kind = MESSAGE_ALLOW,
        .ask.bucket = {.key = asker->key,
                       .key_len = strlen(asker->key),
                       .limit_name = asker->limit,
                       .limit_name_len = strlen(asker->limit),
                       .tokens = 1},
    };
    struct message *messages[] = {&message};
    ask_brain(asker->brain, messages, 1);
    if (message.answer.bucket.result == BUCKET_NO_SUCH_LIMIT)
        exit(2);
    return message.answer.bucket.result == BUCKET_ALLOWED;
}

static void ask_until_denied(const struct asker *asker, uint64_t now_ns)
{
    while (passed < PASSED_MAX && passes(asker))
        passed_ns[passed++] = now_ns;
}

static size_t most_in(uint64_t window_ns)
{
    size_t most = 0;
    for (size_t first = 0, last = 0; last < passed; last++) {
        while (passed_ns[last] - passed_ns[first] > window_ns)
            first++;
        if (last - first + 1 > most)
            most = last - first + 1;
    }
    return most;
}

static void print_waits(void)
{
    uint64_t least = UINT64_MAX, most = 0;
    size_t i = 1;
    while (i < passed && passed_ns[i] == passed_ns[0])
        i++;
    for (; i < passed; i++) {
        uint64_t wait = passed_ns[i] - passed_ns[i - 1];
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    printf("waits %" PRIu64 " %" PRIu64 "\n", least / NS_PER_MS, most / NS_PER_MS);
}

/* Asks for two windows and a bit, once a tick and just before it; a client that dice drive leaves
 * out whole stretches, so that its bucket fills meanwhile. */
static size_t round_of(const struct config *config, const char *limit, const char *key,
                       uint64_t window_ns, uint64_t number)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "any";
    struct limits_question question = {.limits = config->limits, .date_s = 1};
    struct asker asker = {brain_new(&question, 10, 10, seed, 1), key, limit};
    struct dice dice = dice_new(number);
    uint64_t tick_ns = config->tick_ms * NS_PER_MS, pause = 0;
    if (asker.brain == NULL)
        exit(1);
    passed = 0;
    for (uint64_t tick = 1; tick <= 2 * window_ns / tick_ns + 10; tick++) {
        uint64_t just_before_ns = 1 + tick * tick_ns - 1;
        if (number > 0 && pause == 0 && dice_once_in(&dice, 500))
            pause = dice_roll(&dice, window_ns / tick_ns / 2 + 1);
        pause -= pause > 0;
        for (uint64_t now_ns = just_before_ns; now_ns <= just_before_ns + 1; now_ns++) {
            brain_tick(asker.brain, now_ns);
            if (pause == 0)
                ask_until_denied(&asker, now_ns);
        }
    }
    brain_free(asker.brain);
    return most_in(window_ns);
}

static void tell_fault(void *context, enum fault_kind kind, const char *place, const char *text)
{
    (void)context;
    if (kind == FAULT_ERROR)
        fprintf(stderr, "%s: %s\n", place, text);
}

int main(int argc, char **argv)
{
    struct faults faults = {0};
    struct config config = {0};
    if (argc != 5)
        return 2;
    if (!config_load(argv[1], &config, &faults)) {
        faults_tell(&faults, argv[1], tell_fault, NULL);
        return 1;
    }
    uint64_t window_ns = strtoull(argv[4], NULL, 10) * NS_PER_MS;
    size_t most = 0;
    for (uint64_t number = ROUNDS; number-- > 0;) {
        size_t in_round = round_of(&config, argv[2], argv[3], window_ns, number);
        most = in_round > most ? in_round : most;
    }
    print_waits();
    printf("most %zu\n", most);
    faults_release(&faults);
    config_release(&config);
    return 0;
}
