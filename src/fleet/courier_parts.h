/*
 * The courier's parts: what its files call of each other's. courier.c has letters and turns, ask.c the calls of the
 * script, answers.c what comes of them.
 *
 * Owns nothing. One thread, the courier's. Never blocks. Errors: false.
 */
#pragma once

#include "fleet/courier.h"

/* Sets the result of these orders, a bit each. */
void ask_set_results(struct orders *letter, uint16_t orders, enum order_result result);

/* Asks for all orders of a trip, in as many calls as it takes. Orders that cannot be asked for stay not sent. */
void ask_all(struct courier *courier, struct trip *trip, uint64_t now_ns);

/* Sends a call for these orders of a trip. false: there is no room. */
bool ask_call(const struct courier *courier, struct station *station, const struct trip *trip,
              struct link_call call, uint64_t now_ns);

/* Takes a station's answer to a call, or that there will be none. */
void answers_take(struct courier *courier, struct station *station, const struct link_call *call,
                  const redisReply *reply, uint64_t now_ns);
void answers_miss(struct courier *courier, const struct link_call *call);
