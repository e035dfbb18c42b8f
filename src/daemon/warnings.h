/*
 * Warnings: what the log and whoever reloads hear of a configuration, beyond that it is in force.
 *
 * Owns nothing. Threads: the main one. Never blocks. Errors: if there is no memory, a report only
 * counts a note.
 */
#pragma once

#include "actor/reload.h"
#include "config/config.h"
#include "daemon/overrides.h"
#include "limits/runtime.h"

struct server;

/* Logs all that is kept of faults and warnings. path: of the file. */
void warnings_of_faults(const struct faults *faults, const char *path);

/* Logs that the token's file can be read by more than its owner. */
void warnings_of_token(const struct config *config);

/* Logs what of the next configuration takes effect only at the next start; of threads, see threads_warn. */
void warnings_of_restart(const struct server *server, const struct config *next);

/* Logs which checks find slots of run time, and take none. */
void warnings_of_overrides(const struct overrides *overrides);

/* Logs how many run-time overrides could not stay, and why; or adds that to a report. */
void warnings_of_lost(const struct runtime_lost *lost);
void warnings_report_lost(const struct runtime_lost *lost, struct reload_report *report);
