/*
 * Variables: a text of nginx as a row of literals and variables, and what a map or a geo says of one.
 *
 * Owns nothing. One thread. Never blocks. Never fails.
 */
#pragma once

#include "migrate/tree.h"

#define PIECES_MAX 64

/* A literal, or the name of a variable without '$' and braces. */
struct piece {
    bool is_variable;
    const char *text;
    size_t len;
};

/* Returns how many pieces there are; 0: the text is empty, or has more than PIECES_MAX. */
size_t variables_split(const char *text, struct piece piece[PIECES_MAX]);

bool piece_is(const struct piece *piece, const char *variable);

/* The map or geo that makes this variable, of several the last, as in nginx; NULL: there is none. */
const struct directive *variables_maker(const struct tree *tree, const struct piece *variable);

/* What a map of plain texts makes of one. NULL: it has patterns, hosts or files, which this cannot tell. */
const char *variables_map(const struct directive *map, const char *text);

#define MAKERS_MAX 16

/* Maps and geos. */
struct makers {
    size_t count;
    const struct directive *maker[MAKERS_MAX];
};

/* Those that a text is made of, each with what it is made of in turn; more than MAKERS_MAX are left out. */
void variables_makers(const struct tree *tree, const char *text, struct makers *makers);
