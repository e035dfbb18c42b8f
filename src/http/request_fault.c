#include "http/request_parts.h"

#include <stdarg.h>
#include <stdio.h>

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
