/* /events: what happens, as it happens. */
#include "ask/event_json.h"
#include "ask/fault_text.h"
#include "base/form.h"
#include "http/accept.h"
#include "http/event_stream.h"
#include "http/parameters.h"
#include "http/question.h"
#include "http/routes/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char type_event_stream[] = "text/event-stream";
static const char type_ndjson[] = "application/x-ndjson";
static const char *const types[ACCEPT_TYPES] = {type_event_stream, type_ndjson};

/* ---- the question ---- */

enum { WORD_MAX = 20, KINDS_TEXT_MAX = 255 };

static void begin(struct request *request)
{
    request->own.events.stream = NULL;
    request->own.events.ask = (struct events_asked){.kinds = UINT32_MAX, .follows = true};
}

/* An id, or 0: all that is kept. */
static bool read_place(struct events_asked *asked, const char *text, size_t len)
{
    if (len == 1 && text[0] == '0') {
        asked->from = EVENTS_KEPT;
    } else {
        if (!event_id_read(text, len, &asked->boot, &asked->since))
            return false;
        asked->from = EVENTS_SINCE;
    }
    asked->has_place = true;
    return true;
}

static void parse_since(struct request *request, const char *value, size_t len)
{
    char id[EVENT_ID_MAX + 1];
    size_t id_len = 0;
    if (form_decode(value, len, true, id, EVENT_ID_MAX, &id_len) != FORM_OK ||
        !read_place(&request->own.events.ask, id, id_len))
        request_refuse(request, 400,
                       "since is \"%s\"; give the id of the last event that you have, or 0 for all "
                       "that are kept",
                       show(value, len).text);
}

#define NO_KIND "no kind of event is \"%s\"; there are %s"

#define X(kind, ...) char kind[sizeof #kind + 1];
struct all_kinds {
    EVENT_KINDS(X) /* a comma and a blank behind each */
};
#undef X
static_assert(sizeof(struct all_kinds) + sizeof NO_KIND + sizeof(struct shown) <= REPLY_DETAIL_MAX,
              "all kinds are told");

/* The words of EVENT_KINDS, between commas, for a person. */
static void refuse_kind(struct request *request, const char *word, size_t len)
{
    char kinds[sizeof(struct all_kinds)];
    struct text text = text_begin(kinds, sizeof kinds);
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        text_string(&text, kind == 0 ? "" : ", ");
        text_string(&text, event_rows[kind].word);
    }
    text_end(&text);
    request_refuse(request, 400, NO_KIND, show(word, len).text, kinds);
}

static void parse_kind(struct request *request, const char *value, size_t len)
{
    char kinds[KINDS_TEXT_MAX + 1];
    size_t kinds_len = 0;
    if (form_decode(value, len, true, kinds, KINDS_TEXT_MAX, &kinds_len) != FORM_OK) {
        refuse_kind(request, value, len);
        return;
    }
    request->own.events.ask.kinds = 0;
    for (const char *at = kinds, *end = kinds + kinds_len;; at++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t word_len = (size_t)((comma == NULL ? end : comma) - at);
        enum event_kind kind = event_kind_named(at, word_len);
        if (kind == EVENT_KIND_COUNT) {
            refuse_kind(request, at, word_len);
            return;
        }
        request->own.events.ask.kinds |= 1u << kind;
        if (comma == NULL)
            return;
        at = comma;
    }
}

static void parse_follow(struct request *request, const char *value, size_t len)
{
    if (text_is(value, len, "no"))
        request->own.events.ask.follows = false;
    else if (!text_is(value, len, "yes"))
        request_refuse(request, 400, "follow is \"%s\"; give no, or leave it out",
                       show(value, len).text);
}

/* ---- the header ---- */

static bool take_accept(void *taker, const char *value, size_t len)
{
    accept_field(taker, types, value, len);
    return true;
}

/* A reader that comes again gives the last id that it has seen, whatever its target says. An empty one
 * is none. */
static bool take_last_id(void *taker, const char *value, size_t len)
{
    struct request *request = taker;
    if (len > 0 && !read_place(&request->own.events.ask, value, len))
        request_refuse(request, 400,
                       "Last-Event-ID is \"%s\", which is no id of an event here; leave it out",
                       show(value, len).text);
    return true;
}

static void heed_header(struct request *request, struct contract *contract, const char *path,
                        struct check_request asked)
{
    struct accept accept = {0};
    (void)contract, (void)path;
    asked.fields(asked.context, "Accept", take_accept, &accept);
    asked.fields(asked.context, "Last-Event-ID", take_last_id, request);
    unsigned chosen = accept_choose(&accept);
    request->own.events.ask.is_lines = chosen == 1;
    if (chosen == ACCEPT_TYPES)
        request_refuse(request, 406,
                       "Accept names neither text/event-stream nor application/x-ndjson, and "
                       "events come as nothing else");
}

/* ---- asking ---- */

/* Who gives no place gets what is still to come, but who does not follow all that is kept. */
static void ask(struct request *request)
{
    const struct events_asked *asked = &request->own.events.ask;
    const struct bucket_question *named = &request->message.ask.bucket;
    struct event_stream *stream = malloc(sizeof *stream);
    if (stream == NULL) {
        request_refuse(request, 503, "out of memory; try again");
        return;
    }
    event_stream_begin(stream);
    stream->is_lines = asked->is_lines;
    stream->follows = asked->follows;
    stream->ask.from = asked->has_place ? asked->from
                       : asked->follows ? EVENTS_TO_COME
                                        : EVENTS_KEPT;
    stream->ask.boot = asked->boot;
    stream->ask.since = asked->since;
    stream->ask.kinds = asked->kinds;
    stream->ask.limit_name = named->limit_name;
    stream->ask.limit_name_len = named->limit_name_len;
    stream->ask.prefix = request->prefix_len > 0 ? request->key : NULL;
    stream->ask.prefix_len = request->prefix_len;
    request->own.events.stream = stream;
    request->message.kind = MESSAGE_EVENTS;
    request->message.ask.events = &stream->ask;
    request->message.answer.events = &stream->answer;
}

/* ---- the reply ---- */

static void reply(struct request *request, const struct serving *serving)
{
    struct event_stream *stream = request->own.events.stream;
    (void)serving;
    if (!stream->answer.is_kept) {
        request_refuse(request, 409,
                       "no events are kept here; set events: {keep: 10000} in the configuration, "
                       "and start allowd again");
        request_reply_fault(request);
        return;
    }
    event_stream_take(stream);
    reply_begin(&request->reply, 200, stream->is_lines ? type_ndjson : type_event_stream);
    reply_add_field(&request->reply, "X-Accel-Buffering", "no"); /* nginx would keep it back */
    request->reply.goes_on = true;
}

static size_t write_more(struct request *request, uint64_t wall_ms, char *bytes, size_t room)
{
    return event_stream_write(request->own.events.stream, wall_ms, bytes, room);
}

static bool ask_more(struct request *request, bool ends)
{
    return event_stream_ask(request->own.events.stream, ends);
}

static void take_more(struct request *request)
{
    event_stream_take(request->own.events.stream);
}

static size_t beat(struct request *request, char *bytes, size_t room)
{
    return event_stream_beat(request->own.events.stream, bytes, room);
}

static const struct route_flow flow = {write_more, ask_more, take_more, beat};

static void release(struct request *request)
{
    free(request->own.events.stream);
    request->own.events.stream = NULL;
}

/* ---- the route ---- */

static const struct parameter parameter_since = {.name = "since", .parse = parse_since};
static const struct parameter parameter_kind = {.name = "kind", .parse = parse_kind};
static const struct parameter parameter_follow = {.name = "follow", .parse = parse_follow};

static const struct parameter *const parameters[] = {&parameter_since,  &parameter_kind,
                                                     &parameter_limit,  &parameter_prefix,
                                                     &parameter_follow, NULL};

const struct route route_events = {
    .path = "/events",
    .methods = METHOD_GET | METHOD_HEAD,
    .allow = "GET, HEAD",
    .parameters = parameters,
    .is_admin = true,
    .begin = begin,
    .heed_header = heed_header,
    .ask = ask,
    .reply = reply,
    .flow = &flow,
    .release = release,
};
