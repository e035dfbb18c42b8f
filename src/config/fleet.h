/*
 * The fleet of a configuration: the store that limits of scope fleet share, and how.
 *
 * Owns nothing. One thread. Blocks on the disk only, for the password. Errors: faults, each at its place.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

#include <stdbool.h>

/* What a reload calls the parameters of it that wait for the next start. */
#define CONFIG_FLEET_AT_START                                                                      \
    "fleet: {name, store, user, password, op_timeout or reconnect_min and _max}"

bool config_fleet_is_there(const struct config *config);
bool config_fleet_differs(const struct config *now, const struct config *next);

/* Whether the file has `fleet:`, or may have it, because what it has there is faulty. */
bool config_fleet_may_be_there(const struct raw_config *raw);

void config_fleet_name_check(const struct raw_config *raw, struct faults *faults,
                             struct config *config);
void config_fleet_name_print(const struct config *config, FILE *out);
void config_fleet_store_check(const struct raw_config *raw, struct faults *faults,
                              struct config *config);
void config_fleet_store_print(const struct config *config, FILE *out);
void config_fleet_user_check(const struct raw_config *raw, struct faults *faults,
                             struct config *config);
void config_fleet_user_print(const struct config *config, FILE *out);

/* The value of password_file; then that of password_mode, and, because it takes both, the password. */
void config_fleet_password_file_check(const struct raw_config *raw, struct faults *faults,
                                      struct config *config);
void config_fleet_password_file_print(const struct config *config, FILE *out);
void config_fleet_password_mode_check(const struct raw_config *raw, struct faults *faults,
                                      struct config *config);
void config_fleet_password_mode_print(const struct config *config, FILE *out);

/* These come after reconnect_min; after ttl and op_timeout; and after on_partition. */
void config_fleet_reconnect_max_check(const struct raw_config *raw, struct faults *faults,
                                      struct config *config);
void config_fleet_reconnect_max_print(const struct config *config, FILE *out);
void config_fleet_renew_check(const struct raw_config *raw, struct faults *faults,
                              struct config *config);
void config_fleet_renew_print(const struct config *config, FILE *out);
void config_fleet_outstanding_check(const struct raw_config *raw, struct faults *faults,
                                    struct config *config);
void config_fleet_outstanding_print(const struct config *config, FILE *out);
void config_fleet_sidecars_check(const struct raw_config *raw, struct faults *faults,
                                 struct config *config);
void config_fleet_sidecars_print(const struct config *config, FILE *out);
