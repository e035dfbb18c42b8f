#include "brain/sampler.h"

#include <assert.h>

/* The burst is what one tick refills, so a token is one unit, whatever the rate, and the line
 * cannot be at fault. */
void sampler_set(struct sampler *sampler, struct rate rate, uint64_t now_ns)
{
    if (rate.tokens == sampler->rate.tokens && rate.period_ms == sampler->rate.period_ms)
        return;
    *sampler = (struct sampler){.rate = rate, .began_ns = now_ns, .left_out = sampler->left_out};
    if (rate.tokens == 0)
        return;
    enum credit_fault fault = credit_line_init(&sampler->line, rate.tokens, rate, rate.period_ms);
    assert(fault == CREDIT_OK);
    (void)fault;
}

struct sample sampler_take(struct sampler *sampler, uint64_t now_ns)
{
    struct sample sample = {false, 0};
    if (sampler->rate.tokens == 0)
        return sample;
    uint64_t period_ns = sampler->rate.period_ms * NS_PER_MS;
    if (now_ns - sampler->began_ns >= period_ns) {
        uint64_t periods = (now_ns - sampler->began_ns) / period_ns;
        sampler->began_ns += periods * period_ns;
        credit_line_advance(&sampler->line, periods);
    }
    sample.is_taken = credit_take(&sampler->line, 1, &sampler->spent_mark);
    if (!sample.is_taken) {
        sampler->left_out++;
        return sample;
    }
    sample.left_out = sampler->left_out;
    sampler->left_out = 0;
    return sample;
}
