#include "config/events.h"

#include "config/syntax.h"

#include <string.h>

/* No valid file is nearly so deep, and libyaml's time grows with the square of the depth. */
#define NESTING_MAX 100

bool events_init(struct events *events, const char *bytes, size_t len,
                 const struct escapes *escapes, struct faults *faults)
{
    *events = (struct events){.faults = faults, .escapes = escapes};
    if (!yaml_parser_initialize(&events->parser)) {
        faults_add(faults, 0, 0, "out of memory");
        return false;
    }
    yaml_parser_set_input_string(&events->parser, (const unsigned char *)bytes, len);
    return true;
}

void events_release(struct events *events)
{
    yaml_event_delete(&events->event);
    yaml_parser_delete(&events->parser);
}

static void report_problem(const yaml_parser_t *parser, struct faults *faults)
{
    char advice[SYNTAX_ADVICE_MAX] = "";
    if (parser->error != YAML_MEMORY_ERROR)
        syntax_advise(parser, advice);
    if (parser->error == YAML_MEMORY_ERROR)
        faults_add(faults, 0, 0, "out of memory");
    else if (parser->context != NULL)
        faults_add(faults, EVENTS_AT(parser->problem_mark),
                   "not valid YAML: %s, %s (from line %zu)%s", parser->problem, parser->context,
                   parser->context_mark.line + 1, advice);
    else
        faults_add(faults, EVENTS_AT(parser->problem_mark), "not valid YAML: %s%s", parser->problem,
                   advice);
}

/* Whether a tag says what is so without it: as every single value is a text here, which is read by
 * its place, the tags of YAML's core schema that fit a kind of value change nothing. */
static bool tag_fits(yaml_event_type_t type, const char *tag)
{
    static const char core[] = "tag:yaml.org,2002:";
    static const struct {
        yaml_event_type_t type;
        const char *name;
    } fitting[] = {
        {YAML_SCALAR_EVENT, "str"},        {YAML_SCALAR_EVENT, "int"},
        {YAML_SCALAR_EVENT, "float"},      {YAML_SCALAR_EVENT, "bool"},
        {YAML_SCALAR_EVENT, "timestamp"},  {YAML_SEQUENCE_START_EVENT, "seq"},
        {YAML_MAPPING_START_EVENT, "map"},
    };
    if (strcmp(tag, "!") == 0)
        return true;
    if (strncmp(tag, core, sizeof core - 1) != 0)
        return false;
    for (size_t i = 0; i < sizeof fitting / sizeof fitting[0]; i++)
        if (type == fitting[i].type && strcmp(tag + sizeof core - 1, fitting[i].name) == 0)
            return true;
    return false;
}

/* Reports anchors and aliases, and tags that would change the meaning of a value. */
static void check_properties(const yaml_event_t *event, struct faults *faults)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_ALIAS_EVENT) {
        faults_add(faults, EVENTS_AT(event->start_mark),
                   "an alias (*%s) is not accepted; write the value itself, or put quotes around a "
                   "text that begins with *",
                   (const char *)event->data.alias.anchor);
    } else if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor != NULL)
        faults_add(
            faults, EVENTS_AT(event->start_mark),
            "an anchor (&%s) is not accepted; leave it out, and write the value itself where it "
            "is used",
            (const char *)anchor);
    if (tag != NULL && !tag_fits(event->type, (const char *)tag))
        faults_add(faults, EVENTS_AT(event->start_mark), "a tag (%s) is not accepted; leave it out",
                   (const char *)tag);
}

bool events_next(struct events *events)
{
    if (events->is_stopped)
        return false;
    yaml_event_delete(&events->event);
    if (yaml_parser_parse(&events->parser, &events->event)) {
        escapes_correct(events->escapes, &events->event.start_mark);
        check_properties(&events->event, events->faults);
        return true;
    }
    escapes_correct(events->escapes, &events->parser.problem_mark);
    report_problem(&events->parser, events->faults);
    events->is_stopped = true;
    return false;
}

/* By how many levels the event changes the depth. */
static int depth_change(const yaml_event_t *event)
{
    switch ((int)event->type) {
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return 1;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return -1;
    default:
        return 0;
    }
}

bool events_skip(struct events *events)
{
    int depth = 0;
    do {
        depth += depth_change(&events->event);
        if (depth > NESTING_MAX) {
            faults_add(events->faults, EVENTS_AT(events->event.start_mark),
                       "nested more than %d levels deep; what follows is not checked", NESTING_MAX);
            events->is_stopped = true;
            return false;
        }
    } while (depth > 0 && events_next(events));
    return true;
}

bool event_is_empty(const yaml_event_t *event)
{
    static const char *const words[] = {"~", "null", "Null", "NULL"};
    if (event->type != YAML_SCALAR_EVENT)
        return false;
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && event->data.scalar.tag == NULL)
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            if (strcmp((const char *)event->data.scalar.value, words[i]) == 0)
                return true;
    return event->data.scalar.length == 0;
}

bool event_has_nul(const yaml_event_t *scalar)
{
    return memchr(scalar->data.scalar.value, '\0', scalar->data.scalar.length) != NULL;
}
