/*
 * The reload: reads the configuration again, and puts it into force as a whole or not at all.
 *
 * It also mends what can be mended: a lost state, and sockets whose files are gone.
 *
 * Owns nothing. Threads: the main one. Blocks on the disk, and until the decider has answered. Errors:
 * logged, and told by the report.
 */
#pragma once

#include "actor/reload.h"

struct server;

/* Reloads. *report: how it went; it comes in all zeros, and whoever asks releases it. */
void reload_run(struct server *server, struct reload_report *report);

/* The same, if nobody but the log is told. */
void reload_for_signal(struct server *server);
