/*
 * Token: reads the file of the token that admins send.
 *
 * Owns nothing; the text of the token is wiped once its hash is taken. One thread. Blocks on the
 * disk only. Errors: faults, which never show a token.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

enum token_path {
    TOKEN_PATH_OK,
    TOKEN_PATH_MALFORMED,      /* neither an absolute path nor TOKEN_CREDENTIAL and a name */
    TOKEN_PATH_NO_CREDENTIALS, /* nobody has set CREDENTIALS_DIRECTORY */
};

#define TOKEN_CREDENTIAL "credential:"

/* The path of the file that a value of admin_token_file names: the value itself, or the file of
 * that name in $CREDENTIALS_DIRECTORY (systemd.exec(5)). */
enum token_path config_token_path(const char *written, char path[CONFIG_PATH_MAX + 1]);

/* The value of admin_token_file; then that of admin_token_mode, and, because it takes both, the
 * token, which is kept for the contract. */
void config_token_file_check(const struct raw_config *raw, struct faults *faults,
                             struct config *config);
void config_token_mode_check(const struct raw_config *raw, struct faults *faults,
                             struct config *config);
void config_token_file_print(const struct config *config, FILE *out);
void config_token_mode_print(const struct config *config, FILE *out);
