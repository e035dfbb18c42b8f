#include "actor/patience.h"

#include "base/processors.h"

enum { LOOKS_A_TIME = 16 }; /* calls of has_come between two looks at the clock */

void patience_init(struct patience *patience, const struct clock *clock)
{
    *patience = (struct patience){
        .clock = clock,
        .has_processors = processors_usable() > 1,
    };
}

/* Tells the processor that this is a loop which waits. */
static void relax(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__ || defined __arm__
    __asm__ volatile("yield");
#endif
}

static bool look(bool (*has_come)(const void *context), const void *context)
{
    for (int i = 0; i < LOOKS_A_TIME; i++) {
        if (has_come(context))
            return true;
        relax();
    }
    return false;
}

static void rest(struct patience *patience, uint64_t now_ns, uint64_t least_ns)
{
    patience->rest_ns *= 2;
    if (patience->rest_ns < least_ns)
        patience->rest_ns = least_ns;
    if (patience->rest_ns > PATIENCE_REST_MAX_NS)
        patience->rest_ns = PATIENCE_REST_MAX_NS;
    patience->rests_until_ns = now_ns + patience->rest_ns;
}

bool patience_watch(struct patience *patience, bool (*has_come)(const void *context),
                    const void *context)
{
    if (!patience->has_processors)
        return false;
    uint64_t began_ns = clock_now_ns(patience->clock), now_ns = began_ns, last_ns;
    if (now_ns < patience->rests_until_ns)
        return false;
    bool found;
    do {
        found = look(has_come, context);
        last_ns = now_ns;
        now_ns = clock_now_ns(patience->clock);
    } while (!found && now_ns - last_ns < PATIENCE_INTERRUPTED_NS &&
             now_ns - began_ns < PATIENCE_NS);
    if (now_ns - last_ns >= PATIENCE_INTERRUPTED_NS)
        rest(patience, now_ns, PATIENCE_REST_INTERRUPTED_NS);
    else if (!found)
        rest(patience, now_ns, PATIENCE_REST_MIN_NS);
    else
        patience->rest_ns = 0;
    return found;
}
