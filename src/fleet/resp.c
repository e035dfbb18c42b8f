#include "fleet/resp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_DIGITS_MAX 24 /* "$", a number of 20 digits, CR LF and a NUL */
#define OUT_MIN 4096

/* ---- commands ---- */

struct resp_arg resp_string(const char *string)
{
    return (struct resp_arg){.bytes = string, .len = strlen(string)};
}

/* Makes room behind the bytes that are to be sent. */
static bool make_room(struct resp_out *out, size_t more)
{
    size_t left = out->len - out->sent,
           capacity = out->capacity < OUT_MIN ? OUT_MIN : out->capacity;
    if (more > RESP_OUT_MAX - left)
        return false;
    if (out->sent > 0)
        memmove(out->bytes, out->bytes + out->sent, left);
    out->sent = 0;
    out->len = left;
    while (capacity < left + more)
        capacity *= 2;
    if (capacity == out->capacity)
        return true;
    char *bytes = realloc(out->bytes, capacity);
    if (bytes == NULL)
        return false;
    out->bytes = bytes;
    out->capacity = capacity;
    return true;
}

static void put(struct resp_out *out, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
}

static void put_length(struct resp_out *out, char sort, size_t length)
{
    char text[LENGTH_DIGITS_MAX] = "";
    int len = snprintf(text, sizeof text, "%c%zu\r\n", sort, length);
    put(out, text, (size_t)len);
}

bool resp_command(struct resp_out *out, size_t count, const struct resp_arg *args)
{
    size_t len = LENGTH_DIGITS_MAX;
    for (size_t i = 0; i < count; i++)
        len += LENGTH_DIGITS_MAX + args[i].len + 2;
    if (!make_room(out, len))
        return false;
    put_length(out, '*', count);
    for (size_t i = 0; i < count; i++) {
        put_length(out, '$', args[i].len);
        put(out, args[i].bytes, args[i].len);
        put(out, "\r\n", 2);
    }
    return true;
}

void resp_out_clear(struct resp_out *out)
{
    free(out->bytes);
    *out = (struct resp_out){0};
}

/* ---- replies ---- */

/* Until 1.0 an array had an int of elements. */
#if HIREDIS_MAJOR >= 1
typedef size_t elements_count;
#else
typedef int elements_count;
#endif

static void *create_array(const redisReadTask *task, elements_count elements)
{
    struct resp_in *in = task->privdata;
    in->elements += (size_t)elements;
    if ((size_t)elements > RESP_REPLY_ELEMENTS_MAX || in->elements > RESP_REPLY_ELEMENTS_MAX)
        return NULL;
    return in->usual->createArray(task, elements);
}

bool resp_in_init(struct resp_in *in)
{
    *in = (struct resp_in){.reader = redisReaderCreate()};
    if (in->reader == NULL)
        return false;
    in->usual = in->reader->fn;
    in->functions = *in->usual;
    in->functions.createArray = create_array;
    in->reader->fn = &in->functions;
    in->reader->privdata = in;
    return true;
}

void resp_in_release(struct resp_in *in)
{
    if (in->reader != NULL)
        redisReaderFree(in->reader);
    in->reader = NULL;
}

bool resp_feed(struct resp_in *in, const char *bytes, size_t len)
{
    size_t first = sizeof in->first - in->first_len < len ? sizeof in->first - in->first_len : len;
    memcpy(in->first + in->first_len, bytes, first);
    in->first_len += first;
    in->bytes += len;
    return redisReaderFeed(in->reader, bytes, len) == REDIS_OK;
}

/* What speaks another protocol shows it by its first bytes. */
static const char *what_is_broken(const struct resp_in *in)
{
    if (memcmp(in->first, "HTTP/", 5) == 0)
        return "what answers there is an HTTP server";
    if (memcmp(in->first, "SSH-", 4) == 0)
        return "what answers there is an SSH server";
    if (in->elements > RESP_REPLY_ELEMENTS_MAX)
        return "it answers with more than any store does";
    return in->reader->errstr;
}

enum resp resp_next(struct resp_in *in, redisReply **reply, const char **why)
{
    void *whole = NULL;
    if (redisReaderGetReply(in->reader, &whole) != REDIS_OK) {
        *why = what_is_broken(in);
        return RESP_BROKEN;
    }
    if (whole == NULL && in->bytes > RESP_REPLY_BYTES_MAX) {
        *why = "it answers with more than any store does";
        return RESP_BROKEN;
    }
    if (whole == NULL)
        return RESP_PARTIAL;
    in->bytes = 0;
    in->elements = 0;
    *reply = whole;
    return RESP_REPLY;
}
