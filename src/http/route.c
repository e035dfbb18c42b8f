#include "http/route.h"

#include <string.h>

static const struct {
    const char *name;
    unsigned bit;
} methods[] = {
    {"GET", METHOD_GET},       {"HEAD", METHOD_HEAD},       {"POST", METHOD_POST},
    {"DELETE", METHOD_DELETE}, {"CONNECT", METHOD_CONNECT},
};

unsigned method_parse(const char *method)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, method) == 0)
            return methods[i].bit;
    return METHOD_OTHER;
}

unsigned route_find_below(const struct route_table *table, const char *raw, size_t len)
{
    for (unsigned i = 0; i < table->count && table->routes[i]->below != NULL; i++) {
        size_t path_len = strlen(table->routes[i]->path);
        if (len > path_len && raw[path_len] == '/' &&
            memcmp(raw, table->routes[i]->path, path_len) == 0)
            return i + 1;
    }
    return 0;
}

/* A NUL within it is no end of it. */
unsigned route_find(const struct route_table *table, const char *path, size_t len)
{
    if (strlen(path) != len)
        return 0;
    for (unsigned i = 0; i < table->count; i++)
        if (strcmp(table->routes[i]->path, path) == 0 && table->routes[i]->below == NULL)
            return i + 1;
    return 0;
}

const char *route_path(const struct route_table *table, unsigned number)
{
    if (number == 0)
        return "none";
    return number <= table->count ? table->routes[number - 1]->path : NULL;
}
