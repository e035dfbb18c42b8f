/*
 * decisions: the brain alone, for test_instructions.py to have its instructions counted.
 *
 * Asks DECISIONS times for one token, in batches of 64: of keys that are there, of as many that
 * are not, or of keys that have none left; or of keys of a limit that a fleet shares, whose tokens are in
 * hand. All of it is in `measured`, and nothing else is.
 *
 * usage: decisions existing|new|denied|fleet
 */
#include "brain/brain.h"
#include "brain/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DECISIONS = 4096, BATCH = 64 };

static char keys[DECISIONS][18];
static struct message message[DECISIONS];

/* A limit of one bucket, with a token a second. */
static void add_limit(struct limits *limits, uint64_t burst, bool is_fleet)
{
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .is_fleet = is_fleet,
        .buckets_count = 1,
        .buckets = {{.burst = burst, .rate = {1, MS_PER_S}}},
    };
    limits->waiting = (struct waiting_terms){.max_waiting = DECISIONS, .per_key = 1};
    limits->fleet = (struct fleet_terms){.ttl_ms = 2000,
                                         .renew_ms = 500,
                                         .return_after_ms = 1000,
                                         .horizon_ms = 200,
                                         .min_interval_ms = 20,
                                         .cold_wait_ms = 5,
                                         .outstanding_percent = 50};
    if (!limits_add(limits, &terms))
        abort();
}

static struct brain *brain_of(uint64_t burst, bool is_fleet)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "the same always";
    struct limits *limits = limits_new(1, 100);
    if (limits == NULL)
        abort();
    add_limit(limits, burst, is_fleet);
    struct brain *brain =
        brain_new(&(struct limits_question){.limits = limits}, 2 * DECISIONS, 10, seed, 1);
    limits_release(limits);
    if (brain == NULL)
        abort();
    return brain;
}

/* Linked as a decider finds them in its inbox. */
static void link_letters(void)
{
    for (int i = 0; i < DECISIONS; i++)
        message[i].letter.next = (i + 1) % BATCH == 0 ? NULL : &message[i + 1].letter;
}

static void ask_all(struct brain *brain)
{
    for (int done = 0; done < DECISIONS; done += BATCH) {
        struct chain answered = {0};
        brain_answer(brain, &message[done].letter, &answered);
    }
}

/* Answers orders as a store does that grants what is wanted, and 100 tokens beside it. */
static void grant(struct brain *brain)
{
    struct letter *letters;
    while ((letters = brain_orders(brain)) != NULL) {
        struct chain none = {0};
        for (struct letter *letter = letters; letter != NULL; letter = letter->next) {
            struct orders *orders = orders_of(message_of(letter));
            for (uint32_t i = 0; i < orders->count; i++) {
                struct order *order = &orders->order[i];
                order->result = ORDER_DONE;
                order->holders = 1;
                order->answered_ms = order->answered_epoch_ms = 1;
                order->granted[0] = order->totals[0].granted + order->totals[0].want + 100;
                order->out_tokens[0] = order->granted[0] - order->totals[0].disposed;
                order->level_units[0] = (int64_t)(500 * order->terms[0].token_units);
            }
        }
        brain_answer(brain, letters, &none);
        brain_released(brain);
    }
}

/* By name, for callgrind: whatever happens between its call and its return counts. */
__attribute__((noipa)) static void measured(struct brain *brain)
{
    ask_all(brain);
}

static void check(enum bucket_result result)
{
    for (int i = 0; i < DECISIONS; i++)
        if (message[i].answer.bucket.result != result)
            abort();
}

int main(int argc, char **argv)
{
    bool is_new = argc == 2 && strcmp(argv[1], "new") == 0;
    bool is_denied = argc == 2 && strcmp(argv[1], "denied") == 0;
    bool is_fleet = argc == 2 && strcmp(argv[1], "fleet") == 0;
    if (!is_new && !is_denied && !is_fleet && (argc != 2 || strcmp(argv[1], "existing") != 0)) {
        fprintf(stderr, "usage: decisions existing|new|denied|fleet\n");
        return 2;
    }
    struct brain *brain = brain_of(is_denied ? 1 : 1000, is_fleet);
    for (int i = 0; i < DECISIONS; i++) {
        int len = snprintf(keys[i], sizeof keys[i], "user:%012d", i);
        message[i].kind = MESSAGE_ALLOW;
        message[i].ask.bucket =
            (struct bucket_question){.key = keys[i], .key_len = (size_t)len, .tokens = 1};
    }
    if (!is_new) {
        link_letters();
        ask_all(brain);
        grant(brain);
        check(BUCKET_ALLOWED);
    }
    link_letters();
    measured(brain);
    check(is_denied ? BUCKET_DENIED : BUCKET_ALLOWED);
    brain_free(brain);
    return 0;
}
