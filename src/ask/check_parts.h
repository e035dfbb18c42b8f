/*
 * The parts of a check, for the files that make it up: check_build.c makes a check, check_key.c
 * makes keys by it, check.c has the rest. No other file includes this.
 */
#pragma once

#include "ask/check.h"
#include "ask/client_ip.h"
#include "ask/rule.h"
#include "ask/template.h"
#include "base/arena.h"

#include <stdatomic.h>

/* Which of the fields that a proxy sends a check looks at. */
struct check_looks {
    bool any, client_ip, method, host, target;
};

/* What was said in the log. Any thread may set a flag, once. */
struct check_told {
    atomic_bool untrusted; /* that a field of a peer which is not trusted is ignored */
    atomic_bool settled;   /* in which field trusted proxies tell the client's address */
};

struct check {
    struct arena arena;       /* of all that the check points to, and of the check itself */
    struct check_terms terms; /* as they were given */
    struct trusted trusted;
    struct template template;
    unsigned kinds;                 /* of the parts of the key; a bit for each */
    const struct rule *skip, *cost; /* as many as in the terms */
    struct check_looks looks;
    struct check_told *told;
    struct check_answer answers[CHECK_CASES];
};

/* "NAME: VALUE" of a header, split; the value without blanks around it. */
struct split {
    size_t name_len;
    const char *value;
    size_t value_len;
};

/* false: there is no colon. */
bool split_header(const char *header, struct split *split);
