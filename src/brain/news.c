#include "brain/news.h"

struct news news_take(struct news_told *told, const struct brain_counters *counters,
                      uint64_t now_ns)
{
    const uint64_t counted[NEWS_KINDS] = {
#define X(field, ...) [NEWS_##field] = counters->field,
        TOLD_COUNTERS(X)
#undef X
    };
    struct news news = {{0}};
    for (int i = 0; i < NEWS_KINDS; i++) {
        if (counted[i] == told->count[i] || now_ns < told->due_ns[i])
            continue;
        news.count[i] = counted[i] - told->count[i];
        told->total += news.count[i];
        told->count[i] = counted[i];
        told->due_ns[i] = now_ns + NEWS_PERIOD_S * (uint64_t)NS_PER_S;
    }
    return news;
}
