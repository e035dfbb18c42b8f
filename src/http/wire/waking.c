#include "http/wire/parts.h"

void tell_time(struct http *http)
{
    http->now_ns = clock_now_ns(http->clock);
    if (http->serving.dialect->tells_date)
        http->serving.wall_ns = clock_wall_ns(http->clock);
}

void come_back(struct http *http)
{
    http->is_waiting = false;
    tell_time(http);
    http->woke(http->woke_context);
}
