/*
 * The watchdog: lets the service manager know that the state thread gets on, and nothing else.
 *
 * It asks the state thread a question, and the next time it looks the answer is
 * there or it is not. Nothing is fed but an answer, and each answer once.
 *
 * Owns its question. Threads: one, which must not be the state thread. Never
 * blocks. Errors: an errno value from watchdog_init only.
 */
#pragma once

#include "actor/inbox.h"
#include "brain/message.h"

#include <stdbool.h>
#include <stdint.h>

/* Of the silence that the manager bears, how much passes from one look to the next. */
#define WATCHDOG_LOOKS 4

struct watchdog {
    struct inbox *inbox; /* the decider's */
    uint64_t every_ns;   /* 0: nobody watches */
    uint64_t due_ns;
    bool is_asked;
    struct inbox home;
    struct message question;
    struct daemon_answer answer;
};

/* silence_ns: the longest that the manager bears; 0: nobody watches. */
int watchdog_init(struct watchdog *watchdog, struct inbox *inbox, uint64_t silence_ns,
                  uint64_t now_ns);

/* Once the state thread has ended, or was never asked. */
void watchdog_release(struct watchdog *watchdog);

/* Looks and asks, if it is time. true: the state thread has answered since the last look. */
bool watchdog_look(struct watchdog *watchdog, uint64_t now_ns);

/* Milliseconds until the next look is due; -1: never. */
int watchdog_timeout_ms(const struct watchdog *watchdog, uint64_t now_ns);
