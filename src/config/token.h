/*
 * Token: reads the file of the token that admins send.
 *
 * Owns nothing; the text of the token is wiped once its hash is taken. One thread. Blocks on the
 * disk only. Errors: faults, which never show a token.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

/* If a file is named, reads it and keeps the token for the contract. */
void config_token_check(const struct raw_config *raw, struct faults *faults, struct config *config);
void config_token_print(const struct config *config, FILE *out);
