/*
 * The parts of a check, for the files that make it up: check.c builds it, check_key.c makes keys by
 * it. No other file includes this.
 */
#pragma once

#include "ask/check.h"
#include "ask/client_ip.h"
#include "ask/template.h"

struct check {
    struct check_terms terms; /* of strings in `strings` */
    const char *trusted_texts[CHECK_TRUSTED_MAX];
    struct trusted trusted;
    struct template template;
    char strings[];
};
