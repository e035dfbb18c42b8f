#include "prop/fleet_naive.h"

enum { SIDECARS_MAX = 6, BURST = 100, CHUNK = 12, RATE_A_S = 50, LEASE_MS = 2000 };

static double least(double a, double b)
{
    return a < b ? a : b;
}

struct naive {
    double level, used, worst;
    unsigned hand[SIDECARS_MAX];
    uint64_t lease_until_ms[SIDECARS_MAX], now_ms;
};

static void pass(struct naive *naive, uint64_t ms)
{
    double refill = (double)ms * RATE_A_S / 1000;
    naive->now_ms += ms;
    naive->level = least(BURST, naive->level + refill);
    naive->used = naive->used > refill ? naive->used - refill : 0;
}

static void ask(struct naive *naive, unsigned sidecar)
{
    if (naive->now_ms >= naive->lease_until_ms[sidecar])
        naive->hand[sidecar] = 0;
    if (naive->hand[sidecar] == 0) {
        naive->hand[sidecar] = (unsigned)least(CHUNK, naive->level);
        naive->level -= naive->hand[sidecar];
    }
    if (naive->hand[sidecar] == 0)
        return;
    naive->lease_until_ms[sidecar] =
        naive->now_ms + LEASE_MS; /* a sidecar that is asked renews it */
    naive->hand[sidecar]--;
    naive->used++;
    naive->worst = naive->used > naive->worst ? naive->used : naive->worst;
}

double fleet_naive_worst_percent(struct dice *dice, unsigned sidecars, uint64_t questions)
{
    struct naive naive = {.level = BURST};
    while (questions-- > 0) {
        pass(&naive, dice_once_in(dice, 100) ? dice_roll(dice, LEASE_MS) : dice_once_in(dice, 10));
        ask(&naive, (unsigned)dice_roll(dice, sidecars));
    }
    return 100 * naive.worst / BURST;
}
