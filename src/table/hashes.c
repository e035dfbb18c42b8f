#include "table/table.h"

#include <assert.h>
#include <string.h>

/*
 * SipHash-2-4 (Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012) of four keys side by side: its
 * state is four words, of which a vector holds that of each key. So a step of four keys takes as long as that
 * of one. They must be of as many words; others are hashed one by one, and so are all where the processor has
 * no vectors that wide (AVX2).
 */

static void hash_singly(const struct table *table, const char *const key[TABLE_HASHES],
                        const size_t len[TABLE_HASHES], uint64_t hash[TABLE_HASHES])
{
    for (unsigned i = 0; i < TABLE_HASHES; i++)
        hash[i] = table_hash(table, key[i], len[i]);
}

#if defined __x86_64__ && defined __has_builtin
#if __has_builtin(__builtin_shufflevector)
#define IS_WIDE
#endif
#endif

#ifdef IS_WIDE

enum { WORD = sizeof(uint64_t), LANES_BYTES = TABLE_HASHES * WORD };
static_assert(TABLE_HASHES == 4 && TABLE_SEED_BYTES == 2 * WORD, "as is written out below");

typedef uint64_t lanes __attribute__((vector_size(LANES_BYTES)));
typedef uint32_t halves __attribute__((vector_size(LANES_BYTES)));
typedef uint16_t quarters __attribute__((vector_size(LANES_BYTES)));

struct state {
    lanes a, b, c, d;
};

#define INLINE static inline __attribute__((always_inline))
#define ROTATED(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))
#define ALL(word) ((lanes){(word), (word), (word), (word)})

/* What is rotated by half a word or a quarter of one is exchanged, which takes a step instead of three. */
#define BY_HALVES(x)                                                                               \
    ((lanes)__builtin_shufflevector((halves)(x), (halves)(x), 1, 0, 3, 2, 5, 4, 7, 6))
#define BY_QUARTERS(x)                                                                             \
    ((lanes)__builtin_shufflevector((quarters)(x), (quarters)(x), 3, 0, 1, 2, 7, 4, 5, 6, 11, 8,   \
                                    9, 10, 15, 12, 13, 14))

INLINE void mix(struct state *state)
{
    lanes a = state->a, b = state->b, c = state->c, d = state->d;
    a += b;
    c += d;
    b = ROTATED(b, 13) ^ a;
    d = BY_QUARTERS(d) ^ c;
    a = BY_HALVES(a);
    c += b;
    a += d;
    b = ROTATED(b, 17) ^ c;
    d = ROTATED(d, 21) ^ a;
    c = BY_HALVES(c);
    *state = (struct state){a, b, c, d};
}

INLINE void take(struct state *state, const lanes *word)
{
    state->d ^= *word;
    mix(state);
    mix(state);
    state->a ^= *word;
}

INLINE uint64_t load(const void *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* The last word of a key of one word or more: the bytes that fill none, which are read along with those before
 * them, and the length in the highest byte. */
INLINE uint64_t last_word(const char *key, size_t len)
{
    return load(key + len - WORD) >> 8 >> 8 * (WORD - 1 - len % WORD) | (uint64_t)len << 56;
}

__attribute__((target("avx2"))) static void hash_side_by_side(const uint8_t seed[TABLE_SEED_BYTES],
                                                              const char *const key[TABLE_HASHES],
                                                              const size_t len[TABLE_HASHES],
                                                              uint64_t hash[TABLE_HASHES])
{
    const char *a = key[0], *b = key[1], *c = key[2], *d = key[3];
    const uint64_t even = load(seed), odd = load(seed + WORD);
    struct state state = {
        ALL(even ^ UINT64_C(0x736f6d6570736575)),
        ALL(odd ^ UINT64_C(0x646f72616e646f6d)),
        ALL(even ^ UINT64_C(0x6c7967656e657261)),
        ALL(odd ^ UINT64_C(0x7465646279746573)),
    };
    for (size_t at = 0, end = len[0] - len[0] % WORD; at < end; at += WORD)
        take(&state, &(lanes){load(a + at), load(b + at), load(c + at), load(d + at)});
    take(&state, &(lanes){last_word(a, len[0]), last_word(b, len[1]), last_word(c, len[2]),
                          last_word(d, len[3])});
    state.c ^= ALL(UINT64_C(0xff));
    for (int i = 0; i < 4; i++)
        mix(&state);
    lanes sum = state.a ^ state.b ^ state.c ^ state.d;
    memcpy(hash, &sum, sizeof sum);
}

/* Whether keys are of as many words, and of one at least. */
static bool are_alike(const size_t len[TABLE_HASHES])
{
    size_t words = len[0] / WORD;
    return words > 0 && len[1] / WORD == words && len[2] / WORD == words && len[3] / WORD == words;
}

void table_hash_four(const struct table *table, const char *const key[TABLE_HASHES],
                     const size_t len[TABLE_HASHES], uint64_t hash[TABLE_HASHES])
{
    if (__builtin_cpu_supports("avx2") && are_alike(len))
        hash_side_by_side(table->seed, key, len, hash);
    else
        hash_singly(table, key, len, hash);
}

#else

void table_hash_four(const struct table *table, const char *const key[TABLE_HASHES],
                     const size_t len[TABLE_HASHES], uint64_t hash[TABLE_HASHES])
{
    hash_singly(table, key, len, hash);
}

#endif
