#include "http/routes/table.h"

#include "brain/tally.h"

#include <assert.h>

static const struct route *const routes[] = {
#define X(name) &route_##name,
    ROUTES(X)
#undef X
};

enum { COUNT = sizeof routes / sizeof routes[0] };
static_assert(COUNT < TALLY_ROUTES_MAX, "each has a number to be counted by, and so has none");

const struct route_table route_table = {routes, COUNT, ROUTES_NO_SUCH_PATH, &route_whole};
