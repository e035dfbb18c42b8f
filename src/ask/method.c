#include "ask/method.h"

#include "base/text.h"

const char *method_name(struct piece method)
{
    static const char *const names[] = {
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (text_is(method.bytes, method.len, names[i]))
            return names[i];
    return METHOD_OTHER_NAME;
}
