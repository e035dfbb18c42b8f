#include "ctl/commands/table.h"

#include <string.h>

const struct command *const commands[] = {
#define X(name) &command_##name,
    COMMANDS(X)
#undef X
};
const size_t commands_count = sizeof commands / sizeof commands[0];

/* How many of the words are a name; 0: they are another one. */
static size_t words_of(const char *name, char *const *words, size_t count)
{
    size_t named = 0;
    while (named < count) {
        size_t len = strcspn(name, " ");
        if (strncmp(words[named], name, len) != 0 || words[named][len] != '\0')
            return 0;
        named++;
        if (name[len] == '\0')
            return named;
        name += len + 1;
    }
    return 0;
}

const struct command *command_find(char *const *words, size_t count, size_t *named)
{
    const struct command *found = NULL;
    *named = 0;
    for (size_t i = 0; i < commands_count; i++) {
        size_t of_it = words_of(commands[i]->name, words, count);
        if (of_it > *named) {
            *named = of_it;
            found = commands[i];
        }
    }
    return found;
}
