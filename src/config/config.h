/*
 * The configuration: what a YAML file says, checked, with the defaults filled in.
 *
 * Owns what it loaded until config_release. One thread. Blocks while it reads a file. Errors: all
 * faults of a file at once, in struct faults.
 */
#pragma once

#include "ask/contract.h"
#include "base/address.h"
#include "base/file_mark.h"
#include "brain/message.h"
#include "config/faults.h"
#include "config/parameters.h"
#include "fleet/fleet.h"
#include "log/settings.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_FILE_MAX (1u << 20) /* bytes */
#define CONFIG_PATH_MAX 1023       /* bytes */

#define CONFIG_DEFAULT_LISTEN "127.0.0.1:10429"
#define CONFIG_DEFAULT_BURST 10
#define CONFIG_DEFAULT_RATE ((struct rate){1, 1000})

/* Who may be able to read the token's file. */
enum token_mode {
    TOKEN_MODE_PRIVATE, /* its owner, and its group */
    TOKEN_MODE_ANY,     /* everybody: containers mount secrets so, and there is no other way */
};
#define TOKEN_MODES 2

/* The store that limits of scope fleet share. */
struct config_fleet {
    bool
        is_there; /* the file has it; else the rest is as by default, but for what has no default */
    struct fleet_settings settings;
    struct fleet_terms terms;
    char password_file[CONFIG_PATH_MAX + 1]; /* as written; empty: none */
    enum token_mode password_mode;
    bool password_is_shared; /* its group can read it, and it is not said that it may */
};

struct config {
    /* The values of the table: see parameters.h. */
#define VALUE(name, type, member, ...) type member;
#define NOTHING(...)
    CONFIG_PARAMETERS(VALUE, NOTHING, NOTHING, NOTHING)
#undef VALUE
#undef NOTHING
    struct log_settings log;
    struct rate denials; /* how many the log shows; if of 0 tokens, none */
    uint32_t events_keep;
    struct config_fleet fleet;

    /* Parameters that have functions of their own there. */
    uint32_t listen_count; /* 1 to CONFIG_LISTEN_MAX */
    struct address listen[CONFIG_LISTEN_MAX];
    bool listen_is_given;        /* not the default */
    bool listen_is_fixed;        /* the command line sets it, and files are ignored */
    uint32_t admin_listen_count; /* 0 to CONFIG_LISTEN_MAX */
    struct address admin_listen[CONFIG_LISTEN_MAX];
    uint32_t listen_resp_count; /* 0 to CONFIG_LISTEN_MAX */
    struct address listen_resp[CONFIG_LISTEN_MAX];
    struct socket_access sockets;               /* who may reach the Unix sockets */
    char admin_token_file[CONFIG_PATH_MAX + 1]; /* as written; empty: none */
    enum token_mode admin_token_mode;
    bool admin_token_is_shared; /* its group can read it, and it is not said that it may */
    struct secret admin_token;
    uint32_t hosts_count;
    char hosts[HOSTS_MAX][HOST_NAME_BYTES_MAX + 1];
    struct file_mark admin_token_mark; /* of its file as it was read */
    char state[CONFIG_PATH_MAX + 1];   /* path of the state file; empty: none */

    uint32_t header_room; /* bytes: see header_room.h */
    uint32_t max_waiting; /* 1 to config_waiting_most(max_connections) */

    struct file_mark file_mark; /* of the file that it was read from; not set: of none */

    /* Made from all of these. */
    struct limits *limits;     /* a reference of its own */
    struct contract *contract; /* a reference of its own */
};

/* Reads and checks a file; if path is NULL, takes the built-in defaults. *faults must be empty.
 * false: *config is untouched, and *faults says why. */
bool config_load(const char *path, struct config *config, struct faults *faults);

/* The most that may wait where so many connections may be open: see waiting.h. */
static inline uint32_t config_waiting_most(uint32_t connections)
{
    return connections / 2;
}

void config_release(struct config *config);

/* Writes the whole configuration, defaults included, as YAML. Loaded again, it is the same. */
void config_print(const struct config *config, FILE *out);
