/*
 * decisions: the brain alone, for test_instructions.py to have its instructions counted.
 *
 * Asks DECISIONS times for one token, in batches of 64: of keys that are there, of as many that
 * are not, or of keys that have none left. All of it is in `measured`, and nothing else is.
 *
 * usage: decisions existing|new|denied
 */
#include "brain/brain.h"
#include "support/plain_limit.h"

#include <stdio.h>
#include <string.h>

enum { DECISIONS = 4096, BATCH = 64 };

static char keys[DECISIONS][18];
static struct message message[DECISIONS];

static struct brain *brain_of(uint64_t burst)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "the same always";
    struct limits *limits = limits_new(1, 100);
    if (limits == NULL)
        abort();
    add_plain_limit(limits, LIMIT_DEFAULT_NAME, NULL, burst, (struct rate){1, MS_PER_S});
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
    if (!is_new && !is_denied && (argc != 2 || strcmp(argv[1], "existing") != 0)) {
        fprintf(stderr, "usage: decisions existing|new|denied\n");
        return 2;
    }
    struct brain *brain = brain_of(is_denied ? 1 : 1000);
    for (int i = 0; i < DECISIONS; i++) {
        int len = snprintf(keys[i], sizeof keys[i], "user:%012d", i);
        message[i].kind = MESSAGE_ALLOW;
        message[i].ask.bucket =
            (struct bucket_question){.key = keys[i], .key_len = (size_t)len, .tokens = 1};
    }
    if (!is_new) {
        link_letters();
        ask_all(brain);
        check(BUCKET_ALLOWED);
    }
    link_letters();
    measured(brain);
    check(is_denied ? BUCKET_DENIED : BUCKET_ALLOWED);
    brain_free(brain);
    return 0;
}
