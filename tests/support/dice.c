#include "support/dice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

uint64_t environment_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    if (text == NULL)
        return otherwise;
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    if (end == text || *end != '\0') {
        fprintf(stderr, "%s is not a whole number: %s\n", name, text);
        exit(2);
    }
    return number;
}

uint64_t dice_repeats(const char *name, uint64_t otherwise)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    otherwise /= 5;
#endif
    return environment_number(name, otherwise);
}

/* SplitMix64 (Steele, Lea, Flood 2014): any state will do. */
uint64_t dice_bits(struct dice *dice)
{
    uint64_t z = dice->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint64_t fresh_seed(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct dice dice = {(uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 30 ^ (uint64_t)getpid()};
    return dice_bits(&dice) % 1000000000;
}

uint64_t dice_seed(void)
{
    static bool told;
    static uint64_t seed;
    if (!told) {
        seed = environment_number("ALLOWD_SEED", fresh_seed());
        printf("seed %" PRIu64 ": ALLOWD_SEED=%" PRIu64 " repeats this run\n", seed, seed);
        fflush(stdout);
        told = true;
    }
    return seed;
}

struct dice dice_new(uint64_t stream)
{
    struct dice seed = {dice_seed()};
    struct dice number = {stream};
    return (struct dice){dice_bits(&seed) ^ dice_bits(&number)};
}

uint64_t dice_roll(struct dice *dice, uint64_t sides)
{
    return (uint64_t)((unsigned __int128)dice_bits(dice) * sides >> 64);
}

uint64_t dice_between(struct dice *dice, uint64_t low, uint64_t high)
{
    return low + dice_roll(dice, high - low + 1);
}

bool dice_once_in(struct dice *dice, uint64_t times)
{
    return dice_roll(dice, times) == 0;
}
