/*
 * Naive chunks: what a fleet admits whose sidecars take chunks out of a bucket that knows nothing of what is out.
 *
 * It is the control of prop_fleet: the same floods without the cap by what is out must exceed the burst, or
 * the measure of it is worth nothing.
 *
 * Owns nothing. Never blocks. Never fails.
 */
#pragma once

#include "support/dice.h"

/* The most that is admitted beyond the rate in any window, in percent of the burst, when so many questions
 * are asked. */
double fleet_naive_worst_percent(struct dice *dice, unsigned sidecars, uint64_t questions);
