#include "ask/forwarded.h"

#include <string.h>

static const struct piece nothing = {NULL, 0};

static struct piece between(const char *begin, const char *end)
{
    return (struct piece){begin, (size_t)(end - begin)};
}

static struct piece of_string(const char *string)
{
    return (struct piece){string, strlen(string)};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct piece piece_trimmed(const char *begin, const char *end)
{
    while (begin < end && is_blank(begin[0]))
        begin++;
    while (end > begin && is_blank(end[-1]))
        end--;
    return between(begin, end);
}

/* Whom trimmed values are for. */
struct receiver {
    bool (*take)(void *taker, struct piece value);
    void *taker;
};

static bool pass_trimmed(void *context, const char *value, size_t len)
{
    const struct receiver *receiver = context;
    return receiver->take(receiver->taker, piece_trimmed(value, value + len));
}

void forwarded_fields(const struct check_request *request, const char *name,
                      bool (*take)(void *taker, struct piece value), void *taker)
{
    request->fields(request->context, name, pass_trimmed, &(struct receiver){take, taker});
}

static bool take_first(void *first, struct piece value)
{
    *(struct piece *)first = value;
    return false;
}

struct piece forwarded_field(const struct check_request *request, const char *name)
{
    struct piece first = nothing;
    forwarded_fields(request, name, take_first, &first);
    return first;
}

static bool take_last(void *last, struct piece value)
{
    *(struct piece *)last = value;
    return true;
}

/* The last field of that name. Nothing if it is empty, or the proxy is not trusted. */
static struct piece find(const struct check_request *request, const char *name)
{
    struct piece last = nothing;
    if (request->is_trusted)
        forwarded_fields(request, name, take_last, &last);
    return last.len > 0 ? last : nothing;
}

struct piece forwarded_method(const struct check_request *request)
{
    struct piece method = find(request, "X-Forwarded-Method");
    return method.bytes != NULL ? method : of_string(request->method);
}

/* The last entry of a list: the nearest proxy has added it. */
static struct piece last_of_list(struct piece list)
{
    const char *comma = memrchr(list.bytes, ',', list.len);
    return comma == NULL ? list : piece_trimmed(comma + 1, list.bytes + list.len);
}

/* A host without its port. Colons within brackets belong to an IPv6 address. */
static struct piece without_port(struct piece host)
{
    const char *end = host.bytes + host.len;
    const char *bracket = memchr(host.bytes, ']', host.len);
    const char *from = bracket != NULL && host.bytes[0] == '[' ? bracket : host.bytes;
    const char *colon = memchr(from, ':', (size_t)(end - from));
    return colon == NULL ? host : between(host.bytes, colon);
}

struct piece forwarded_host(const struct check_request *request)
{
    struct piece host = find(request, "X-Forwarded-Host");
    if (host.bytes != NULL)
        return without_port(last_of_list(host));
    host = request->host != NULL ? piece_trimmed(request->host, request->host + request->host_len)
                                 : forwarded_field(request, "Host");
    return host.bytes == NULL ? nothing : without_port(host);
}

/* The target that a proxy tells, or nothing. */
static struct piece find_target(const struct check_request *request)
{
    struct piece target = find(request, "X-Forwarded-Uri");
    return target.bytes != NULL ? target : find(request, "X-Original-URI");
}

static struct piece without_query(struct piece target)
{
    size_t len = 0;
    while (len < target.len && target.bytes[len] != '?' && target.bytes[len] != '#')
        len++;
    return (struct piece){target.bytes, len};
}

static struct piece without_authority(struct piece target)
{
    const char *end = target.bytes + target.len;
    const char *authority = memmem(target.bytes, target.len, "://", 3);
    if (authority == NULL || target.bytes[0] == '/')
        return target;
    const char *slash = memchr(authority + 3, '/', (size_t)(end - authority - 3));
    return between(slash == NULL ? end : slash, end);
}

struct piece forwarded_path(const struct check_request *request)
{
    struct piece target = find_target(request);
    if (target.bytes == NULL)
        target = of_string(request->suffix);
    struct piece path = without_authority(without_query(target));
    return path.len > 0 ? path : of_string("/");
}

struct piece forwarded_query(const struct check_request *request)
{
    struct piece target = find_target(request);
    if (target.bytes == NULL)
        return nothing;
    const char *end = target.bytes + target.len;
    const char *fragment = memchr(target.bytes, '#', target.len);
    if (fragment != NULL)
        end = fragment;
    const char *mark = memchr(target.bytes, '?', (size_t)(end - target.bytes));
    return between(mark == NULL ? end : mark + 1, end);
}
