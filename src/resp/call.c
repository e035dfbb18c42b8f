#include "resp/call.h"

#include <stdarg.h>
#include <stdio.h>

void call_refuse(struct call *call, const char *code, const char *format, ...)
{
    char detail[CALL_REPLY_MAX - sizeof "-WRONGPASS \r\n"];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    struct text text = call_begin_reply(call);
    text_literal(&text, "-");
    text_string(&text, code);
    text_literal(&text, " ");
    text_string(&text, detail);
    text_literal(&text, "\r\n");
    call_end_reply(call, &text);
}
