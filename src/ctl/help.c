#include "ctl/help.h"

#include "ctl/exits.h"

#include <string.h>

static const struct {
    int status;
    const char *text;
} exits[] = {
#define X(name, number, meaning) {(number), (meaning)},
    EXITS(X)
#undef X
};

enum { WIDTH = 26 };

static void show_row(FILE *out, const char *name, const char *text)
{
    fprintf(out, "  %-*s  %s\n", WIDTH, name, text);
}

static void show_options(FILE *out, uint32_t set)
{
    for (int i = 0; i < OPTION_COUNT_OF; i++) {
        char name[64], letter[8] = "";
        const struct option_row *row = &option_rows[i];
        if ((set & UINT32_C(1) << i) == 0)
            continue;
        if (row->letter != 0)
            snprintf(letter, sizeof letter, "-%c, ", row->letter);
        snprintf(name, sizeof name, "%s--%s%s%s", letter, row->name, row->value != NULL ? " " : "",
                 row->value != NULL ? row->value : "");
        show_row(out, name, row->text);
    }
}

static void show_all(FILE *out)
{
    fputs("Usage: allowctl [OPTION]... COMMAND [ARGUMENT]...\n"
          "Asks an allowd how it is and what it does, and tells it what to do.\n"
          "\n"
          "Commands:\n",
          out);
    for (size_t i = 0; i < commands_count; i++) {
        char name[64];
        bool has_arguments = commands[i]->arguments[0] != '\0';
        snprintf(name, sizeof name, "%s%s%s", commands[i]->name, has_arguments ? " " : "",
                 commands[i]->arguments);
        show_row(out, name, commands[i]->text);
    }
    fputs("\nOptions of all commands; \"allowctl COMMAND -h\" shows its own:\n", out);
    show_options(out, OPTIONS_OF_ALL);
    fputs("\nWithout --server, ALLOWD_SERVER says where, else it is " SERVER_DEFAULT ".\n"
          "Without --token-file, ALLOWD_TOKEN_FILE names the file.\n"
          "\nExit status:\n",
          out);
    for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++)
        fprintf(out, "  %d  %s\n", exits[i].status, exits[i].text);
    fputs("See allowctl(8).\n", out);
}

void help_show(const struct command *command, FILE *out)
{
    if (command == NULL) {
        show_all(out);
        return;
    }
    uint32_t own = command->options & ~OPTIONS_OF_ALL;
    bool has_arguments = command->arguments[0] != '\0';
    fprintf(out, "Usage: allowctl [OPTION]... %s%s%s\n%c%s.\n", command->name,
            has_arguments ? " " : "", command->arguments, (char)(command->text[0] & ~0x20),
            command->text + 1);
    if (own != 0)
        fputs("\nIts options:\n", out);
    show_options(out, own);
    fputs("\nOptions of all commands:\n", out);
    show_options(out, OPTIONS_OF_ALL);
    fputs("See allowctl(8).\n", out);
}
