/*
 * Corpora: the inputs and the words that drive.c makes new inputs from.
 *
 * Owns what it has read until corpus_release. One thread. Blocks on the disk.
 * Errors: tells what cannot be read, and exits.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct corpus_item {
    uint8_t *bytes;
    size_t len;
};

struct corpus {
    struct corpus_item *items;
    size_t count, room;
};

/* Adds a file's bytes, cut at `len_max`. */
void corpus_add_file(struct corpus *corpus, const char *path, size_t len_max);

/* Adds every file of a directory, in the order of their names; none if it is absent. */
void corpus_add_directory(struct corpus *corpus, const char *path, size_t len_max);

/* Adds the words of a dictionary of libFuzzer's: one a line, in quotes, with \\, \" and \xNN. */
void corpus_add_words(struct corpus *corpus, const char *path);

void corpus_release(struct corpus *corpus);
