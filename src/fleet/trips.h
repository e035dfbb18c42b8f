/*
 * Trips: letters of orders that are under way to the store, each with the time by which it must be home.
 *
 * A trip has a serial number that no other ever has. Whatever is asked of a store bears it, so an answer
 * that comes after its letter went home finds no trip. A letter may be asked in several calls; it goes home when
 * none is open any more, or when it is due.
 *
 * Owns its trips; the letters are the brain's. One thread. Never blocks. Errors: NULL: there are TRIPS_MAX.
 */
#pragma once

#include "brain/order.h"

#include <stdbool.h>

#define TRIPS_MAX 256

struct trip {
    struct orders *letter; /* NULL: there is none */
    uint64_t serial, due_ns;
    unsigned calls; /* that are not answered yet; 0: nobody has been asked */
};

struct trips {
    uint64_t serial; /* the last one that was given */
    unsigned count;
    struct trip trip[TRIPS_MAX];
    struct chain answered; /* letters that are to go home, all to `home` */
    struct inbox *home;
};

/* Begins a trip. All orders of the letter count as not sent. */
struct trip *trips_begin(struct trips *trips, struct orders *letter, uint64_t due_ns);

/* NULL: it is home. */
struct trip *trips_find(struct trips *trips, uint64_t serial);

/* The letter goes home, with the next trips_send_home. */
void trips_end(struct trips *trips, struct trip *trip);

/* When the first one is due; CLOCK_NEVER: there is none. */
uint64_t trips_due_ns(const struct trips *trips);

/* Ends those that are due. Returns how many of them have been asked for. */
unsigned trips_expire(struct trips *trips, uint64_t now_ns);

/* Answers a letter that needs no trip: all its orders have this result. */
void trips_answer(struct trips *trips, struct orders *letter, enum order_result result);

void trips_send_home(struct trips *trips);
