#include "ctl/options.h"

#include "ctl/say.h"

#include <assert.h>
#include <getopt.h>
#include <limits.h>

const struct option_row option_rows[OPTION_COUNT_OF] = {
#define X(option, short_name, long_name, what, does)                                               \
    [OPTION_##                                                                                     \
        option] = {.name = (long_name), .letter = (short_name), .value = (what), .text = (does)},
    OPTIONS(X)
#undef X
};
static_assert(OPTION_COUNT_OF <= 32, "a set of options is the bits of a uint32_t");

enum { FIRST = UCHAR_MAX + 1 }; /* what getopt_long says of the first option, long or short */

static void build_long(struct option rows[OPTION_COUNT_OF + 1])
{
    for (int i = 0; i < OPTION_COUNT_OF; i++)
        rows[i] = (struct option){
            option_rows[i].name,
            option_rows[i].value != NULL ? required_argument : no_argument,
            NULL,
            FIRST + i,
        };
    rows[OPTION_COUNT_OF] = (struct option){0};
}

static void build_short(char letters[2 * OPTION_COUNT_OF + 1])
{
    size_t len = 0;
    for (int i = 0; i < OPTION_COUNT_OF; i++) {
        if (option_rows[i].letter == 0)
            continue;
        letters[len++] = option_rows[i].letter;
        if (option_rows[i].value != NULL)
            letters[len++] = ':';
    }
    letters[len] = '\0';
}

/* The option that getopt_long found; OPTION_COUNT_OF: none, and it has said so. */
static int found_option(int found)
{
    int i = 0;
    if (found >= FIRST)
        return found - FIRST;
    while (i < OPTION_COUNT_OF && (found == '?' || option_rows[i].letter != found))
        i++;
    return i;
}

static bool take_repeated(struct options *options, int option)
{
    if (options->repeated_count == OPTION_TIMES_MAX) {
        say("--%s is there more than %d times", option_rows[option].name, OPTION_TIMES_MAX);
        return false;
    }
    options->repeated[options->repeated_count++] = optarg;
    options->value[option] = options->repeated[0];
    return true;
}

static bool take(struct options *options, int option)
{
    if (option == OPTION_COUNT_OF) {
        say("try \"allowctl -h\"");
        return false;
    }
    if ((OPTIONS_REPEATED & UINT32_C(1) << option) != 0)
        return take_repeated(options, option);
    if (options->value[option] != NULL) {
        say("--%s is there twice; give it once", option_rows[option].name);
        return false;
    }
    options->value[option] = option_rows[option].value != NULL ? optarg : "";
    return true;
}

bool options_read(int argc, char **argv, struct options *options)
{
    struct option rows[OPTION_COUNT_OF + 1];
    char letters[2 * OPTION_COUNT_OF + 1];
    build_long(rows);
    build_short(letters);
    *options = (struct options){0};
    for (int found; (found = getopt_long(argc, argv, letters, rows, NULL)) != -1;)
        if (!take(options, found_option(found)))
            return false;
    options->words = argv + optind;
    options->words_count = (size_t)(argc - optind);
    return true;
}

uint32_t options_given(const struct options *options)
{
    uint32_t given = 0;
    for (int i = 0; i < OPTION_COUNT_OF; i++)
        given |= options->value[i] != NULL ? UINT32_C(1) << i : 0;
    return given;
}
