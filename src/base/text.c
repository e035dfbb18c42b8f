#include "base/text.h"

struct text text_begin(char *buffer, size_t size)
{
    return (struct text){.start = buffer, .at = buffer, .end = buffer + size};
}

void text_string(struct text *text, const char *string)
{
    text_bytes(text, string, strlen(string));
}

/* Writes two digits at a time: a division costs as much for two as for one. */
void text_number(struct text *text, uint64_t number)
{
    static const char pairs[] = "00010203040506070809"
                                "10111213141516171819"
                                "20212223242526272829"
                                "30313233343536373839"
                                "40414243444546474849"
                                "50515253545556575859"
                                "60616263646566676869"
                                "70717273747576777879"
                                "80818283848586878889"
                                "90919293949596979899";
    char digits[20];
    size_t first = sizeof digits;
    for (; number >= 10; number /= 100)
        memcpy(digits + (first -= 2), pairs + number % 100 * 2, 2);
    if (number > 0 || first == sizeof digits)
        digits[--first] = (char)('0' + number);
    text_bytes(text, digits + first, sizeof digits - first);
}

void text_json(struct text *text, const char *string, size_t len)
{
    text_literal(text, "\"");
    for (size_t done = 0; done < len;) {
        size_t plain = 0;
        while (done + plain < len && string[done + plain] != '"' && string[done + plain] != '\\' &&
               (unsigned char)string[done + plain] >= ' ')
            plain++;
        text_bytes(text, string + done, plain);
        done += plain;
        if (done == len)
            break;
        static const char hex[] = "0123456789abcdef";
        unsigned char c = (unsigned char)string[done++];
        char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        if (c < ' ')
            text_bytes(text, escape, sizeof escape);
        else
            text_bytes(text, (char[2]){'\\', (char)c}, 2);
    }
    text_literal(text, "\"");
}

size_t text_end(struct text *text)
{
    assert(text->at < text->end);
    *text->at = '\0';
    return (size_t)(text->at - text->start);
}
