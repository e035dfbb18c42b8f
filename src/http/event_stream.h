/*
 * Event streams: what a reader of /events has asked for, and the bytes that it gets.
 *
 * Whoever owns one asks the brain with `ask` for `answer`, then writes out what came, and asks again
 * once all of that is written. So a reader never has more than one room of records here, however
 * slow it is and however much happens.
 *
 * Owns nothing but itself. One thread at a time; while the letter is away, ask, answer and room are
 * the brain's, and event_stream_beat may be called all the same. Never blocks. Never fails.
 */
#pragma once

#include "ask/event_json.h"
#include "brain/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of an event as it is written out, at most. In text/event-stream its id, its kind and the names
 * of the fields are written besides. */
#define EVENT_STREAM_LINE_MAX (EVENT_JSON_MAX + EVENT_ID_MAX + 64)

/* Bytes for records, so that all is 32 KiB with what else a stream holds. */
#define EVENT_STREAM_ROOM 24576

struct event_stream {
    struct events_question ask;
    struct events_answer answer;
    bool is_lines;       /* application/x-ndjson; false: text/event-stream */
    bool follows;        /* goes on when all that there is was told */
    bool is_last;        /* what is asked for now is the last */
    bool has_lost;       /* of the answer: some were lost, and that is still to be told, */
    bool has_other_boot; /* and so is that the last one it had is of another process */
    uint32_t left;       /* records of the answer that are not written out */
    size_t at;           /* where the next one is */
    size_t line_len,
        out; /* of the event at hand: its bytes, and how many of them are written out */
    char line[EVENT_STREAM_LINE_MAX];
    _Alignas(uint64_t) char room[EVENT_STREAM_ROOM];
};

/* Begins one: `ask` is to be filled in, but for its room, which has its own. */
void event_stream_begin(struct event_stream *stream);

/* Takes the answer that has come home. */
void event_stream_take(struct event_stream *stream);

/* Writes out more of what came; 0: nothing is left. wall_ms: Unix time. */
size_t event_stream_write(struct event_stream *stream, uint64_t wall_ms, char *bytes, size_t room);

/* Makes the next question. ends: it is to be the last, and not to wait. false: there is none, for all
 * was told that was to be. */
bool event_stream_ask(struct event_stream *stream, bool ends);

/* Writes a heartbeat: a comment, or an empty line. */
size_t event_stream_beat(const struct event_stream *stream, char *bytes, size_t room);
