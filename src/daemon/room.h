/*
 * Room: how many connections there can be, and how many clients may wait on them.
 *
 * Each connection takes a descriptor, and the system limits those. So the limit is raised to what
 * max_connections takes, as far as the system lets it be, and what is missing then is missing for
 * connections.
 *
 * Owns nothing; the kernel keeps the limit. Threads: the main one. Never blocks. Errors: too few
 * descriptors are logged.
 */
#pragma once

#include "limits/limits.h"

struct server;

/* How many connections so many front-ends have room for together: max_connections, or what there are
 * descriptors for. If these are too few, that is logged. */
unsigned room_connections(const struct server *server, unsigned fronts);

/* Lowers waiting.max_waiting of limits that are not in force yet: those who wait have at most half of the
 * connections that so many front-ends have room for. */
void room_bound_waiting(const struct server *server, unsigned fronts, struct limits *limits);
