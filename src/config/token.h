/*
 * Token: reads the file of the token that admins send.
 *
 * Owns nothing; the text of the token is wiped once its hash is taken. One thread. Blocks on the
 * disk only. Errors: faults, which never show a token.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

/* The words of enum token_mode. */
extern const char *const config_token_modes[TOKEN_MODES];

/* The value of admin_token_file; then that of admin_token_mode, and, because it takes both, the
 * token, which is kept for the contract. */
void config_token_file_check(const struct raw_config *raw, struct faults *faults,
                             struct config *config);
void config_token_mode_check(const struct raw_config *raw, struct faults *faults,
                             struct config *config);
void config_token_file_print(const struct config *config, FILE *out);
void config_token_mode_print(const struct config *config, FILE *out);
