#include "http/question.h"

#include "ask/fault_text.h"
#include "base/quantity.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void request_refuse(struct request *request, unsigned status, const char *format, ...)
{
    if (request->fault_status != 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(request->detail, sizeof request->detail, format, arguments);
    va_end(arguments);
    request->fault_status = status;
}

void request_reply_fault(struct request *request)
{
    reply_problem(&request->reply, request->fault_status, request->detail);
}

void request_ask_bucket(struct request *request, enum message_kind kind)
{
    if (request->message.ask.bucket.key == NULL)
        request_refuse(request, 400, "key is missing; call %s?key=KEY", request->route->path);
    request->message.kind = kind;
}

void request_judge_wait(struct request *request)
{
    char most[QUANTITY_TEXT_MAX];
    if (request->message.ask.bucket.wait_ms <= request->wait_max_ms)
        return;
    quantity_print_duration(request->wait_max_ms, most);
    if (request->wait_max_ms == 0)
        request_refuse(request, 400, "nobody may wait here, because wait_max is 0; leave wait out");
    else
        request_refuse(request, 400,
                       "wait is longer than wait_max, %s; give at most %s, or raise wait_max in "
                       "the configuration",
                       most, most);
}

bool request_refuse_undone(struct request *request)
{
    const struct bucket_answer *answer = &request->message.answer.bucket;
    switch (answer->result) {
    case BUCKET_NEEDS_LEASE:
        request_refuse(request, 400, FAULT_NEEDS_LEASE,
                       show(answer->limit->name, strlen(answer->limit->name)).text);
        break;
    case BUCKET_SLOTS_ONLY:
        request_refuse(
            request, 400,
            "limit \"%s\" has no tokens, only slots, which /release gives back; %s is for "
            "limits with a rate",
            show(answer->limit->name, strlen(answer->limit->name)).text, request->route->path);
        break;
    case BUCKET_NO_LEASES:
        request_refuse(request, 400, FAULT_NO_LEASES,
                       show(answer->limit->name, strlen(answer->limit->name)).text);
        break;
    case BUCKET_NO_SUCH_LIMIT:
        request_refuse(request, 400, FAULT_NO_SUCH_LIMIT,
                       show(request->limit_name, strlen(request->limit_name)).text);
        break;
    case BUCKET_ONCE_DIFFERS:
        request_refuse(request, 400,
                       "once=%s came with other parameters less than a minute ago; give each new "
                       "question a once of its own",
                       show(request->once.token, request->once.token_len).text);
        break;
    case BUCKET_ONCE_WAITS:
        request_refuse(request, 409,
                       "the first request with once=%s still waits for its answer; ask again later",
                       show(request->once.token, request->once.token_len).text);
        break;
    case BUCKET_LEFT: /* without Retry-After: some clients would come back without end */
        request_refuse(request, 503,
                       "draining: allowd is about to end, so nobody waits any more; nothing was "
                       "taken, so ask again once allowd is back");
        break;
    case BUCKET_ALLOWED:
    case BUCKET_DENIED:
    case BUCKET_EXCEEDS_BURST:
    case BUCKET_TABLE_FULL:
    case BUCKET_UNCOUNTED:
    case BUCKET_ALWAYS:
    case BUCKET_NEVER:
    case BUCKET_HELD_BACK:
    case BUCKET_WAIT_OVER:
    case BUCKET_TOO_MANY_WAITING:
    case BUCKET_TOO_MANY_LEASES:
        return false;
    }
    request_reply_fault(request);
    return true;
}

void request_ask_daemon(struct request *request)
{
    request->message.kind = MESSAGE_DAEMON;
    request->message.answer.daemon = &request->own.daemon;
    request->own.daemon.fronts = NULL;
}

void *request_take_room(struct request *request, size_t bytes)
{
    request->room = malloc(bytes);
    if (request->room == NULL)
        request_refuse(request, 503, "out of memory; try again");
    else
        request->room_bytes = bytes;
    return request->room;
}
