#include "http/event_stream.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct event_stream) <= 32768, "a reader costs no more than is told");
static_assert(EVENT_STREAM_ROOM >= EVENT_RECORD_MAX, "each event has room");

void event_stream_begin(struct event_stream *stream)
{
    memset(stream, 0, offsetof(struct event_stream, line));
    stream->follows = true;
    stream->ask.kinds = UINT32_MAX;
    stream->ask.room = stream->room;
    stream->ask.room_bytes = sizeof stream->room;
}

void event_stream_take(struct event_stream *stream)
{
    stream->has_lost = stream->answer.lost > 0;
    stream->has_other_boot = stream->answer.is_other_boot;
    stream->left = stream->answer.count;
    stream->at = 0;
}

/* ---- what is written ---- */

static void begin_line(const struct event_stream *stream, struct text *line, uint64_t number,
                       enum event_kind kind)
{
    if (stream->is_lines)
        return;
    text_literal(line, "id: ");
    event_id_write(line, stream->answer.boot, number);
    text_literal(line, "\nevent: ");
    text_string(line, event_rows[kind].word);
    text_literal(line, "\ndata: ");
}

static void end_line(struct event_stream *stream, struct text *line)
{
    text_string(line, stream->is_lines ? "\n" : "\n\n");
    stream->line_len = text_end(line);
    stream->out = 0;
}

static void put_event(struct event_stream *stream, const struct event *event)
{
    struct text line = text_begin(stream->line, sizeof stream->line);
    begin_line(stream, &line, event->number, event->kind);
    event_json_write(&line, event, stream->answer.boot);
    end_line(stream, &line);
}

static void put_other_boot(struct event_stream *stream, uint64_t wall_ms)
{
    struct text line = text_begin(stream->line, sizeof stream->line);
    begin_line(stream, &line, 0, EVENT_lost);
    event_json_write_other_boot(&line, stream->answer.boot, wall_ms);
    end_line(stream, &line);
}

/* Makes the next line. false: there is none. */
static bool put_next(struct event_stream *stream, uint64_t wall_ms)
{
    struct event event = {.kind = EVENT_lost,
                          .number = stream->answer.lost_last,
                          .time_ms = wall_ms,
                          .values = {stream->answer.lost}};
    if (stream->has_other_boot) {
        put_other_boot(stream, wall_ms);
        stream->has_other_boot = false;
        return true;
    }
    if (stream->has_lost) {
        put_event(stream, &event);
        stream->has_lost = false;
        return true;
    }
    if (stream->left == 0)
        return false;
    stream->at += event_unpack(stream->room + stream->at, &event);
    stream->left--;
    put_event(stream, &event);
    return true;
}

size_t event_stream_write(struct event_stream *stream, uint64_t wall_ms, char *bytes, size_t room)
{
    size_t written = 0;
    while (written < room && (stream->out < stream->line_len || put_next(stream, wall_ms))) {
        size_t len = stream->line_len - stream->out;
        if (len > room - written)
            len = room - written;
        memcpy(bytes + written, stream->line + stream->out, len);
        stream->out += len;
        written += len;
    }
    return written;
}

/* ---- what is asked ---- */

/* Whether an answer has brought the reader no further, so that there is no more now. */
static bool has_all(const struct event_stream *stream)
{
    const struct events_question *ask = &stream->ask;
    const struct events_answer *answer = &stream->answer;
    return ask->from == EVENTS_SINCE && ask->boot == answer->boot && ask->since == answer->next;
}

bool event_stream_ask(struct event_stream *stream, bool ends)
{
    assert(stream->left == 0 && stream->out == stream->line_len);
    if (stream->is_last || (!stream->follows && has_all(stream)))
        return false;
    stream->is_last = ends;
    stream->ask.from = EVENTS_SINCE;
    stream->ask.boot = stream->answer.boot;
    stream->ask.since = stream->answer.next;
    stream->ask.waits = stream->follows && !ends;
    return true;
}

size_t event_stream_beat(const struct event_stream *stream, char *bytes, size_t room)
{
    const char *beat = stream->is_lines ? "\n" : ":\n\n";
    size_t len = strlen(beat);
    if (room < len)
        return 0;
    for (size_t i = 0; i < len; i++)
        bytes[i] = beat[i];
    return len;
}
