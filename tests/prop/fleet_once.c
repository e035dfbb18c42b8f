#include "prop/fleet_once.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* For so long an answer is remembered for sure, by true time: a clock may be fast, and a process stand still. */
enum { REMEMBERED_S = ONCE_KEPT_S - 10 };

void fleet_once_name(uint64_t token, struct once_question *once)
{
    *once = (struct once_question){0};
    once->token_len = (uint8_t)snprintf(once->token, sizeof once->token, "%" PRIu64, token);
}

struct fleet_once fleet_once_of(const struct message *message, uint64_t token, unsigned sidecar,
                                unsigned life, unsigned record)
{
    struct fleet_once once = {
        .token = token,
        .sidecar = sidecar,
        .life = life,
        .record = record,
        .kind = message->kind,
        .terms = {.tokens = message->ask.bucket.tokens, .wait_ms = message->ask.bucket.wait_ms},
        .result = message->answer.bucket.result,
    };
    if (message->kind != MESSAGE_ACQUIRE)
        return once;
    once.terms.slots = message->ask.acquire.slots;
    once.terms.ttl_ms = message->ask.acquire.ttl_ms;
    once.id = message->ask.acquire.id;
    return once;
}

static struct fleet_once *find(struct fleet_onces *onces, unsigned sidecar, unsigned life,
                               uint64_t token)
{
    for (unsigned i = 0; i < FLEET_ONCES; i++) {
        struct fleet_once *told = &onces->told[i];
        if (told->token == token && told->sidecar == sidecar && told->life == life)
            return told;
    }
    return NULL;
}

const struct fleet_once *fleet_once_find(const struct fleet_onces *onces, unsigned sidecar,
                                         unsigned life, uint64_t token)
{
    return find((struct fleet_onces *)onces, sidecar, life, token);
}

/* What did nothing for a reason that can pass is asked anew. */
static bool is_remembered(enum bucket_result result)
{
    return result != BUCKET_LEFT && result != BUCKET_NEEDS_LEASE && result != BUCKET_SLOTS_ONLY &&
           result != BUCKET_NO_LEASES && result != BUCKET_NO_SUCH_LIMIT;
}

static bool asks_the_same(const struct fleet_once *one, const struct fleet_once *other)
{
    return one->terms.tokens == other->terms.tokens && one->terms.wait_ms == other->terms.wait_ms &&
           one->terms.slots == other->terms.slots && one->terms.ttl_ms == other->terms.ttl_ms;
}

static void fail(const struct fleet_ledger *ledger, const struct fleet_once *asked,
                 const char *what)
{
    fleet_violated(FLEET_ONCE, ledger,
                   "%u answers kind %d with token %" PRIu64 ": result %d, though %s",
                   asked->sidecar, asked->kind, asked->token, asked->result, what);
}

static void check_repeated(const struct fleet_once *asked, const struct fleet_once *told,
                           const struct fleet_ledger *ledger)
{
    if (told == NULL || !asks_the_same(asked, told))
        fail(ledger, asked, "this question was not answered before");
    if (asked->result != told->result || memcmp(&asked->id, &told->id, sizeof asked->id) != 0)
        fail(ledger, asked, "the answer was another one before");
}

/* One that is neither decided nor answered as before. */
static void check_refused(const struct fleet_once *asked, const struct fleet_once *told,
                          const struct fleet_once *first, const struct fleet_ledger *ledger)
{
    const struct fleet_once *before = told != NULL ? told : first;
    if (before == NULL)
        fail(ledger, asked, "nobody has used this token");
    if (asked->result == BUCKET_ONCE_DIFFERS && asks_the_same(asked, before))
        fail(ledger, asked, "it asks the same as before");
    /* the first may have been answered after it, in the same turn */
    bool is_of_this_turn = told != NULL && told->answered_ns == asked->answered_ns;
    if (asked->result == BUCKET_ONCE_WAITS && first == NULL && !is_of_this_turn)
        fail(ledger, asked, "nobody waits for an answer");
}

static void keep(struct fleet_onces *onces, struct fleet_once *told, const struct fleet_once *asked)
{
    if (told == NULL)
        told = &onces->told[onces->count++ % FLEET_ONCES];
    *told = *asked;
}

bool fleet_once_tell(struct fleet_onces *onces, const struct fleet_once *asked,
                     const struct fleet_once *first, bool is_repeated,
                     const struct fleet_ledger *ledger)
{
    struct fleet_once *told = find(onces, asked->sidecar, asked->life, asked->token);
    if (asked->result == BUCKET_ONCE_DIFFERS || asked->result == BUCKET_ONCE_WAITS) {
        check_refused(asked, told, first, ledger);
        return true;
    }
    if (is_repeated && told == NULL && first != NULL) {
        keep(onces, NULL, asked);
        onces->told[(onces->count - 1) % FLEET_ONCES].is_early = true;
        return true;
    }
    if (is_repeated || (told != NULL && told->is_early)) {
        check_repeated(asked, told, ledger);
        told->is_early &= is_repeated;
        return is_repeated;
    }
    if (first != NULL)
        fail(ledger, asked, "the same waits for an answer");
    if (told != NULL && asked->answered_ns < told->answered_ns + REMEMBERED_S * NS_PER_S)
        fail(ledger, asked, "it was answered before");
    if (is_remembered(asked->result))
        keep(onces, told, asked);
    return false;
}
