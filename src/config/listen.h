/*
 * Listen: where a configuration listens, and who may reach its Unix sockets.
 *
 * Owns nothing. One thread. If a group is named, blocks on the group database. Errors: faults.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

/* Check listen first: the check of admin_listen also fills in the default of listen. */
void config_listen_check(const struct raw_config *raw, struct faults *faults,
                         struct config *config);
void config_admin_listen_check(const struct raw_config *raw, struct faults *faults,
                               struct config *config);
void config_listen_resp_check(const struct raw_config *raw, struct faults *faults,
                              struct config *config);
void config_listen_resp_print(const struct config *config, FILE *out);
bool config_listen_resp_differs(const struct config *now, const struct config *next);
void config_listen_print(const struct config *config, FILE *out);
void config_admin_listen_print(const struct config *config, FILE *out);
bool config_listen_differs(const struct config *now, const struct config *next);
bool config_admin_listen_differs(const struct config *now, const struct config *next);

/* The mode and the group of Unix sockets. */
void config_socket_mode_check(const struct raw_config *raw, struct faults *faults,
                              struct config *config);
void config_socket_group_check(const struct raw_config *raw, struct faults *faults,
                               struct config *config);
void config_socket_mode_print(const struct config *config, FILE *out);
void config_socket_group_print(const struct config *config, FILE *out);
bool config_sockets_differ(const struct config *now, const struct config *next);
