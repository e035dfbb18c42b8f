/* Events over HTTP: from a target to a question; events as JSON; and what a reader gets of an answer. */
#include "http/accept.h"
#include "http/event_stream.h"
#include "http/request.h"
#include "http/routes/table.h"
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

static struct request request; /* too large for the stack of a test */

static int release(void **unused)
{
    (void)unused;
    request_release(&request);
    return 0;
}

/* ---- questions ---- */

struct header {
    const char *accept, *last_id;
};

static void give_field(void *context, const char *name,
                       bool (*take)(void *taker, const char *value, size_t len), void *taker)
{
    const struct header *header = context;
    const char *value = strcmp(name, "Accept") == 0 ? header->accept : header->last_id;
    if (value != NULL)
        take(taker, value, strlen(value));
}

static bool parse(const char *method, const char *target, struct header header)
{
    request_release(&request);
    request_begin(&request, &route_table, target);
    request.method = method_parse(method);
    if (request.route != NULL)
        request.route->heed_header(
            &request, NULL, target,
            (struct check_request){.fields = give_field, .context = &header});
    return request_finish(&request, NULL);
}

static const struct event_stream *expect_stream(const char *target, struct header header)
{
    if (!parse("GET", target, header))
        fail_msg("%s: %s", target, request.detail);
    assert_int_equal(request.message.kind, MESSAGE_EVENTS);
    assert_ptr_equal(request.message.ask.events, &request.own.events.stream->ask);
    assert_ptr_equal(request.message.answer.events, &request.own.events.stream->answer);
    assert_false(request.message.ask.events->waits); /* the header must not wait for an event */
    return request.own.events.stream;
}

static void good_requests_become_questions(void **unused)
{
    (void)unused;
    const struct event_stream *stream = expect_stream("/events", (struct header){0});
    assert_int_equal(stream->ask.from, EVENTS_TO_COME);
    assert_int_equal(stream->ask.kinds, UINT32_MAX);
    assert_null(stream->ask.limit_name);
    assert_null(stream->ask.prefix);
    assert_true(stream->follows);
    assert_false(stream->is_lines);

    stream = expect_stream("/events?since=0123abcd-18446744073709551615&kind=denied,owed&limit=api"
                           "&prefix=a%2f&follow=no",
                           (struct header){.accept = "application/x-ndjson"});
    assert_int_equal(stream->ask.from, EVENTS_SINCE);
    assert_int_equal(stream->ask.boot, 0x0123abcd);
    assert_int_equal(stream->ask.since, UINT64_MAX);
    assert_int_equal(stream->ask.kinds, 1u << EVENT_denied | 1u << EVENT_owed);
    assert_int_equal(stream->ask.limit_name_len, 3);
    assert_int_equal(stream->ask.prefix_len, 2);
    assert_memory_equal(stream->ask.prefix, "a/", 2);
    assert_false(stream->follows);
    assert_true(stream->is_lines);

    assert_int_equal(expect_stream("/events?since=0", (struct header){0})->ask.from, EVENTS_KEPT);
    assert_int_equal(expect_stream("/events?follow=no", (struct header){0})->ask.from, EVENTS_KEPT);
    assert_true(expect_stream("/events?follow=yes&prefix=", (struct header){0})->follows);
}

/* A browser that comes again asks for the target that it was given at first. */
static void the_last_id_counts_before_since(void **unused)
{
    (void)unused;
    const struct event_stream *stream =
        expect_stream("/events?since=0", (struct header){.last_id = "89abcdef-7"});
    assert_int_equal(stream->ask.from, EVENTS_SINCE);
    assert_int_equal(stream->ask.boot, 0x89abcdef);
    assert_int_equal(stream->ask.since, 7);
    stream = expect_stream("/events?since=0123abcd-1", (struct header){.last_id = ""});
    assert_int_equal(stream->ask.since, 1);
}

static void bad_requests_say_what_to_do(void **unused)
{
    (void)unused;
    static const struct {
        const char *method, *target;
        struct header header;
        unsigned status;
        const char *detail;
    } cases[] = {
        {"GET", "/events?since=1", {0}, 400, "or 0 for all"},
        {"GET", "/events?since=", {0}, 400, "or 0 for all"},
        {"GET", "/events?since=0123abcd-", {0}, 400, "or 0 for all"},
        {"GET", "/events?since=0123ABCD-1", {0}, 400, "or 0 for all"},
        {"GET", "/events?since=0123abc-1", {0}, 400, "or 0 for all"},
        {"GET", "/events?since=0123abcd-01", {0}, 400, "or 0 for all"},
        {"GET", "/events?since=0123abcd--1", {0}, 400, "or 0 for all"},
        {"GET", "/events?since=0123abcd-18446744073709551616", {0}, 400, "or 0 for all"},
        {"GET", "/events?since=0&since=0", {0}, 400, "is there twice"},
        {"GET", "/events", {.last_id = "7"}, 400, "Last-Event-ID is \"7\""},
        {"GET", "/events", {.last_id = "<script>"}, 400, "leave it out"},
        {"GET", "/events?kind=", {0}, 400, "no kind of event is \"\"; there are denied, "},
        {"GET", "/events?kind=Denied", {0}, 400, "no kind of event is \"Denied\""},
        {"GET", "/events?kind=denied,", {0}, 400, "no kind of event is \"\""},
        {"GET", "/events?kind=denied,x", {0}, 400, "override_ended, reloaded,"},
        {"GET", "/events?kind=12345678901234567890123456789012345678901", {0}, 400, "drain, lost"},
        {"GET", "/events?kind=denied%20", {0}, 400, "no kind of event is \"denied \""},
        {"GET", "/events?limit=", {0}, 400, "there can be no limit named"},
        {"GET", "/events?prefix=%ff", {0}, 400, "prefix is not valid UTF-8"},
        {"GET", "/events?follow=1", {0}, 400, "give no, or leave it out"},
        {"GET", "/events?key=a", {0}, 400, "/events takes since, kind, limit, prefix and follow"},
        {"GET", "/events?token=0123456789abcdef", {0}, 400, "Authorization: Bearer TOKEN"},
        {"GET", "/events?access_token=0123456789abcdef", {0}, 400, "Authorization: Bearer TOKEN"},
        {"GET", "/events", {.accept = "application/json"}, 406, "text/event-stream nor"},
        {"GET", "/events", {.accept = "text/event-stream;q=0"}, 406, "text/event-stream nor"},
        {"POST", "/events", {0}, 405, "GET, HEAD"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        bool good = parse(cases[i].method, cases[i].target, cases[i].header);
        if (good || request.reply.status != cases[i].status ||
            strstr(request.detail, cases[i].detail) == NULL)
            fail_msg("%s: %u \"%s\"", cases[i].target, good ? 200 : request.reply.status,
                     request.detail);
        assert_null(request.own.events.stream);
        assert_null(strstr(request.detail, "0123456789abcdef")); /* nobody is told a token */
    }
}

static void the_type_is_that_which_is_more_welcome(void **unused)
{
    (void)unused;
    static const char *const types[ACCEPT_TYPES] = {"text/event-stream", "application/x-ndjson"};
    static const struct {
        const char *accept;
        unsigned chosen;
    } cases[] = {
        {"", 0},
        {" , ,", 0},
        {"*/*", 0},
        {"text/event-stream", 0},
        {"TEXT/Event-Stream", 0},
        {"application/x-ndjson", 1},
        {"application/x-ndjson, */*", 1},
        {"*/*, application/x-ndjson", 1},
        {"text/event-stream, application/x-ndjson", 0},
        {"application/x-ndjson, text/event-stream", 1},
        {"application/x-ndjson;q=0.5, text/event-stream", 0},
        {"application/x-ndjson ; q=0.5 , text/event-stream;q=0.49", 1},
        {"application/x-ndjson;q=0, */*", 0},
        {"text/event-stream;q=0, */*;q=0.1", 1},
        {"application/*", 1},
        {"text/*;q=0.2, application/*;q=0.20", 0},
        {"text/html, application/*;charset=utf-8;q=0.9", 1},
        {"text/html", 2},
        {"application/json", 2},
        {"*/*;q=0", 2},
        {"x-ndjson", 2},
        {"text/event-streams", 2},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct accept accept = {0};
        accept_field(&accept, types, cases[i].accept, strlen(cases[i].accept));
        if (accept_choose(&accept) != cases[i].chosen)
            fail_msg("%s", cases[i].accept);
    }
    struct accept none = {0};
    assert_int_equal(accept_choose(&none), 0);
}

/* ---- JSON ---- */

/* Each is of a process of its own, for no other event has its number. */
static void expect_json(const struct event *event, const char *json)
{
    static uint32_t boot = 0x1000;
    char bytes[EVENT_JSON_MAX];
    struct text text = text_begin(bytes, sizeof bytes);
    event_json_write(&text, event, ++boot);
    text_end(&text);
    memcpy(bytes + strlen("{\"id\":\""), "00000abc", 8);
    assert_string_equal(bytes, json);
    text = text_begin(bytes, sizeof bytes); /* as another reader is told it */
    event_json_write(&text, event, boot);
    text_end(&text);
    memcpy(bytes + strlen("{\"id\":\""), "00000abc", 8);
    assert_string_equal(bytes, json);
}

#define HEAD(kind)                                                                                 \
    "{\"id\":\"00000abc-9\",\"time\":\"2001-09-09T01:46:40.007Z\",\"event\":\"" kind "\""
#define EVENT(name) .number = 9, .time_ms = 1000000000007, .kind = EVENT_##name

static void each_sort_of_member_is_told(void **unused)
{
    (void)unused;
    expect_json(&(struct event){EVENT(denied), .limit = "a\"b", .limit_len = 3,
                                .key = "<i>\\\"\xe2\x80\xae", .key_len = 8,
                                .values = {3, 1, 0, UINT64_MAX, BUCKET_EXCEEDS_BURST}},
                HEAD("denied") ",\"limit\":\"a\\\"b\",\"key\":\"<i>\\\\\\\"\xe2\x80\xae\","
                               "\"count\":3,\"tokens\":1,\"remaining\":0,\"retry_after_ms\":null,"
                               "\"reason\":\"exceeds_burst\"}");
    expect_json(&(struct event){EVENT(denied), .values = {7, 0, 0, 50, BUCKET_DENIED}},
                HEAD("denied") ",\"limit\":null,\"key\":null,\"count\":7,\"tokens\":0,"
                               "\"remaining\":0,\"retry_after_ms\":50}");
    expect_json(&(struct event){EVENT(override_begun), .limit = "l", .limit_len = 1, .key = "k",
                                .key_len = 1, .text = "why", .text_len = 3,
                                .values = {1, OVERRIDE_DENY, 1000000000, 1}},
                HEAD("override_begun") ",\"limit\":\"l\",\"override\":\"k\",\"count\":1,"
                                       "\"action\":\"deny\",\"until\":\"2001-09-09T01:46:40Z\","
                                       "\"runtime\":true,\"reason\":\"why\"}");
    expect_json(&(struct event){EVENT(override_ended), .text = "",
                                .values = {2, OVERRIDE_TERMS, INT64_MAX, 0, 1}},
                HEAD("override_ended") ",\"limit\":null,\"override\":null,\"count\":2,"
                                       "\"action\":\"limit\",\"runtime\":false,\"removed\":true}");
    expect_json(&(struct event){EVENT(reload_failed), .text = "a:1: \"x\"\nb\n", .text_len = 11},
                HEAD("reload_failed") ",\"faults\":[\"a:1: \\\"x\\\"\",\"b\"]}");
    expect_json(&(struct event){EVENT(reload_failed), .text = "", .text_len = 0},
                HEAD("reload_failed") ",\"faults\":[]}");
    expect_json(
        &(struct event){EVENT(limit_forgotten), .limit = "l", .limit_len = 1, .values = {1, 5}},
        HEAD("limit_forgotten") ",\"limit\":\"l\",\"count\":1,\"keys\":5}");
}

/* What is not told of times, a later year does not break. */
static void the_longest_event_has_room(void **unused)
{
    (void)unused;
    char detail[EVENT_TEXT_MAX], key[255], limit[64], bytes[EVENT_STREAM_LINE_MAX];
    memset(detail, '\1', sizeof detail);
    memset(key, '"', sizeof key);
    memset(limit, '\\', sizeof limit);
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        struct event event = {.number = UINT64_MAX,
                              .time_ms = UINT64_MAX,
                              .kind = (enum event_kind)kind,
                              .text = detail,
                              .text_len = sizeof detail,
                              .key = key,
                              .key_len = sizeof key,
                              .limit = limit,
                              .limit_len = sizeof limit};
        for (unsigned i = 0; i < event_rows[kind].values_count; i++)
            event.values[i] = event_value_rows[event_rows[kind].values[i]].form == EVENT_AS_CAUSE
                                  ? EVENT_CAUSE_STALL
                                  : UINT64_MAX - 1;
        struct text text = text_begin(bytes, EVENT_JSON_MAX);
        event_json_write(&text, &event, UINT32_MAX - (uint32_t)kind);
        assert_true(text_end(&text) < EVENT_JSON_MAX);
    }
    memset(detail, '\n', sizeof detail);
    struct text text = text_begin(bytes, EVENT_JSON_MAX);
    event_json_write(&text, &(struct event){EVENT(reload_failed), .text = detail, .text_len = 1000},
                     UINT32_MAX);
    assert_true(text_end(&text) < EVENT_JSON_MAX);
}

static void an_id_reads_as_it_is_written(void **unused)
{
    (void)unused;
    static const uint64_t numbers[] = {0, 1, 10, UINT64_MAX};
    for (size_t i = 0; i < LENGTH(numbers); i++) {
        char id[EVENT_ID_MAX + 1];
        uint32_t boot = 0;
        uint64_t number = 5;
        struct text text = text_begin(id, sizeof id);
        event_id_write(&text, 0xfe000001u, numbers[i]);
        size_t len = text_end(&text);
        assert_true(event_id_read(id, len, &boot, &number));
        assert_int_equal(boot, 0xfe000001u);
        assert_int_equal(number, numbers[i]);
    }
}

/* ---- streams ---- */

static struct event_stream stream;

static void put(uint64_t number)
{
    const struct event event = {
        .number = number, .kind = EVENT_reloaded, .time_ms = 1000, .values = {number, 0}};
    event_pack(&event, stream.room + stream.answer.bytes);
    stream.answer.bytes += event_packed_bytes(&event);
    stream.answer.count++;
    stream.answer.next = number;
}

static void begin(bool is_lines)
{
    event_stream_begin(&stream);
    stream.is_lines = is_lines;
    stream.answer.boot = 1;
}

/* In pieces of so many bytes. */
static void expect_written(size_t piece, const char *whole)
{
    char all[4096];
    size_t len = 0, got;
    event_stream_take(&stream);
    while ((got = event_stream_write(&stream, 2000, all + len, piece)) > 0) {
        assert_true(got <= piece);
        len += got;
        assert_true(len < sizeof all - piece);
    }
    all[len] = '\0';
    assert_string_equal(all, whole);
}

static void an_answer_is_written_whole_in_pieces_of_any_size(void **unused)
{
    (void)unused;
    for (size_t piece = 1; piece < 1000; piece += 1 + piece / 3) {
        begin(false);
        put(7);
        put(8);
        expect_written(
            piece,
            "id: 00000001-7\nevent: reloaded\ndata: {\"id\":\"00000001-7\",\"time\":"
            "\"1970-01-01T00:00:01.000Z\",\"event\":\"reloaded\",\"limits\":7,"
            "\"warnings\":0}\n\nid: 00000001-8\nevent: reloaded\ndata: {\"id\":\"00000001-8\","
            "\"time\":\"1970-01-01T00:00:01.000Z\",\"event\":\"reloaded\",\"limits\":8,"
            "\"warnings\":0}\n\n");
    }
}

static void what_is_lost_comes_first(void **unused)
{
    (void)unused;
    begin(true);
    stream.answer.lost = 5;
    stream.answer.lost_last = 6;
    put(7);
    expect_written(100, "{\"id\":\"00000001-6\",\"time\":\"1970-01-01T00:00:02.000Z\","
                        "\"event\":\"lost\",\"count\":5}\n{\"id\":\"00000001-7\",\"time\":"
                        "\"1970-01-01T00:00:01.000Z\",\"event\":\"reloaded\",\"limits\":7,"
                        "\"warnings\":0}\n");
    /* of another process nobody knows how much that is */
    begin(true);
    stream.answer.is_other_boot = true;
    stream.answer.lost = 5;
    stream.answer.lost_last = 5;
    expect_written(100, "{\"id\":\"00000001-0\",\"time\":\"1970-01-01T00:00:02.000Z\","
                        "\"event\":\"lost\",\"count\":null}\n{\"id\":\"00000001-5\",\"time\":"
                        "\"1970-01-01T00:00:02.000Z\",\"event\":\"lost\",\"count\":5}\n");
}

static void a_follower_asks_on_and_on_until_it_is_to_end(void **unused)
{
    (void)unused;
    begin(true);
    stream.answer.next = 3;
    event_stream_take(&stream);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(event_stream_ask(&stream, false));
        assert_true(stream.ask.waits);
        assert_int_equal(stream.ask.from, EVENTS_SINCE);
        assert_int_equal(stream.ask.since, 3);
    }
    assert_true(event_stream_ask(&stream, true));
    assert_false(stream.ask.waits);
    assert_false(event_stream_ask(&stream, false));
}

static void who_does_not_follow_ends_when_an_answer_brings_it_no_further(void **unused)
{
    (void)unused;
    begin(true);
    stream.follows = false;
    stream.answer.next = 3;
    assert_true(event_stream_ask(&stream, false));
    assert_false(stream.ask.waits);
    stream.answer.next = 9; /* past events that do not suit */
    assert_true(event_stream_ask(&stream, false));
    assert_false(event_stream_ask(&stream, false));
}

static void heartbeats_are_what_readers_ignore(void **unused)
{
    (void)unused;
    char beat[8];
    begin(false);
    assert_int_equal(event_stream_beat(&stream, beat, sizeof beat), 3);
    assert_memory_equal(beat, ":\n\n", 3);
    begin(true);
    assert_int_equal(event_stream_beat(&stream, beat, sizeof beat), 1);
    assert_memory_equal(beat, "\n", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(good_requests_become_questions, release),
        cmocka_unit_test_teardown(the_last_id_counts_before_since, release),
        cmocka_unit_test_teardown(bad_requests_say_what_to_do, release),
        cmocka_unit_test(the_type_is_that_which_is_more_welcome),
        cmocka_unit_test(each_sort_of_member_is_told),
        cmocka_unit_test(the_longest_event_has_room),
        cmocka_unit_test(an_id_reads_as_it_is_written),
        cmocka_unit_test(an_answer_is_written_whole_in_pieces_of_any_size),
        cmocka_unit_test(what_is_lost_comes_first),
        cmocka_unit_test(a_follower_asks_on_and_on_until_it_is_to_end),
        cmocka_unit_test(who_does_not_follow_ends_when_an_answer_brings_it_no_further),
        cmocka_unit_test(heartbeats_are_what_readers_ignore),
    };
    return cmocka_run_group_tests_name("events over HTTP", tests, NULL, NULL);
}
