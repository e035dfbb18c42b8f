/*
 * Sessions: what a client has agreed on with allowd, which holds for the commands behind that.
 *
 * Owns its values. One thread. Never blocks. Never fails.
 */
#pragma once

#include "ask/contract.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stdint.h>

struct session {
    uint64_t id;         /* no other client of the daemon has it */
    struct secret token; /* the admin token that it has shown, if any; compared at each command */
    unsigned protocol;   /* 2 or 3 */
    bool ends;           /* nothing more is read, and it is closed behind its last answer */
};

/* What commands are judged by. */
struct resp_rules {
    const struct contract *contract;
    bool admin_apart; /* commands of admins are not for these listeners */
};
