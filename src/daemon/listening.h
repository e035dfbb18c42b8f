/*
 * Listening: opens the sockets that a configuration asks for, beside those that were inherited.
 *
 * Owns the server's listeners from listening_open to listening_close. Threads: the main one. Blocks as
 * listener_open does, while another daemon still has an address. Errors: logged.
 */
#pragma once

#include <stdbool.h>

struct server;

/* Takes the inherited sockets, and listens on each address that somebody asked for and that none of
 * them has. Listens on the default address only if there is nothing else. false: not on all of them,
 * which is logged unless a signal has ended it. */
bool listening_open(struct server *server);

/* Removes the files of its Unix sockets, while front-ends still use the sockets. */
void listening_remove_files(const struct server *server);

/* Once the front-ends have ended. */
void listening_close(struct server *server);
