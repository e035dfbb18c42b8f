#include "fleet/backoff.h"

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t draw(uint64_t *random)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t backoff_bound_ms(const struct backoff *backoff)
{
    uint64_t bound_ms = backoff->min_ms > 0 ? backoff->min_ms : 1;
    for (unsigned i = 0; i < backoff->failures && bound_ms < backoff->max_ms; i++)
        bound_ms *= 2;
    return bound_ms > backoff->max_ms ? backoff->max_ms : (uint32_t)bound_ms;
}

uint32_t backoff_ms(struct backoff *backoff)
{
    if (backoff->failures < UINT32_MAX)
        backoff->failures++;
    uint32_t bound_ms = backoff_bound_ms(backoff);
    return backoff->min_ms +
           (uint32_t)(draw(&backoff->random) % ((uint64_t)bound_ms - backoff->min_ms + 1));
}

void backoff_reset(struct backoff *backoff)
{
    backoff->failures = 0;
}
