/*
 * Words: a configuration file of nginx, taken apart as nginx 1.22 does it (ngx_conf_read_token).
 *
 * A word ends at a blank, ';' or '{'; one that begins with a quote, at the next one. '#' begins a comment where a word could
 * begin. A backslash keeps the next byte from meaning anything, and "${" does not begin a block.
 *
 * Owns nothing: words are in the arena. One thread. Never blocks. Errors: WORD_BAD, and a complaint.
 */
#pragma once

#include "base/arena.h"
#include "migrate/complaint.h"

#include <stddef.h>

#define WORD_MAX 4095 /* bytes; nginx takes no longer ones either */

enum word_kind {
    WORD_TEXT,
    WORD_SEMICOLON,
    WORD_OPEN,  /* { */
    WORD_CLOSE, /* } */
    WORD_END,   /* of the file */
    WORD_BAD,
};

struct words {
    const char *at, *end;
    const char *file;
    size_t line; /* at which `at` is, from 1 */
    struct arena *arena;
    struct complaint *complaint;
};

/* The next word; *text, a string, is set if it is WORD_TEXT. */
enum word_kind words_next(struct words *words, const char **text);

/* Skips the Lua code of a block that has just been opened, with its '}'. false: the block does not end. */
bool words_skip_lua(struct words *words);
