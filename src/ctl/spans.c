#include "ctl/spans.h"

#include "base/quantity.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 2, 3))) static void append(struct text *text, const char *format, ...)
{
    char buffer[64];
    va_list values;
    va_start(values, format);
    int len = vsnprintf(buffer, sizeof buffer, format, values);
    va_end(values);
    text_bytes(text, buffer, (size_t)len);
}

enum { US = 1000, S_PER_MIN = 60, S_PER_H = 3600, S_PER_DAY = 24 * S_PER_H };

void span_append_ns(struct text *text, uint64_t ns)
{
    if (ns < US)
        append(text, "%" PRIu64 " ns", ns);
    else if (ns < NS_PER_MS)
        append(text, "%" PRIu64 ".%" PRIu64 " us", ns / US, ns % US / 100);
    else if (ns < NS_PER_S)
        append(text, "%" PRIu64 ".%" PRIu64 " ms", ns / NS_PER_MS, ns % NS_PER_MS / 100000);
    else
        span_append_ms(text, ns / NS_PER_MS);
}

void span_append_ms(struct text *text, uint64_t ms)
{
    uint64_t s = ms / MS_PER_S;
    if (ms < MS_PER_S)
        append(text, "%" PRIu64 " ms", ms);
    else if (s < S_PER_MIN)
        append(text, "%" PRIu64 ".%" PRIu64 " s", s, ms % MS_PER_S / 100);
    else if (s < S_PER_H)
        append(text, "%" PRIu64 " min %" PRIu64 " s", s / S_PER_MIN, s % S_PER_MIN);
    else if (s < S_PER_DAY)
        append(text, "%" PRIu64 " h %" PRIu64 " min", s / S_PER_H, s % S_PER_H / S_PER_MIN);
    else
        append(text, "%" PRIu64 " d %" PRIu64 " h", s / S_PER_DAY, s % S_PER_DAY / S_PER_H);
}

void span_append_number(struct text *text, uint64_t number)
{
    if (number < 1000) {
        text_number(text, number);
        return;
    }
    span_append_number(text, number / 1000);
    append(text, ",%03" PRIu64, number % 1000);
}
