#include "fuzz/mutate.h"

#include <string.h>

/* What a mutation works on. */
struct mutant {
    struct dice *dice;
    uint8_t *bytes;
    size_t len, len_max;
};

struct span {
    size_t at, len;
};

/* Some bytes of so many, mostly few; never none unless there are none. */
static struct span some_of(struct dice *dice, size_t len)
{
    if (len == 0)
        return (struct span){0, 0};
    size_t at = dice_roll(dice, len);
    size_t most = len - at;
    if (!dice_once_in(dice, 4) && most > 8)
        most = 8;
    return (struct span){at, 1 + dice_roll(dice, most)};
}

static void insert(struct mutant *mutant, const uint8_t *piece, size_t len)
{
    size_t at = dice_roll(mutant->dice, mutant->len + 1);
    if (len > mutant->len_max - mutant->len)
        len = mutant->len_max - mutant->len;
    memmove(mutant->bytes + at + len, mutant->bytes + at, mutant->len - at);
    memcpy(mutant->bytes + at, piece, len);
    mutant->len += len;
}

static void overwrite(struct mutant *mutant, const uint8_t *piece, size_t len)
{
    if (mutant->len == 0)
        return;
    size_t at = dice_roll(mutant->dice, mutant->len);
    if (len > mutant->len - at)
        len = mutant->len - at;
    memcpy(mutant->bytes + at, piece, len);
}

static void put_in(struct mutant *mutant, const uint8_t *piece, size_t len)
{
    (dice_once_in(mutant->dice, 2) ? insert : overwrite)(mutant, piece, len);
}

static void flip_a_bit(struct mutant *mutant)
{
    if (mutant->len > 0)
        mutant->bytes[dice_roll(mutant->dice, mutant->len)] ^=
            (uint8_t)(1u << dice_roll(mutant->dice, 8));
}

/* A random byte, or one of those that parsers stumble on. */
static void put_a_byte(struct mutant *mutant)
{
    static const uint8_t awkward[] = "\0\t\n\r \"%&+-/0:=?[\\]{}~\x7f\x80\xc0\xed\xf4\xff";
    uint8_t byte = (uint8_t)dice_bits(mutant->dice);
    if (dice_once_in(mutant->dice, 2))
        byte = awkward[dice_roll(mutant->dice, sizeof awkward - 1)];
    put_in(mutant, &byte, 1);
}

static void cut(struct mutant *mutant)
{
    struct span span = some_of(mutant->dice, mutant->len);
    memmove(mutant->bytes + span.at, mutant->bytes + span.at + span.len,
            mutant->len - span.at - span.len);
    mutant->len -= span.len;
}

static void put_of(struct mutant *mutant, const struct corpus *corpus, bool whole)
{
    if (corpus->count == 0)
        return;
    const struct corpus_item *item = &corpus->items[dice_roll(mutant->dice, corpus->count)];
    struct span span = whole ? (struct span){0, item->len} : some_of(mutant->dice, item->len);
    put_in(mutant, item->bytes + span.at, span.len);
}

/* Ours up to some place, from there on another's. */
static void splice(struct mutant *mutant, const struct corpus *inputs)
{
    const struct corpus_item *item = &inputs->items[dice_roll(mutant->dice, inputs->count)];
    size_t kept = dice_roll(mutant->dice, mutant->len + 1);
    size_t from = dice_roll(mutant->dice, item->len + 1), len = item->len - from;
    if (len > mutant->len_max - kept)
        len = mutant->len_max - kept;
    memcpy(mutant->bytes + kept, item->bytes + from, len);
    mutant->len = kept + len;
}

/* Some of its own bytes once more. */
static void repeat(struct mutant *mutant)
{
    struct span span = some_of(mutant->dice, mutant->len);
    uint8_t copy[64];
    if (span.len > sizeof copy)
        span.len = sizeof copy;
    memcpy(copy, mutant->bytes + span.at, span.len);
    put_in(mutant, copy, span.len);
}

size_t mutate(struct dice *dice, uint8_t *bytes, size_t len, size_t len_max,
              const struct corpus *inputs, const struct corpus *words)
{
    struct mutant mutant = {dice, bytes, len, len_max};
    do {
        switch (dice_roll(dice, 8)) {
        case 0:
            flip_a_bit(&mutant);
            break;
        case 1:
            put_a_byte(&mutant);
            break;
        case 2:
            cut(&mutant);
            break;
        case 3:
            repeat(&mutant);
            break;
        case 4:
            splice(&mutant, inputs);
            break;
        case 5:
            put_of(&mutant, inputs, false);
            break;
        default:
            put_of(&mutant, words, true);
        }
    } while (!dice_once_in(dice, 3));
    return mutant.len;
}
