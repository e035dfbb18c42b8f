#include "config/shape.h"

#include "config/events.h"
#include "config/hints.h"
#include "config/schema.h"
#include "config/text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_TEXT_MAX 512

/* What the whole document is. */
struct root {
    const char *name; /* as faults call it */
    const cyaml_schema_value_t *schema;
};

static const struct root roots[] = {
    [SHAPE_CONFIGURATION] = {"the configuration", &config_schema},
    [SHAPE_OVERRIDE] = {"the override", &config_override_schema},
};

struct shape {
    const struct root *root;
    struct events events;
    struct faults *faults;
    FILE *copy;
};

/* How much of a value got into the copy. */
enum taken {
    TAKEN_NOT,
    TAKEN_IN_PART, /* a list that lacks some of its entries */
    TAKEN_WHOLE,
};

/* What a value belongs to: "limits" itself, or "an entry of " it. */
struct slot {
    const char *prefix, *name;
};

/* What has become of a name in one mapping. */
struct name_use {
    size_t line; /* 0: the name is not there */
    enum taken taken;
};

static const char *kind_name(cyaml_type_e kind)
{
    return kind == CYAML_MAPPING    ? "names with values"
           : kind == CYAML_SEQUENCE ? "a list"
                                    : "a single value";
}

static cyaml_type_e event_kind(const yaml_event_t *event)
{
    return event->type == YAML_MAPPING_START_EVENT    ? CYAML_MAPPING
           : event->type == YAML_SEQUENCE_START_EVENT ? CYAML_SEQUENCE
                                                      : CYAML_STRING;
}

/* The names that a file may have in a mapping: all except the first, which is the place. */
static const cyaml_schema_field_t *names_of(const cyaml_schema_value_t *mapping)
{
    const cyaml_schema_field_t *fields = mapping->mapping.fields;
    assert(strcmp(fields[0].key, CONFIG_PLACE) == 0);
    return fields + 1;
}

/* Writes the names that a mapping may have, or those that it must have. */
static void list_names(const cyaml_schema_field_t *fields, bool only_required,
                       char text[NAMES_TEXT_MAX])
{
    size_t len = 0;
    text[0] = '\0';
    for (; fields->key != NULL; fields++) {
        if (only_required && (fields->value.flags & CYAML_FLAG_OPTIONAL) != 0)
            continue;
        int written =
            snprintf(text + len, NAMES_TEXT_MAX - len, "%s%s", len == 0 ? "" : ", ", fields->key);
        assert(written > 0 && (size_t)written < NAMES_TEXT_MAX - len);
        len += (size_t)written;
    }
}

/* What to do if a text was meant, but YAML takes it for a list or a mapping. */
static const char *flow_advice(struct slot slot, const yaml_event_t *event)
{
    bool is_entry = slot.prefix[0] != '\0';
    if (!is_entry && strcmp(slot.name, "key") != 0 && strcmp(slot.name, "match") != 0)
        return "";
    if (event->type == YAML_MAPPING_START_EVENT &&
        event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE)
        return "; put quotes around a text that begins with { or ?";
    if (event->type == YAML_SEQUENCE_START_EVENT &&
        event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE)
        return "; put quotes around a text that begins with [";
    return "";
}

static void report_kind(struct shape *shape, yaml_mark_t mark, struct slot slot,
                        cyaml_type_e wanted, cyaml_type_e found, const char *advice)
{
    faults_add(shape->faults, EVENTS_AT(mark), "%s%s must be %s, not %s%s", slot.prefix, slot.name,
               kind_name(wanted), kind_name(found), advice);
}

/* Reports a value of another kind, and moves past it. */
static void refuse_kind(struct shape *shape, struct slot slot, cyaml_type_e wanted)
{
    yaml_mark_t mark = shape->events.event.start_mark;
    cyaml_type_e found = event_kind(&shape->events.event);
    const char *advice = wanted == CYAML_STRING ? flow_advice(slot, &shape->events.event) : "";
    if (events_skip(&shape->events))
        report_kind(shape, mark, slot, wanted, found, advice);
}

static void take_scalar(struct shape *shape)
{
    const yaml_event_t *event = &shape->events.event;
    fprintf(shape->copy, "\"%zu:%zu ", EVENTS_AT(event->start_mark));
    config_write_quotable(shape->copy, (const char *)event->data.scalar.value,
                          event->data.scalar.length);
    fputc('"', shape->copy);
}

/* Whether a text looks like 1.2345678e+07 or 1e+06, which programs write for 12345678. */
static bool is_made_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0)
        return false;
    text += digits;
    if (*text == '.')
        text += 1 + strspn(text + 1, "0123456789");
    if ((*text != 'e' && *text != 'E') || (text[1] != '+' && text[1] != '-'))
        return false;
    digits = strspn(text + 2, "0123456789");
    return digits > 0 && text[2 + digits] == '\0';
}

/* Whether a text is a word that programs write for a truth value, of what was yes or off too. */
static bool is_made_truth(const char *text)
{
    static const char *const words[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

/* Warns of a key without quotes that another program seems to have taken for a number or a truth
 * value. Numbers in digits only are keys as others are. */
static void warn_of_made_text(struct shape *shape, struct slot slot)
{
    const yaml_event_t *event = &shape->events.event;
    const char *text = (const char *)event->data.scalar.value;
    bool is_free = strcmp(slot.name, "key") == 0 || strcmp(slot.name, "match") == 0 ||
                   strcmp(slot.name, "name") == 0;
    bool is_number = is_made_number(text);
    if (!is_free || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE ||
        event->data.scalar.tag != NULL || (!is_number && !is_made_truth(text)))
        return;
    faults_warn(shape->faults, EVENTS_AT(event->start_mark),
                "%s %s looks like a %s that a program has made of it; put what is meant in quotes, "
                "where it is written first",
                slot.name, text, is_number ? "number" : "truth value");
}

static enum taken take_value(struct shape *shape, struct slot slot,
                             const cyaml_schema_value_t *schema);

/* Whether an empty list says the same as none, as programs write it. For addresses and limits the
 * default is not nothing: there it is more likely that the list got lost where it was made. */
static bool may_be_empty(const char *name)
{
    static const char *const filled[] = {"listen", "admin_listen", "listen_resp", "limits"};
    for (size_t i = 0; i < sizeof filled / sizeof filled[0]; i++)
        if (strcmp(name, filled[i]) == 0)
            return false;
    return true;
}

static enum taken take_list(struct shape *shape, const char *name,
                            const cyaml_schema_value_t *schema)
{
    struct events *events = &shape->events;
    yaml_mark_t start = events->event.start_mark;
    size_t entries = 0, written = 0, max = schema->sequence.max;
    fputc('[', shape->copy);
    while (events_next(events) && events->event.type != YAML_SEQUENCE_END_EVENT) {
        entries++;
        if (entries == max + 1)
            faults_add(shape->faults, EVENTS_AT(events->event.start_mark),
                       "%s has more entries than the %zu it may have", name, max);
        if (entries > max) {
            events_skip(events);
        } else if (take_value(shape, (struct slot){"an entry of ", name}, schema->sequence.entry) !=
                   TAKEN_NOT) {
            fputs(",\n", shape->copy);
            written++;
        }
    }
    fputc(']', shape->copy);
    if (entries == 0 && !events->is_stopped && !may_be_empty(name))
        faults_add(shape->faults, EVENTS_AT(start),
                   "%s is an empty list; give it 1 to %zu entries, or leave it out", name, max);
    bool is_whole =
        (entries > 0 || may_be_empty(name)) && written == entries && !events->is_stopped;
    return is_whole ? TAKEN_WHOLE : TAKEN_IN_PART;
}

static void refuse_name(struct shape *shape, const cyaml_schema_field_t *fields)
{
    const yaml_event_t *event = &shape->events.event;
    char names[NAMES_TEXT_MAX], shortened[CONFIG_SHORT_MAX];
    const char *hint = hint_name((const char *)event->data.scalar.value);
    list_names(fields, false, names);
    if (event_has_nul(event))
        faults_add(shape->faults, EVENTS_AT(event->start_mark),
                   "a name with a NUL character in it; the names here are %s", names);
    else if (hint != NULL)
        faults_add(shape->faults, EVENTS_AT(event->start_mark), "unknown name \"%s\"; %s",
                   (const char *)event->data.scalar.value, hint);
    else
        faults_add(shape->faults, EVENTS_AT(event->start_mark),
                   "unknown name \"%s\"; the names here are %s",
                   config_shorten((const char *)event->data.scalar.value, shortened), names);
}

/* The index of the field that a scalar names, or -1. */
static int find_field(const yaml_event_t *scalar, const cyaml_schema_field_t *fields)
{
    const char *name = (const char *)scalar->data.scalar.value;
    for (int i = 0; fields[i].key != NULL; i++)
        if (!event_has_nul(scalar) && strcmp(fields[i].key, name) == 0)
            return i;
    return -1;
}

/* Takes the name that begins with the current event. Returns its index; -1: skip its value. */
static int take_name(struct shape *shape, const cyaml_schema_field_t *fields,
                     const struct name_use uses[])
{
    const yaml_event_t *event = &shape->events.event;
    if (event->type == YAML_ALIAS_EVENT)
        return -1;
    if (event->type != YAML_SCALAR_EVENT) {
        refuse_kind(shape, (struct slot){"", "a name"}, CYAML_STRING);
        return -1;
    }
    int index = find_field(event, fields);
    if (index < 0) {
        refuse_name(shape, fields);
        return -1;
    }
    if (uses[index].line != 0) {
        faults_add(shape->faults, EVENTS_AT(event->start_mark),
                   "%s is given twice; the first is on line %zu", fields[index].key,
                   uses[index].line);
        return -1;
    }
    return index;
}

static void take_pair(struct shape *shape, const cyaml_schema_field_t *fields,
                      struct name_use uses[])
{
    size_t line = shape->events.event.start_mark.line + 1;
    int index = take_name(shape, fields, uses);
    if (index >= 0)
        uses[index].line = line;
    if (!events_next(&shape->events))
        return;
    if (index < 0) {
        events_skip(&shape->events);
        return;
    }
    const cyaml_schema_field_t *field = &fields[index];
    uses[index].taken = take_value(shape, (struct slot){"", field->key}, &field->value);
    if (uses[index].taken != TAKEN_NOT)
        fputs(",\n", shape->copy);
}

/* Reports that a required name is missing. */
static void report_missing(struct shape *shape, yaml_mark_t start,
                           const cyaml_schema_field_t *fields, const char *name)
{
    char required[NAMES_TEXT_MAX];
    list_names(fields, true, required);
    bool is_only_one = strcmp(required, name) == 0;
    faults_add(shape->faults, EVENTS_AT(start), "%s is missing; %s%s", name,
               is_only_one ? "it is required here" : "required here are ",
               is_only_one ? "" : required);
}

/* Reports what is missing. In the copy an empty string stands for each scalar that is missing or
 * faulty: the schema allows it, and no other value is empty. */
static void complete_mapping(struct shape *shape, yaml_mark_t start,
                             const cyaml_schema_field_t *fields, const struct name_use uses[])
{
    for (size_t i = 0; fields[i].key != NULL; i++) {
        bool is_required = (fields[i].value.flags & CYAML_FLAG_OPTIONAL) == 0;
        bool is_missing = is_required && uses[i].line == 0;
        if (is_missing && !shape->events.is_stopped)
            report_missing(shape, start, fields, fields[i].key);
        bool is_faulty = uses[i].line != 0 && uses[i].taken == TAKEN_NOT;
        if (fields[i].value.type == CYAML_STRING && (is_missing || is_faulty))
            fprintf(shape->copy, "%s: \"\",\n", fields[i].key);
    }
}

/* Writes the place of a mapping: where it begins, and which names of it the copy lacks, at least in
 * part. See CONFIG_PLACE. */
static void write_place(struct shape *shape, yaml_mark_t start, const cyaml_schema_field_t *fields,
                        const struct name_use uses[])
{
    fprintf(shape->copy, "%s: \"%zu:%zu ,", CONFIG_PLACE, EVENTS_AT(start));
    for (size_t i = 0; fields[i].key != NULL; i++) {
        bool may_be_there = uses[i].line != 0 || shape->events.is_stopped;
        if (may_be_there && uses[i].taken != TAKEN_WHOLE)
            fprintf(shape->copy, "%s,", fields[i].key);
    }
    fputs("\",\n", shape->copy);
}

static void take_mapping(struct shape *shape, const cyaml_schema_field_t *fields)
{
    struct events *events = &shape->events;
    struct name_use uses[CONFIG_NAMES_MAX] = {{0}};
    yaml_mark_t start = events->event.start_mark;
    fputs("{\n", shape->copy);
    while (events_next(events) && events->event.type != YAML_MAPPING_END_EVENT)
        take_pair(shape, fields, uses);
    complete_mapping(shape, start, fields, uses);
    write_place(shape, start, fields, uses);
    fputc('}', shape->copy);
}

/* Whether a value of another kind than wanted can be taken, which is so of {} where an empty list
 * may be: PHP, which has one kind of array for both, writes that. Moves past the value. */
static bool admit_other_kind(struct shape *shape, struct slot slot, cyaml_type_e wanted)
{
    struct events *events = &shape->events;
    yaml_mark_t mark = events->event.start_mark;
    if (wanted != CYAML_SEQUENCE || events->event.type != YAML_MAPPING_START_EVENT ||
        !may_be_empty(slot.name)) {
        refuse_kind(shape, slot, wanted);
        return false;
    }
    if (!events_next(events))
        return false;
    if (events->event.type == YAML_MAPPING_END_EVENT)
        return true;
    while (events->event.type != YAML_MAPPING_END_EVENT)
        if (!events_skip(events) || !events_next(events))
            return false;
    report_kind(shape, mark, slot, wanted, CYAML_MAPPING, "");
    return false;
}

/* Whether a value can be taken. If not, reports it and moves past it. */
static bool admit_value(struct shape *shape, struct slot slot, cyaml_type_e wanted)
{
    const yaml_event_t *event = &shape->events.event;
    if (event->type == YAML_ALIAS_EVENT)
        return false;
    if (event_is_empty(event)) {
        faults_add(shape->faults, EVENTS_AT(event->start_mark), "%s%s is empty; it takes %s",
                   slot.prefix, slot.name, kind_name(wanted));
        return false;
    }
    if (event_kind(event) != wanted)
        return admit_other_kind(shape, slot, wanted);
    if (wanted == CYAML_STRING && event_has_nul(event)) {
        faults_add(shape->faults, EVENTS_AT(event->start_mark),
                   "%s%s has a NUL character in it, which no value may have", slot.prefix,
                   slot.name);
        return false;
    }
    return true;
}

/* Takes the node that begins with the current event. */
static enum taken take_value(struct shape *shape, struct slot slot,
                             const cyaml_schema_value_t *schema)
{
    if (!admit_value(shape, slot, schema->type))
        return TAKEN_NOT;
    bool is_named = slot.prefix[0] == '\0';
    if (is_named)
        fprintf(shape->copy, "%s: ", slot.name);
    if (event_kind(&shape->events.event) != schema->type) {
        fputs("[]", shape->copy); /* of {} for an empty list */
        return TAKEN_WHOLE;
    }
    switch ((int)schema->type) {
    case CYAML_MAPPING:
        take_mapping(shape, names_of(schema));
        return TAKEN_WHOLE;
    case CYAML_SEQUENCE:
        return take_list(shape, slot.name, schema);
    default:
        assert(schema->type == CYAML_STRING); /* the schema has no other types */
        warn_of_made_text(shape, slot);
        take_scalar(shape);
        return TAKEN_WHOLE;
    }
}

/* Takes the only document of the stream. Returns whether anything of it is in the copy. */
static bool take_stream(struct shape *shape)
{
    struct events *events = &shape->events;
    const struct root *root = shape->root;
    bool is_written = false;
    if (!events_next(events) || !events_next(events))
        return false;
    if (events->event.type == YAML_STREAM_END_EVENT) {
        faults_add(shape->faults, 1, 1, "%s is empty; it takes %s", root->name,
                   kind_name(CYAML_MAPPING));
        return false;
    }
    if (events_next(events))
        is_written = take_value(shape, (struct slot){root->name, ""}, root->schema) != TAKEN_NOT;
    if (events_next(events) && events_next(events) && events->event.type != YAML_STREAM_END_EVENT)
        faults_add(shape->faults, EVENTS_AT(events->event.start_mark),
                   "a second document begins; %s is one document", root->name);
    return is_written;
}

static void close_copy(struct shape *shape, bool is_wanted, struct config_copy *copy)
{
    bool failed = ferror(shape->copy) != 0;
    failed |= fclose(shape->copy) != 0;
    failed |= copy->yaml == NULL; /* glibc reports no error if its last allocation fails */
    if (failed)
        faults_add(shape->faults, 0, 0, "out of memory");
    if (failed || !is_wanted) {
        free(copy->yaml);
        copy->yaml = NULL;
    }
}

/* Checks a text in which every character may be. */
static void check_text(struct shape *shape, const char *bytes, size_t len,
                       const struct escapes *escapes, struct config_copy *copy)
{
    if (!events_init(&shape->events, bytes, len, escapes, shape->faults))
        return;
    shape->copy = open_memstream(&copy->yaml, &copy->len);
    if (shape->copy == NULL) {
        faults_add(shape->faults, 0, 0, "out of memory");
    } else {
        bool is_written = take_stream(shape);
        close_copy(shape, is_written, copy);
    }
    events_release(&shape->events);
}

struct config_copy config_shape_check(enum shape_root root, char *bytes, size_t len,
                                      struct faults *faults)
{
    struct config_copy copy = {0};
    struct shape shape = {.root = &roots[root], .faults = faults};
    if (len >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0)) {
        faults_add(faults, 0, 0, "is UTF-16 text; %s must be UTF-8", shape.root->name);
        return copy;
    }
    /* Skips the byte order mark of UTF-8, which would count as a column. */
    size_t mark_len = len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    bytes += mark_len;
    len -= mark_len;

    config_mend_characters(bytes, len, faults);
    struct escapes escapes;
    if (escapes_mend(bytes, &len, &escapes, faults))
        check_text(&shape, bytes, len, &escapes, &copy);
    escapes_release(&escapes);
    return copy;
}
