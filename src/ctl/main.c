/*
 * allowctl: reads the command line, and runs the command.
 */
#include "base/quantity.h"
#include "ctl/commands/table.h"
#include "ctl/help.h"
#include "ctl/numbers.h"
#include "ctl/say.h"
#include "ctl/token_file.h"

#include <curl/curl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 10000 };

/* An option, or what the environment says in its place. */
static const char *option_or(const struct options *options, enum option_name name,
                             const char *variable)
{
    const char *value = options->value[name];
    if (value == NULL)
        value = getenv(variable);
    return value != NULL && value[0] == '\0' ? NULL : value;
}

/* ---- what the command may be told ---- */

static const char *first_of(uint32_t set)
{
    int i = 0;
    while ((set & UINT32_C(1) << i) == 0)
        i++;
    return option_rows[i].name;
}

static bool suits(const struct command *command, const struct options *options, size_t words)
{
    uint32_t strange = options_given(options) & ~(command->options | OPTIONS_OF_ALL);
    if (strange != 0)
        say("%s does not take --%s; see \"allowctl %s -h\"", command->name, first_of(strange),
            command->name);
    else if (words < command->words_min)
        say("%s wants %s; see \"allowctl %s -h\"", command->name, command->arguments,
            command->name);
    else if (words > command->words_max)
        say("%s: \"%s\" is one word too many; see \"allowctl %s -h\"", command->name,
            options->words[options->words_count - 1], command->name);
    else
        return true;
    return false;
}

/* Of commands of two words somebody may have given the first alone. */
static const char *second_word_of(const char *name, const char *first)
{
    size_t len = strlen(first);
    return strncmp(name, first, len) == 0 && name[len] == ' ' ? name + len + 1 : NULL;
}

static void say_no_command(const struct options *options)
{
    const char *first = options->words_count > 0 ? options->words[0] : NULL;
    char which[256];
    struct text text = text_begin_cut(which, sizeof which);
    for (size_t i = 0; first != NULL && i < commands_count; i++) {
        const char *second = second_word_of(commands[i]->name, first);
        if (second == NULL)
            continue;
        text_string(&text, text.at == text.start ? "" : ", ");
        text_string(&text, second);
    }
    text_end(&text);
    if (first == NULL)
        say("a command is missing; \"allowctl -h\" shows which there are");
    else if (which[0] != '\0')
        say("behind \"%s\" another word is missing: %s", first, which);
    else
        say("there is no command \"%s\"; \"allowctl -h\" shows which there are", first);
}

/* ---- running it ---- */

/* Makes the client; it is NULL if what was told of the server is wrong, which is said. */
static enum ctl_exit connect_to(const struct options *options, struct server *server,
                                struct client **client)
{
    const char *address = option_or(options, OPTION_SERVER, "ALLOWD_SERVER");
    const char *token_path = option_or(options, OPTION_TOKEN_FILE, "ALLOWD_TOKEN_FILE");
    if (address == NULL)
        address = SERVER_DEFAULT;
    const char *fault = server_read(address, server);
    char token[TOKEN_MAX + 1] = "";
    uint64_t patience_ms = PATIENCE_MS;
    if (fault != NULL) {
        /* A password that is in it is not for the screen. */
        say("%s %s", strchr(address, '@') != NULL ? "the server's address" : address, fault);
        return CTL_USAGE;
    }
    fault = token_path != NULL ? token_file_read(token_path, token) : NULL;
    if (fault != NULL) {
        say("%s: %s", token_path, fault);
        return CTL_USAGE;
    }
    if (!duration_of_option(options, OPTION_TIMEOUT, 1, MS_PER_DAY, &patience_ms))
        return CTL_USAGE;
    *client = client_new(server, token[0] != '\0' ? token : NULL, patience_ms);
    explicit_bzero(token, sizeof token);
    if (*client != NULL)
        return CTL_DONE;
    say("there is not enough memory");
    return CTL_FAILED;
}

static enum ctl_exit run(const struct command *command, const struct options *options, size_t named)
{
    struct server server = {0};
    struct job job = {
        .options = options,
        .words = options->words + named,
        .words_count = options->words_count - named,
        .charset = shown_charset(),
        .line_is = "line",
    };
    if (!suits(command, options, job.words_count))
        return CTL_USAGE;
    enum ctl_exit exit = connect_to(options, &server, &job.client);
    if (exit == CTL_DONE)
        exit = command->run(&job);
    client_free(job.client);
    server_release(&server);
    return exit;
}

static enum ctl_exit do_what_is_asked(const struct options *options)
{
    size_t named = 0;
    const struct command *command = command_find(options->words, options->words_count, &named);
    if (options->value[OPTION_VERSION] != NULL) {
        fputs("allowctl " PACKAGE_VERSION "\n", stdout);
        return CTL_DONE;
    }
    if (command == NULL && (options->words_count > 0 || options->value[OPTION_HELP] == NULL)) {
        say_no_command(options);
        return CTL_USAGE;
    }
    if (options->value[OPTION_HELP] != NULL) {
        help_show(command, stdout);
        return CTL_DONE;
    }
    return run(command, options, named);
}

/* What was shown is no good if it did not get there. */
static enum ctl_exit close_output(enum ctl_exit exit)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit;
    say("standard output cannot be written");
    return CTL_FAILED;
}

int main(int argc, char **argv)
{
    struct options options;
    enum ctl_exit exit = CTL_USAGE;
    setlocale(LC_CTYPE, "");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return CTL_FAILED;
    if (options_read(argc, argv, &options))
        exit = close_output(do_what_is_asked(&options));
    curl_global_cleanup();
    return (int)exit;
}
