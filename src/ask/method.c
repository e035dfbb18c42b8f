#include "ask/method.h"

#include "base/text.h"

const char *const method_names[METHOD_NUMBERS] = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "OTHER",
};

unsigned method_number(struct piece method)
{
    unsigned number = 0;
    while (number < METHOD_NUMBER_OTHER && !text_is(method.bytes, method.len, method_names[number]))
        number++;
    return number;
}
