#include "resp/parse.h"

#include <string.h>

#define TEXT_OF(number) TEXT_OF_IT(number)
#define TEXT_OF_IT(number) #number

static const char too_long[] = "a command is longer than " TEXT_OF(COMMAND_MAX) " bytes";

/* Where it reads, and the first fault. */
struct parser {
    const char *at, *end;
    const char *fault;
};

static enum parse_result broken(struct parser *parser, const char *fault)
{
    parser->fault = fault;
    return PARSE_BROKEN;
}

/* A number and its line end, behind the character that says what it counts. Those that are too large
 * to be told apart are COMMAND_MAX + 1; *is_negative: it has a minus, and counts nothing. */
static enum parse_result parse_count(struct parser *parser, const char *fault, size_t *count,
                                     bool *is_negative)
{
    const char *at = parser->at + 1;
    size_t number = 0;
    *is_negative = at < parser->end && *at == '-';
    at += *is_negative;
    const char *digits = at;
    for (; at < parser->end && *at >= '0' && *at <= '9'; at++)
        number = number > COMMAND_MAX ? number : number * 10 + (size_t)(*at - '0');
    if (at - digits > 10 || (at < parser->end && (*at != '\r' || at == digits)))
        return broken(parser, fault);
    if (parser->end - at < 2)
        return PARSE_MORE;
    if (at[1] != '\n')
        return broken(parser, fault);
    parser->at = at + 2;
    *count = *is_negative ? 0 : number;
    return PARSE_DONE;
}

static enum parse_result parse_argument(struct parser *parser, struct argument *argument)
{
    static const char fault[] = "the length of an argument is no number, or too large";
    size_t len = 0;
    bool is_negative = false;
    if (parser->at == parser->end)
        return PARSE_MORE;
    if (*parser->at != '$')
        return broken(parser, "'$' is missing before an argument");
    enum parse_result result = parse_count(parser, fault, &len, &is_negative);
    if (result != PARSE_DONE)
        return result;
    if (is_negative || len > COMMAND_MAX)
        return broken(parser, fault);
    if ((size_t)(parser->end - parser->at) < len + 2)
        return PARSE_MORE;
    if (parser->at[len] != '\r' || parser->at[len + 1] != '\n')
        return broken(parser, "an argument does not end where its length says");
    *argument = (struct argument){parser->at, len};
    parser->at += len + 2;
    return PARSE_DONE;
}

static enum parse_result parse_array(struct parser *parser, struct command *command)
{
    size_t count = 0;
    bool is_negative = false;
    enum parse_result result = parse_count(
        parser, "the number of arguments is no number, or too large", &count, &is_negative);
    if (result == PARSE_DONE && count > COMMAND_ARGS_MAX)
        return broken(parser, "a command has more than " TEXT_OF(COMMAND_ARGS_MAX) " arguments");
    while (result == PARSE_DONE && command->count < count) {
        result = parse_argument(parser, &command->args[command->count]);
        command->count += result == PARSE_DONE;
    }
    return result;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static enum parse_result parse_line(struct parser *parser, struct command *command)
{
    static const char fault[] = "a line is longer than " TEXT_OF(COMMAND_LINE_MAX) " bytes";
    size_t len = (size_t)(parser->end - parser->at);
    const char *line_end =
        memchr(parser->at, '\n', len < COMMAND_LINE_MAX ? len : COMMAND_LINE_MAX);
    if (line_end == NULL)
        return len < COMMAND_LINE_MAX ? PARSE_MORE : broken(parser, fault);
    command->is_line = true;
    for (const char *at = parser->at; at < line_end;) {
        const char *word = at;
        while (at < line_end && !is_blank(*at))
            at++;
        if (at > word && command->count == COMMAND_ARGS_MAX)
            return broken(parser, "a line has more than " TEXT_OF(COMMAND_ARGS_MAX) " words");
        if (at > word)
            command->args[command->count++] = (struct argument){word, (size_t)(at - word)};
        else
            at++;
    }
    parser->at = line_end + 1;
    return PARSE_DONE;
}

enum parse_result command_parse(const char *bytes, size_t len, struct command *command,
                                size_t *taken, const char **fault)
{
    struct parser parser = {.at = bytes, .end = bytes + len};
    command->count = 0;
    command->is_line = false;
    if (len == 0)
        return PARSE_MORE;
    enum parse_result result =
        bytes[0] == '*' ? parse_array(&parser, command) : parse_line(&parser, command);
    *taken = (size_t)(parser.at - bytes);
    if ((result == PARSE_MORE && len >= COMMAND_MAX) ||
        (result == PARSE_DONE && *taken > COMMAND_MAX))
        result = broken(&parser, too_long);
    *fault = parser.fault;
    return result;
}
