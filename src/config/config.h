/*
 * The configuration: what a YAML file says, checked, with the defaults filled in.
 *
 * Owns what it loaded until config_release. One thread. Blocks on reading a
 * file. Errors: every fault of a file at once, as struct faults.
 */
#pragma once

#include "ask/contract.h"
#include "base/address.h"
#include "brain/message.h"
#include "config/faults.h"
#include "log/settings.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_FILE_MAX (1u << 20) /* bytes */
#define CONFIG_LISTEN_MAX 64
#define CONFIG_PATH_MAX 1023 /* bytes */
#define CONFIG_THREADS_MAX 64
#define CONFIG_TICK_MIN_MS 1
#define CONFIG_TICK_MAX_MS 10000

#define CONFIG_DEFAULT_LISTEN "127.0.0.1:10429"
#define CONFIG_DEFAULT_THREADS 1
#define CONFIG_DEFAULT_TICK_MS 100
#define CONFIG_DEFAULT_MAX_KEYS 1000000
#define CONFIG_DEFAULT_BURST 10
#define CONFIG_DEFAULT_RATE ((struct rate){1, 1000})

struct config {
    uint32_t listen_count; /* 1 to CONFIG_LISTEN_MAX */
    struct address listen[CONFIG_LISTEN_MAX];
    bool listen_is_given;        /* not the default */
    uint32_t admin_listen_count; /* 0 to CONFIG_LISTEN_MAX */
    struct address admin_listen[CONFIG_LISTEN_MAX];
    struct socket_access sockets;               /* of all Unix sockets among them */
    char admin_token_file[CONFIG_PATH_MAX + 1]; /* empty: none; the token is the contract's */
    bool admin_token_is_shared;                 /* its group can read it */
    uint32_t threads;                           /* front-end threads, 1 to CONFIG_THREADS_MAX */
    uint32_t max_keys;                          /* 1 to TABLE_KEYS_MAX */
    char state[CONFIG_PATH_MAX + 1]; /* where the state outlives the process; empty: nowhere */
    enum when_full when_full;
    struct log_settings log;
    struct limits *limits;     /* a reference of its own; holds the tick too */
    struct contract *contract; /* a reference of its own */
};

/* Reads and checks a file, or takes the built-in defaults if path is NULL.
 * false: *config is untouched and *faults, which must be empty before, says why. */
bool config_load(const char *path, struct config *config, struct faults *faults);

void config_release(struct config *config);

/* Writes the whole configuration, defaults included, as YAML that loads to the same. */
void config_print(const struct config *config, FILE *out);
