/*
 * The watchdog: tells the service manager that the decider answers, and knows it by an answer only.
 *
 * It posts a question into the decider's inbox, and the next time it looks, the answer is in its
 * own inbox or it is not. So each WATCHDOG=1 means that since the one before it the decider has
 * taken a letter out of its inbox and sent it home, as it does for each decision. (A counter driven
 * by a timer would go on while the inbox is stuck.) It looks WATCHDOG_LOOKS times in the silence
 * that the manager bears, and never waits. tests/e2e/test_stall.py stalls the decider.
 *
 * Owns its question and its inbox. Threads: one, which must not run the decider. Never blocks.
 * Errors: an errno value, from watchdog_init only.
 */
#pragma once

#include "actor/inbox.h"
#include "brain/message.h"

#include <stdbool.h>
#include <stdint.h>

/* How often it looks in the longest silence that the manager bears. */
#define WATCHDOG_LOOKS 4

struct watchdog {
    struct inbox *inbox; /* the decider's */
    uint64_t every_ns;   /* from one look to the next; 0: there is no watchdog */
    uint64_t due_ns;
    bool is_asked;
    struct inbox home;
    struct message question;
    struct daemon_answer answer;
};

/* silence_ns: the longest silence that the manager bears; 0: there is no watchdog. */
int watchdog_init(struct watchdog *watchdog, struct inbox *inbox, uint64_t silence_ns,
                  uint64_t now_ns);

/* Call it once the decider has stopped, or if it was never asked. */
void watchdog_release(struct watchdog *watchdog);

/* If it is time: looks for the answer, and asks again. true: the decider has answered since the
 * last look. */
bool watchdog_look(struct watchdog *watchdog, uint64_t now_ns);

/* Milliseconds until the next look is due; -1: never. */
int watchdog_timeout_ms(const struct watchdog *watchdog, uint64_t now_ns);
