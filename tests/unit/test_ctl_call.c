/* What allowctl makes of its command line: options, commands, the server's address, parameters; and of a
 * stream that comes in pieces. */
#include "ctl/commands/table.h"
#include "ctl/lines.h"
#include "ctl/options.h"
#include "ctl/query.h"
#include "ctl/server.h"
#include "support/unit.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the command line ---- */

/* Words between blanks. */
static size_t split(const char *line, char buffer[256], char *words[16])
{
    size_t count = 0;
    char *place = NULL;
    snprintf(buffer, 256, "%s", line);
    for (char *word = strtok_r(buffer, " ", &place); word != NULL;
         word = strtok_r(NULL, " ", &place))
        words[count++] = word;
    words[count] = NULL;
    return count;
}

/* The options point into it. */
static char line_buffer[256];

static bool read_line(struct options *options, const char *line)
{
    static char *words[16];
    size_t count = split(line, line_buffer, words);
    optind = 0; /* as getopt wants to begin anew */
    return options_read((int)count, words, options);
}

static void options_stand_anywhere(void **state)
{
    (void)state;
    struct options options;
    assert_true(read_line(&options, "allowctl override -l api put --rate=5/s k -s x"));
    assert_int_equal(options.words_count, 3);
    assert_string_equal(options.words[0], "override");
    assert_string_equal(options.words[1], "put");
    assert_string_equal(options.words[2], "k");
    assert_string_equal(options.value[OPTION_LIMIT], "api");
    assert_string_equal(options.value[OPTION_RATE], "5/s");
    assert_string_equal(options.value[OPTION_SERVER], "x");
    assert_int_equal(options_given(&options),
                     OPTION_BIT(LIMIT) | OPTION_BIT(RATE) | OPTION_BIT(SERVER));
}

static void a_key_may_look_like_an_option(void **state)
{
    (void)state;
    struct options options;
    assert_true(read_line(&options, "allowctl allow --json -- -n"));
    assert_int_equal(options.words_count, 2);
    assert_string_equal(options.words[1], "-n");
    assert_null(options.value[OPTION_TOKENS]);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    struct options options;
    assert_false(read_line(&options, "allowctl allow --nonsense k"));
    assert_false(read_line(&options, "allowctl allow -n 1 --tokens 2 k"));
    assert_false(read_line(&options, "allowctl allow k -n"));
    assert_false(
        read_line(&options, "allowctl allow k --token secret")); /* there is no such option */
}

static void expect_command(const char *line, const char *name, size_t named)
{
    char buffer[256], *words[16];
    size_t count = split(line, buffer, words);
    size_t found_named = 99;
    const struct command *found = command_find(words, count, &found_named);
    if (name == NULL) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_string_equal(found->name, name);
    assert_int_equal(found_named, named);
}

static void commands_are_found(void **state)
{
    (void)state;
    expect_command("status key", "status", 1);
    expect_command("leases", "leases", 1);
    expect_command("leases release x", "leases release", 2);
    expect_command("override put x", "override put", 2);
    expect_command("override", NULL, 0);
    expect_command("statu", NULL, 0);
    expect_command("statusx", NULL, 0);
    expect_command("", NULL, 0);
}

static void rows_are_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < commands_count; i++) {
        const struct command *command = commands[i];
        size_t named = 0;
        char buffer[256], *words[16];
        size_t count = split(command->name, buffer, words);
        assert_ptr_equal(command_find(words, count, &named), command);
        assert_int_equal(named, count);
        assert_non_null(command->run);
        assert_true(command->words_min <= command->words_max);
        assert_int_equal(command->options & OPTIONS_OF_ALL, 0);
        assert_int_equal(command->arguments[0] == '\0', command->words_max == 0);
        assert_null(strstr(command->text, "  ")); /* completion goes by two blanks */
    }
}

/* ---- the server ---- */

static void addresses_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *url, *unix_path;
    } cases[] = {
        {"http://127.0.0.1:10429", "http://127.0.0.1:10429", NULL},
        {"http://127.0.0.1:10429/", "http://127.0.0.1:10429", NULL},
        {"https://limits.example/allowd/", "https://limits.example/allowd", NULL},
        {"127.0.0.1:1", "http://127.0.0.1:1", NULL},
        {"localhost", "http://localhost:10429", NULL},
        {"[::1]", "http://[::1]:10429", NULL},
        {"[::1]:80", "http://[::1]:80", NULL},
        {"unix:/run/a b", "http://localhost", "/run/a b"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct server server;
        assert_null(server_read(cases[i].text, &server));
        assert_string_equal(server.url, cases[i].url);
        assert_string_equal(server.shown, cases[i].text);
        if (cases[i].unix_path == NULL)
            assert_null(server.unix_path);
        else
            assert_string_equal(server.unix_path, cases[i].unix_path);
        server_release(&server);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:70/",
        "http://",
        "http://a b/",
        "http://user@host/",
        "http://user:password@host/",
        "host:notaport",
        "http://host/?key=a",
        "http://host/#a",
        "unix:relative",
        "unix:",
        "unix:/0123456789012345678901234567890123456789012345678901234567890123456789"
        "0123456789012345678901234567890123456789",
    };
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        struct server server;
        assert_non_null(server_read(wrong[i], &server));
        server_release(&server);
    }
}

/* ---- parameters ---- */

static void parameters_are_encoded(void **state)
{
    (void)state;
    char query[128];
    struct text text = text_begin(query, sizeof query);
    query_add(&text, "limit", NULL);
    query_add(&text, "key", "a&b=c +%/\xc3\xa9");
    query_add(&text, "reason", "");
    query_add(&text, "until", "2026-12-31T23:59:59Z");
    text_end(&text);
    assert_string_equal(query,
                        "key=a%26b%3Dc%20%2B%25%2F%C3%A9&reason=&until=2026-12-31T23%3A59%3A59Z");
}

/* ---- lines ---- */

struct taken {
    char lines[8][16];
    size_t count, most;
};

static bool take(void *context, const char *line, size_t len)
{
    struct taken *taken = context;
    memcpy(taken->lines[taken->count++], line, len);
    return taken->count < taken->most;
}

static void lines_come_in_pieces(void **state)
{
    (void)state;
    static const char stream[] = "ab\n\ncdef\ng";
    for (size_t piece = 1; piece <= sizeof stream; piece++) {
        struct taken taken = {.most = 8};
        struct lines lines = lines_begin(take, &taken);
        for (size_t at = 0; at < sizeof stream - 1; at += piece) {
            size_t left = sizeof stream - 1 - at;
            assert_true(lines_take(&lines, stream + at, left < piece ? left : piece));
        }
        assert_int_equal(taken.count, 3);
        assert_string_equal(taken.lines[0], "ab");
        assert_string_equal(taken.lines[1], "");
        assert_string_equal(taken.lines[2], "cdef");
        lines_release(&lines);
    }
}

static void lines_end_when_nobody_wants_more(void **state)
{
    (void)state;
    struct taken taken = {.most = 2};
    struct lines lines = lines_begin(take, &taken);
    assert_false(lines_take(&lines, "a\nb\nc\n", 6));
    assert_int_equal(taken.count, 2);
    lines_release(&lines);
}

static void lines_are_bounded(void **state)
{
    (void)state;
    static char piece[1024];
    struct taken taken = {.most = 8};
    struct lines lines = lines_begin(take, &taken);
    memset(piece, 'x', sizeof piece);
    for (size_t kept = 0; kept < LINES_MAX; kept += sizeof piece)
        assert_true(lines_take(&lines, piece, sizeof piece));
    assert_false(lines_take(&lines, piece, 1));
    assert_int_equal(taken.count, 0);
    lines_release(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(a_key_may_look_like_an_option),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(commands_are_found),
        cmocka_unit_test(rows_are_whole),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(parameters_are_encoded),
        cmocka_unit_test(lines_come_in_pieces),
        cmocka_unit_test(lines_end_when_nobody_wants_more),
        cmocka_unit_test(lines_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
