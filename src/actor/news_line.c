#include "actor/news_line.h"

#include "log/log.h"

#include <inttypes.h>

void log_news(const struct news *news)
{
    uint64_t evicted = news->count[NEWS_EVICTED], denied = news->count[NEWS_TABLE_FULL_DENIED];
    uint64_t allowed = news->count[NEWS_TABLE_FULL_ALLOWED];
    uint64_t ended = news->count[NEWS_OVERRIDES_ENDED];
    if (evicted > 0)
        log_warning("the table is full: %" PRIu64 " key%s forgotten before the bucket was full; "
                    "raise max_keys",
                    evicted, evicted == 1 ? " was" : "s were");
    if (denied > 0)
        log_warning("the table is full: %" PRIu64 " request%s denied for want of room; raise "
                    "max_keys",
                    denied, denied == 1 ? " was" : "s were");
    if (allowed > 0)
        log_warning("the table is full: %" PRIu64 " request%s allowed without being counted; raise "
                    "max_keys",
                    allowed, allowed == 1 ? " was" : "s were");
    if (ended > 0)
        log_info("overrides that have ended: %" PRIu64, ended);
}
