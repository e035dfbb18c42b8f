/*
 * Asked: answers what front-ends ask the main thread, reloads and overrides at run time.
 *
 * These are letters like any others (MESSAGE_RELOAD, MESSAGE_OVERRIDE). They come into the inbox
 * `reloads` and go home answered.
 *
 * Owns the letters between the two. Threads: the main one. Blocks as a reload does. Errors: each letter's
 * outcome; logged.
 */
#pragma once

struct server;

/* Answers one reload, or some overrides together, so that a signal need not wait for all of them. Does
 * nothing if nobody asks. */
void asked_answer(struct server *server);

/* Answers all that is there: it drains, and nothing is changed any more. */
void asked_refuse(struct server *server);
