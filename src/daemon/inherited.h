/*
 * Inherited sockets: listeners that a service manager opened, and has the daemon serve.
 *
 * They come as descriptors 3, 4, ... with LISTEN_FDS, LISTEN_PID and
 * LISTEN_FDNAMES in the environment, as systemd and many others pass them. They
 * outlive the daemon: the manager passes them to the next one too.
 *
 * Owns nothing; the listeners are the caller's. One thread, once. Never blocks.
 * Errors: logged.
 */
#pragma once

#include "daemon/listener.h"

#include <stdbool.h>

#define INHERITED_MAX 64

/* Takes over all the sockets that are meant for this process. false: there is
 * something wrong with one of them, and none is to be served. */
bool inherited_take(struct listener listeners[INHERITED_MAX], unsigned *count);
