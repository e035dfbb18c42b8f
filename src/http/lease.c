#include "http/lease.h"

#include "ask/fault_text.h"
#include "base/form.h"
#include "base/secret.h"
#include "http/parameters.h"
#include "http/question.h"

#include <assert.h>
#include <inttypes.h>

enum { ID_DIGITS = 2 * LEASE_ID_BYTES };

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* As it is written: there is one way to write an id. */
static bool read_id(const char *text, size_t len, struct lease_id *id)
{
    if (len != ID_DIGITS)
        return false;
    for (size_t i = 0; i < LEASE_ID_BYTES; i++) {
        int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        id->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void parse_lease(struct request *request, const char *value, size_t len)
{
    char text[ID_DIGITS + 1];
    size_t text_len = 0;
    request->lease.is_given = true;
    if (form_decode(value, len, true, text, ID_DIGITS, &text_len) != FORM_OK ||
        !read_id(text, text_len, &request->lease.ask.id))
        request_refuse(request, 400,
                       "lease is \"%s\"; give the %d hexadecimal digits that /acquire answered",
                       show(value, len).text, ID_DIGITS);
}

const struct parameter parameter_lease = {.name = "lease", .parse = parse_lease};

void lease_begin(struct request *request)
{
    request->lease = (struct lease_asked){0};
}

void lease_ask(struct request *request, enum message_kind kind)
{
    struct message *message = &request->message;
    if (!request->lease.is_given)
        request_refuse(request, 400, "lease is missing; call %s?lease=ID", request->route->path);
    message->kind = kind;
    message->ask.lease = request->lease.ask;
    message->answer.lease.key = request->key;
}

void lease_draw_id(struct lease_id *id)
{
    secret_draw(id->bytes, sizeof id->bytes);
}

void lease_read_ttl(struct request *request, const char *value, size_t len, uint32_t *ttl_ms)
{
    uint64_t ms = 0;
    static_assert(LEASE_TTL_MIN_MS == 100 && LEASE_TTL_MAX_MS == MS_PER_DAY, "the text says so");
    if (parameter_read(value, len, quantity_parse_duration, LEASE_TTL_MIN_MS, LEASE_TTL_MAX_MS,
                       &ms))
        *ttl_ms = (uint32_t)ms;
    else
        request_refuse(request, 400,
                       "ttl is \"%s\"; give a whole number with its unit, from 100ms to 1d, such "
                       "as 30s",
                       show(value, len).text);
}

void lease_write_id(struct text *body, const struct lease_id *id)
{
    static const char hex[] = "0123456789abcdef";
    char digits[ID_DIGITS];
    for (size_t i = 0; i < LEASE_ID_BYTES; i++) {
        digits[2 * i] = hex[id->bytes[i] >> 4];
        digits[2 * i + 1] = hex[id->bytes[i] & 15];
    }
    text_literal(body, "\"");
    text_bytes(body, digits, ID_DIGITS);
    text_literal(body, "\"");
}

void lease_write_terms(struct text *body, const struct lease_answer *answer)
{
    text_literal(body, "\"key\":");
    text_json(body, answer->key, answer->key_len);
    text_literal(body, ",\"limit\":");
    text_string(body, answer->limit == NULL ? "null" : answer->limit->quoted_name);
    text_literal(body, ",\"tokens\":");
    text_number(body, answer->tokens);
    text_literal(body, ",\"slots\":");
    text_number(body, answer->slots);
}

static const char *state_name(enum lease_state state)
{
    switch (state) {
    case LEASE_NONE:
        break;
    case LEASE_HELD:
    case LEASE_UNRENEWED:
        return "held";
    case LEASE_RELEASED:
        return "released";
    case LEASE_EXPIRED:
        return "expired";
    case LEASE_LOST_LIMIT:
        return "limit_removed";
    }
    return "none";
}

void lease_reply_state(struct reply *reply, const struct lease_answer *answer)
{
    reply_begin(reply, 200, reply_type_json);
    struct text body = reply_begin_body(reply);
    text_literal(&body, "{\"state\":\"");
    text_string(&body, state_name(answer->state));
    text_literal(&body, "\",");
    lease_write_terms(&body, answer);
    text_literal(&body, ",\"expires_after_ms\":");
    if (answer->state == LEASE_HELD)
        text_number(&body, answer->expires_after_ms);
    else
        text_literal(&body, "null");
    text_literal(&body, "}\n");
    reply_end_body(reply, &body);
}

static const char *what_became_of_it(enum lease_state state)
{
    switch (state) {
    case LEASE_NONE:
    case LEASE_HELD:
    case LEASE_UNRENEWED:
        break;
    case LEASE_RELEASED:
        return "this lease has been released already; acquire another one";
    case LEASE_EXPIRED:
        return "this lease has expired: nobody renewed it within its ttl, and others may hold its "
               "slots now; acquire another one, with a longer ttl, or renew it sooner";
    case LEASE_LOST_LIMIT:
        return "the limit of this lease has been removed from the configuration, so it holds "
               "nothing; acquire another one";
    }
    return "there is no such lease here: it ended too long ago to be remembered, or a restart without "
           "state has lost it, or another allowd gave it; check the id, or acquire another one";
}

void lease_reply_gone(struct request *request)
{
    request_refuse(request, 404, "%s", what_became_of_it(request->message.answer.lease.state));
    request_reply_fault(request);
}

void lease_reply_unrenewed(struct request *request)
{
    request_refuse(
        request, 503,
        "the fleet's store has not said in time that it knows of a later end, so this lease "
        "is not renewed: it is held as before, and ends after %" PRIu64
        " ms; renew it again before that",
        request->message.answer.lease.expires_after_ms);
    request_reply_fault(request);
}
