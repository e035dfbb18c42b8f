#include "ctl/numbers.h"

#include "base/quantity.h"
#include "ctl/say.h"

#include <inttypes.h>

bool number_of_option(const struct job *job, enum option_name name, uint64_t min, uint64_t max,
                      uint64_t *number)
{
    const char *value = job_option(job, name);
    if (value == NULL ||
        quantity_parse_number(value, strlen(value), min, max, number) == QUANTITY_OK)
        return true;
    say("--%s: \"%s\" is no whole number from %" PRIu64 " to %" PRIu64, option_rows[name].name,
        value, min, max);
    return false;
}

bool duration_of_option(const struct options *options, enum option_name name, uint64_t min_ms,
                        uint64_t max_ms, uint64_t *ms)
{
    const char *value = options->value[name];
    char least[QUANTITY_TEXT_MAX], most[QUANTITY_TEXT_MAX];
    if (value == NULL ||
        quantity_parse_duration(value, strlen(value), min_ms, max_ms, ms) == QUANTITY_OK)
        return true;
    quantity_print_duration(min_ms, least);
    quantity_print_duration(max_ms, most);
    say("--%s: \"%s\" is no time from %s to %s, such as 500ms or 2s", option_rows[name].name, value,
        least, most);
    return false;
}
