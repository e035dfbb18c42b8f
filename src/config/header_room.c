#include "config/header_room.h"

#include "config/scalar.h"

#include <inttypes.h>

enum { LEAST = 4096, MOST = 65536, FOR_SERVICES = 10240, FOR_BROWSERS = 16384 };

void config_header_room_check(const struct raw_config *raw, struct faults *faults,
                              struct config *config)
{
    uint32_t absent = raw->checks_count > 0 ? FOR_BROWSERS : FOR_SERVICES;
    config->header_room =
        (uint32_t)scalar_number(faults, "header_room", raw->header_room, LEAST, MOST, absent);
}

void config_header_room_print(const struct config *config, FILE *out)
{
    fprintf(out, "header_room: %" PRIu32 "\n", config->header_room);
}

bool config_header_room_differs(const struct config *now, const struct config *next)
{
    return now->header_room != next->header_room;
}
