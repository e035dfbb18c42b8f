#include "config/syntax.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* By libyaml's words: its problem and the context, of which NULL stands for any. */
static const struct {
    const char *problem, *context, *advice;
} known[] = {
    {"alphabetic or numeric", "an alias",
     "put quotes around a text that begins with *, as in \"*\""},
    {"alphabetic or numeric", "an anchor", "put quotes around a text that begins with &"},
    {"a tab character", NULL, "indent with spaces, not with tabs"},
    {"expected node content", "flow",
     "put quotes around what begins with : or ? inside [ ] and { }, as in \"::1\""},
    {"mapping values are not allowed", NULL,
     "check the indent, and put quotes around a text that has a colon and a blank in it"},
    {"unknown escape", NULL,
     "write \\\\ for a backslash between double quotes, or put single quotes around the text"},
    {"invalid Unicode", NULL, "this is half of a pair of escapes; write the character itself"},
    {"end of stream", "quoted", "close the quotes"},
    {"expected ','", NULL, "put quotes around a text that has one of [ ] { } , in it"},
    {"expected ':'", NULL,
     "put a colon and a blank behind a name, and put quotes around a text of several lines"},
    {"expected key", "block mapping",
     "check the indent, and put quotes around a text that begins with one of [ { \" '"},
};

void syntax_advise(const yaml_parser_t *parser, char advice[SYNTAX_ADVICE_MAX])
{
    const char *context = parser->context == NULL ? "" : parser->context;
    advice[0] = '\0';
    if (strstr(parser->problem, "cannot start any token") != NULL) {
        char begins = (char)*parser->buffer.pointer;
        if (begins == '\t')
            snprintf(advice, SYNTAX_ADVICE_MAX, "; indent with spaces, not with tabs");
        else
            snprintf(advice, SYNTAX_ADVICE_MAX, "; put quotes around a text that begins with %c",
                     begins);
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strstr(parser->problem, known[i].problem) != NULL &&
            (known[i].context == NULL || strstr(context, known[i].context) != NULL)) {
            snprintf(advice, SYNTAX_ADVICE_MAX, "; %s", known[i].advice);
            return;
        }
}
