#include "migrate/variables.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static size_t name_length(const char *text)
{
    size_t len = 0;
    while (isalnum((unsigned char)text[len]) || text[len] == '_')
        len++;
    return len;
}

/* The piece at the front of a text that is not empty; returns where the next one begins. */
static const char *split_one(const char *text, struct piece *piece)
{
    bool is_braced = text[0] == '$' && text[1] == '{';
    const char *name = text + 1 + is_braced;
    size_t len = text[0] == '$' ? name_length(name) : 0;
    if (len > 0 && (!is_braced || name[len] == '}')) {
        *piece = (struct piece){true, name, len};
        return name + len + is_braced;
    }
    len = 1 + strcspn(text + 1, "$");
    *piece = (struct piece){false, text, len};
    return text + len;
}

size_t variables_split(const char *text, struct piece piece[PIECES_MAX])
{
    size_t count = 0;
    while (*text != '\0') {
        if (count == PIECES_MAX)
            return 0;
        text = split_one(text, &piece[count++]);
    }
    return count;
}

bool piece_is(const struct piece *piece, const char *variable)
{
    return piece->is_variable && strlen(variable) == piece->len &&
           strncasecmp(piece->text, variable, piece->len) == 0;
}

static bool makes(const struct directive *line, const struct piece *variable)
{
    bool is_map = directive_is(line, "map", 3), is_geo = directive_is(line, "geo", 0);
    const char *made = line->word[line->words - 1];
    return line->has_block && (is_map || (is_geo && line->words >= 2 && line->words <= 3)) &&
           made[0] == '$' && piece_is(variable, made + 1);
}

static const struct directive *maker_in(const struct directive *list, const struct piece *variable)
{
    const struct directive *last = NULL;
    for (const struct directive *line = list; line != NULL; line = line->next) {
        bool is_http = directive_is(line, "http", 1) && line->has_block;
        const struct directive *found = is_http                 ? maker_in(line->block, variable)
                                        : makes(line, variable) ? line
                                                                : NULL;
        if (found != NULL)
            last = found;
    }
    return last;
}

const struct directive *variables_maker(const struct tree *tree, const struct piece *variable)
{
    return maker_in(tree->first, variable);
}

static bool is_plain_entry(const struct directive *entry)
{
    const char *text = entry->word[0];
    return !entry->has_block && entry->words == 2 && text[0] != '~' && text[0] != '\\' &&
           strcmp(text, "include") != 0;
}

const char *variables_map(const struct directive *map, const char *text)
{
    const char *found = NULL, *otherwise = "";
    for (const struct directive *entry = map->block; entry != NULL; entry = entry->next) {
        if (directive_is(entry, "volatile", 1))
            continue;
        if (!is_plain_entry(entry))
            return NULL;
        if (strcmp(entry->word[0], "default") == 0)
            otherwise = entry->word[1];
        else if (strcasecmp(entry->word[0], text) == 0)
            found = entry->word[1];
    }
    return found != NULL ? found : otherwise;
}

static bool has(const struct makers *makers, const struct directive *maker)
{
    for (size_t i = 0; i < makers->count; i++)
        if (makers->maker[i] == maker)
            return true;
    return false;
}

static void add_makers(const struct tree *tree, const char *text, struct makers *makers)
{
    struct piece piece[PIECES_MAX];
    size_t count = variables_split(text, piece);
    for (size_t i = 0; i < count; i++) {
        const struct directive *maker =
            piece[i].is_variable ? variables_maker(tree, &piece[i]) : NULL;
        if (maker != NULL && !has(makers, maker) && makers->count < MAKERS_MAX)
            makers->maker[makers->count++] = maker;
    }
}

void variables_makers(const struct tree *tree, const char *text, struct makers *makers)
{
    makers->count = 0;
    add_makers(tree, text, makers);
    for (size_t i = 0; i < makers->count; i++)
        for (const struct directive *entry = makers->maker[i]->block; entry != NULL;
             entry = entry->next)
            add_makers(tree, entry->word[entry->words - 1], makers);
}
