/*
 * Inherited sockets: listeners that a service manager opened, and has the daemon serve.
 *
 * They come as descriptors 3, 4, ... with LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES in the
 * environment, as systemd and many others pass them. They belong to the manager, which passes them
 * to the next process too. So a drain only stops watching them: shutdown(2) would end them for
 * everyone. What waits in their backlogs is for the next process.
 *
 * One that is named "resp" (systemd: FileDescriptorName=resp) is for RESP, as if listen_resp had its
 * address. All others are for HTTP, unless the file says otherwise of their addresses.
 *
 * Owns nothing; the listeners are the caller's. Threads: one, once. Never blocks. Errors: logged.
 */
#pragma once

#include "daemon/listener.h"

#include <stdbool.h>

#define INHERITED_MAX 64

/* Takes over all sockets that are meant for this process. false: one of them is unusable, and the
 * start must fail. */
bool inherited_take(struct listener listeners[INHERITED_MAX], unsigned *count);

/* Logs them, once it is known what each is for. */
void inherited_tell(const struct listener *listeners, unsigned count);
