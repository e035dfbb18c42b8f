/*
 * Beginning a fleet: tells a store that is new to a fleet that nothing was forgotten.
 *
 * A store that has no record of a key cannot tell whether it has lost it. So with `on_loss: empty` buckets begin empty
 * in each of the store's shards that knows nothing of the fleet. Who knows that the store is new says so once, before
 * the sidecars start, and then all buckets begin full. What a store knows already is left as it is.
 *
 * Owns nothing. One thread, the main one. Blocks until the store has answered, or PATIENCE_S. Errors: logged, and told by
 * the exit status.
 */
#pragma once

#include "daemon/server.h"

#include <stdio.h>

enum exit_status begin_fleet(const struct config *config, FILE *out);
