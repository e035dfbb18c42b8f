#include "actor/news_line.h"

#include "log/log.h"

#include <inttypes.h>

struct line {
    enum log_level level;
    const char *before, *after_one, *after_many, *end;
};

static const struct line lines[NEWS_KINDS] = {
#define WARNING(...) LOG_LEVEL_WARNING, __VA_ARGS__
#define INFO(...) LOG_LEVEL_INFO, __VA_ARGS__
#define X(field, status, line, ...) [NEWS_##field] = {line},
    TOLD_COUNTERS(X)
#undef X
};

void log_news(const struct news *news)
{
    for (int i = 0; i < NEWS_KINDS; i++) {
        uint64_t count = news->count[i];
        if (count > 0)
            log_line(lines[i].level, "%s%" PRIu64 "%s%s", lines[i].before, count,
                     count == 1 ? lines[i].after_one : lines[i].after_many, lines[i].end);
    }
}

void log_forgotten(const struct forgotten *forgotten)
{
    static const char are_gone[] =
        "gone from the configuration; keys forgotten that were not full: ";
    for (uint32_t i = 0; i < forgotten->named; i++)
        log_line(LOG_LEVEL_INFO, "limit \"%s\" is %s%" PRIu64, forgotten->limit[i].name, are_gone,
                 forgotten->limit[i].keys);
    if (forgotten->others > 0)
        log_line(LOG_LEVEL_INFO, "%" PRIu32 " more limits are %s%" PRIu64, forgotten->others,
                 are_gone, forgotten->keys_of_others);
}
