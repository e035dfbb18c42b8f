/*
 * Overrides: puts those that are set at run time into force, beside those of the configuration.
 *
 * Many may be asked for at once. Each changes the limits that are to come, and then all of them are put
 * into force together: a limit has a new edition for all that was asked at once, not for each.
 *
 * Owns a reference to the limits as the configuration has them, and to those in force. One thread, the
 * main one. Never blocks. Errors: each call's outcome; NULL when there is no memory.
 */
#pragma once

#include "actor/override.h"
#include "ask/contract.h"
#include "config/config.h"
#include "limits/runtime.h"

struct overrides {
    struct limits *configured, *in_force;
    struct contract *contract; /* in force, with a reference: its checks are for some limits */
};

/* Begins with the limits of a configuration, and those in force, which may have run-time overrides that
 * outlived the process before. */
void overrides_init(struct overrides *overrides, const struct config *config,
                    struct limits *in_force);
void overrides_release(struct overrides *overrides); /* all zeros are fine */

/* The limits that are to be in force when a configuration is: its own, and the run-time overrides. *lost:
 * those that cannot stay. NULL: no memory. The caller has a reference. */
struct limits *overrides_for(const struct overrides *overrides, const struct config *config,
                             int64_t date_s, struct runtime_lost *lost);

/* Tells of each check that names a limit of which a run-time override has slots: a check takes none. The
 * text is a fault of the configuration that has the checks. The limits are merged ones, so of the run-time
 * overrides they have only those that hold. */
void overrides_check(const struct limits *limits, const struct contract *contract,
                     void (*tell)(void *context, const char *text), void *context);

/* Says that these limits are in force, of a configuration or, if it is NULL, of the same as before. */
void overrides_are_in_force(struct overrides *overrides, const struct config *config,
                            struct limits *limits);

/* Answers a MESSAGE_OVERRIDE by a change of limits that are still to be put into force: *next, to which
 * the caller has a reference, is another set then, unless nothing was to be changed. */
void overrides_answer(const struct overrides *overrides, struct message *message,
                      struct limits **next, int64_t date_s);

/* Whether an outcome has changed the limits. */
bool overrides_have_changed(const struct override_call *call);
