#include "http/route.h"

#include "brain/tally.h"

#include <assert.h>
#include <string.h>

static const struct route routes[] = {
    {
        .path = "/allow",
        .methods = METHOD_GET | METHOD_POST,
        .allow = "GET, POST",
        .parameters = PARAMETER_KEY | PARAMETER_TOKENS | PARAMETER_LIMIT,
        .takes = "key, tokens and limit",
        .with_key = MESSAGE_ALLOW,
        .without_key = -1,
        .takes_list = true,
        .changes_state = true,
    },
    {
        .path = "/reset",
        .methods = METHOD_POST | METHOD_DELETE,
        .allow = "POST, DELETE",
        .parameters = PARAMETER_KEY | PARAMETER_LIMIT,
        .takes = "key and limit",
        .with_key = MESSAGE_RESET,
        .without_key = -1,
        .is_admin = true,
        .changes_state = true,
    },
    {
        .path = "/refund",
        .methods = METHOD_POST,
        .allow = "POST",
        .parameters = PARAMETER_KEY | PARAMETER_TOKENS | PARAMETER_LIMIT,
        .takes = "key, tokens and limit",
        .with_key = MESSAGE_REFUND,
        .without_key = -1,
        .is_admin = true,
        .changes_state = true,
    },
    {
        .path = "/status",
        .methods = METHOD_GET | METHOD_HEAD,
        .allow = "GET, HEAD",
        .parameters = PARAMETER_KEY | PARAMETER_LIMIT,
        .takes = "key and limit",
        .with_key = MESSAGE_STATUS,
        .without_key = MESSAGE_DAEMON,
        .takes_list = true,
        .is_admin = true,
    },
    {
        .path = "/keys",
        .methods = METHOD_GET | METHOD_HEAD,
        .allow = "GET, HEAD",
        .parameters = PARAMETER_PREFIX | PARAMETER_LIMIT | PARAMETER_SORT | PARAMETER_COUNT |
                      PARAMETER_CURSOR,
        .takes = "prefix, limit, sort, count and cursor",
        .without_key = MESSAGE_KEYS,
        .is_admin = true,
    },
    {
        .path = "/metrics",
        .methods = METHOD_GET | METHOD_HEAD,
        .allow = "GET, HEAD",
        .takes = "no parameters",
        .without_key = MESSAGE_METRICS,
        .is_admin = true,
    },
    {
        .path = "/healthz",
        .methods = METHOD_GET | METHOD_HEAD,
        .allow = "GET, HEAD",
        .takes = "no parameters",
        .without_key = MESSAGE_DAEMON,
        .purpose = ROUTE_HEALTHZ,
    },
    {
        .path = "/readyz",
        .methods = METHOD_GET | METHOD_HEAD,
        .allow = "GET, HEAD",
        .takes = "no parameters",
        .without_key = MESSAGE_DAEMON,
        .purpose = ROUTE_READYZ,
    },
    {
        .path = "/reload",
        .methods = METHOD_POST,
        .allow = "POST",
        .takes = "no parameters",
        .without_key = MESSAGE_DAEMON,
        .purpose = ROUTE_RELOAD,
        .is_admin = true,
        .changes_state = true,
    },
};

const struct route route_check = {
    .path = ROUTE_CHECK_PREFIX "NAME",
    .methods = METHOD_ANY,
    .allow = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    .with_key = MESSAGE_ALLOW,
    .without_key = -1,
};

static const struct {
    const char *name;
    unsigned bit;
} methods[] =
    {
        {"GET", METHOD_GET},       {"HEAD", METHOD_HEAD},       {"POST", METHOD_POST},
        {"DELETE", METHOD_DELETE}, {"CONNECT", METHOD_CONNECT},
},
  parameters[] = {
      {"key", PARAMETER_KEY},       {"tokens", PARAMETER_TOKENS}, {"limit", PARAMETER_LIMIT},
      {"prefix", PARAMETER_PREFIX}, {"sort", PARAMETER_SORT},     {"count", PARAMETER_COUNT},
      {"cursor", PARAMETER_CURSOR},
};

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static_assert(LENGTH(routes) + 2 <= TALLY_ROUTES_MAX, "each route has a number to be counted by");

unsigned route_number(const struct route *route)
{
    if (route == NULL)
        return 0;
    return route == &route_check ? 1 : 2 + (unsigned)(route - routes);
}

const char *route_number_path(unsigned number)
{
    if (number < 2)
        return number == 0 ? "none" : "/check";
    return number - 2 < LENGTH(routes) ? routes[number - 2].path : NULL;
}

const struct route *route_find(const char *path, size_t len)
{
    for (size_t i = 0; i < LENGTH(routes); i++)
        if (strlen(routes[i].path) == len && memcmp(routes[i].path, path, len) == 0)
            return &routes[i];
    return NULL;
}

unsigned method_parse(const char *method)
{
    for (size_t i = 0; i < LENGTH(methods); i++)
        if (strcmp(methods[i].name, method) == 0)
            return methods[i].bit;
    return METHOD_OTHER;
}

unsigned parameter_parse(const char *name, size_t len)
{
    for (size_t i = 0; i < LENGTH(parameters); i++)
        if (strlen(parameters[i].name) == len && memcmp(parameters[i].name, name, len) == 0)
            return parameters[i].bit;
    return 0;
}
