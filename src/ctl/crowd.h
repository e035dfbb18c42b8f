/*
 * A crowd: the same question many times, on several connections at once, as fast as it goes.
 *
 * Owns nothing: the result is to be released. Main thread. Blocks until all is answered, or until
 * something other than a decision comes. Errors: result.
 */
#pragma once

#include "ctl/client.h"

#define CROWD_QUESTIONS_MAX 10000000u
#define CROWD_CONNECTIONS_MAX 1000u

struct crowd {
    enum client_result
        result; /* else why it has ended early: client_fault of the crowd is `fault` */
    const char *fault;
    long status; /* other than 200 and 429, which has ended it; 0: none */
    uint64_t asked, allowed, denied;
    uint64_t took_ns;
    uint64_t *latencies_ns; /* of each that is answered, the shortest first */
};

struct crowd crowd_ask(const struct client *client, const struct client_request *request,
                       uint64_t questions, unsigned connections);
void crowd_release(struct crowd *crowd);

/* The time within which that share of the questions was answered; 0 if none was. */
uint64_t crowd_latency_ns(const struct crowd *crowd, double share);
