#include "http/question.h"

#include "http/fault_text.h"

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

bool request_reply_no_such_limit(struct request *request)
{
    if (request->message.answer.bucket.result != BUCKET_NO_SUCH_LIMIT)
        return false;
    request_refuse(request, 400, FAULT_NO_SUCH_LIMIT,
                   show(request->limit_name, strlen(request->limit_name)).text);
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
