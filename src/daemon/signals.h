/*
 * Signals: what each does, from main's first instruction to the end.
 *
 *                          HUP        TERM, INT             PIPE, USR1, USR2, XFSZ
 *   signals_hold           waits      wait                  are ignored from now on
 *   signals_end_quietly    waits      end it with 0
 *   signals_end_as_usual   waits      end it, as a command
 *   signals_open           read       read
 *
 * A HUP that waits is read once signals_open's descriptor is, so it leads to a reload. Every thread
 * holds what its maker holds. What is ignored by default, or has a handler of somebody who was
 * preloaded, stays as it is.
 *
 * Owns nothing; the kernel keeps what is set. Threads: the main one, before there are others, except
 * as said. Blocks: signals_await_end, for its timeout. Errors: signals_open, an errno value.
 */
#pragma once

/* To be called first in main. */
void signals_hold(void);

/* While nothing is made yet that somebody would have to take down: TERM and INT end the process at
 * once. A daemon ends with status 0; a command as any other does, so that nobody takes its end for
 * success. */
void signals_end_quietly(void);
void signals_end_as_usual(void);

/* A signalfd(2) for TERM, INT and HUP; -1 and errno. */
int signals_open(void);

/* After signals_open, waits up to timeout_ms for TERM or INT, and takes it. 0: none came. Whoever
 * waits at the start gives up then; signals_ended_by says afterwards which signal it was. */
int signals_await_end(int timeout_ms);
int signals_ended_by(void);
