#include "http/route.h"

#include "base/text.h"
#include "base/token.h"

#include <string.h>

static const struct {
    const char *name;
    unsigned bit;
} methods[] = {
    {"GET", METHOD_GET},       {"HEAD", METHOD_HEAD},    {"POST", METHOD_POST},
    {"DELETE", METHOD_DELETE}, {"QUERY", METHOD_QUERY},  {"OPTIONS", METHOD_OPTIONS},
    {"PUT", METHOD_PUT},       {"CONNECT", METHOD_NONE},
};

unsigned method_parse(const char *method)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, method) == 0)
            return methods[i].bit;
    return token_is_valid(method, strlen(method)) ? METHOD_OTHER : METHOD_NONE;
}

unsigned route_find_below(const struct route_table *table, const char *raw, size_t len)
{
    const char *slash = len > 0 ? memchr(raw + 1, '/', len - 1) : NULL;
    if (slash == NULL)
        return 0;
    for (unsigned i = 0; i < table->count && table->routes[i]->below != NULL; i++)
        if (text_is(raw, (size_t)(slash - raw), table->routes[i]->path))
            return i + 1;
    return 0;
}

/* All paths begin with '/', so it is compared once. */
unsigned route_find(const struct route_table *table, const char *path, size_t len)
{
    if (len == 0 || path[0] != '/')
        return 0;
    for (unsigned i = 0; i < table->count; i++)
        if (text_is(path + 1, len - 1, table->routes[i]->path + 1) &&
            table->routes[i]->below == NULL)
            return i + 1;
    return 0;
}

const char *route_path(const struct route_table *table, unsigned number)
{
    if (number == 0)
        return "none";
    return number <= table->count ? table->routes[number - 1]->path : NULL;
}
