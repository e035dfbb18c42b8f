#include "fuzz/corpus.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void give_up(const char *path, const char *why)
{
    fprintf(stderr, "%s: %s\n", path, why);
    exit(2);
}

/* Takes over the bytes. */
static void add(struct corpus *corpus, uint8_t *bytes, size_t len)
{
    if (corpus->count == corpus->room) {
        corpus->room = 2 * corpus->room + 16;
        corpus->items = realloc(corpus->items, corpus->room * sizeof corpus->items[0]);
        if (corpus->items == NULL)
            give_up("corpus", "no memory");
    }
    corpus->items[corpus->count++] = (struct corpus_item){bytes, len};
}

void corpus_add_file(struct corpus *corpus, const char *path, size_t len_max)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(len_max + 1);
    if (file == NULL || bytes == NULL)
        give_up(path, strerror(errno));
    size_t len = fread(bytes, 1, len_max, file);
    if (ferror(file))
        give_up(path, "cannot be read");
    fclose(file);
    add(corpus, bytes, len);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

void corpus_add_directory(struct corpus *corpus, const char *path, size_t len_max)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_visible, alphasort);
    if (count < 0 && errno == ENOENT)
        return;
    if (count < 0)
        give_up(path, strerror(errno));
    for (int i = 0; i < count; i++) {
        char name[PATH_MAX];
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        corpus_add_file(corpus, name, len_max);
        free(entries[i]);
    }
    free(entries);
}

/* Reads the word of a line; its length, or -1: it has none. */
static int read_word(const char *line, uint8_t *word)
{
    int len = 0;
    const char *at = strchr(line, '"');
    if (line[0] == '#' || at == NULL)
        return -1;
    for (at++; *at != '"' && *at != '\0'; len++) {
        unsigned byte = (unsigned char)*at++;
        if (byte == '\\' && *at == 'x' && sscanf(at + 1, "%2x", &byte) == 1)
            at += 3;
        else if (byte == '\\' && *at != '\0')
            byte = (unsigned char)*at++;
        word[len] = (uint8_t)byte;
    }
    return *at == '"' ? len : -1;
}

void corpus_add_words(struct corpus *corpus, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    if (file == NULL)
        give_up(path, strerror(errno));
    while (getline(&line, &room, file) > 0) {
        uint8_t *word = malloc(strlen(line));
        int len = word == NULL ? -1 : read_word(line, word);
        if (len > 0)
            add(corpus, word, (size_t)len);
        else
            free(word);
    }
    free(line);
    fclose(file);
}

void corpus_release(struct corpus *corpus)
{
    for (size_t i = 0; i < corpus->count; i++)
        free(corpus->items[i].bytes);
    free(corpus->items);
    *corpus = (struct corpus){0};
}
