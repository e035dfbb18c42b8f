#include "brain/orders.h"

#include "base/least.h"
#include "brain/share_apart.h"
#include "brain/share_demand.h"
#include "brain/share_estimate.h"
#include "brain/share_hand.h"
#include "brain/share_keep.h"
#include "brain/share_order.h"
#include "brain/share_slots.h"

/* For so long a share is kept that nobody asks for, but whose record is known to have too little. */
#define EXHAUSTED_KEPT_NS (60 * NS_PER_S)

/* ---- when ---- */

/* Whether it has only to give back what it has. */
static bool is_ending(const struct brain *brain, const struct share *share)
{
    return share->is_leaving || brain->shares.ending != NULL || brain->shares.has_ended;
}

static uint64_t quiet_ns(const struct brain *brain, const struct share *share)
{
    return share->used_ns + brain_fleet_terms(brain)->return_after_ms * NS_PER_MS;
}

uint64_t orders_may_go_ns(const struct brain *brain, const struct share *share)
{
    uint64_t ahead_ns =
        (uint64_t)brain_fleet_terms(brain)->min_interval_ms * ORDERS_AHEAD * NS_PER_MS;
    if (share->is_away || (share->is_again && share->repeats <= ORDERS_REPEATS))
        return brain->now_ns;
    if (is_ending(brain, share) && !share->is_cut)
        return brain->now_ns;
    uint64_t may_ns = share->spaced_ns > ahead_ns ? share->spaced_ns - ahead_ns : 0;
    if (orders_are_cut(brain, share))
        may_ns = most(may_ns, share->retry_ns);
    return most(may_ns, brain->now_ns);
}

/* Whether it is to give back what it has, because nobody asks any more. */
static bool is_quiet(const struct brain *brain, const struct share *share)
{
    return share->waiting == 0 && brain->now_ns >= quiet_ns(brain, share);
}

/* Who is first in the queue and wants tokens. */
static uint64_t head_tokens(const struct share *share)
{
    for (struct waiter *waiter = share->first; waiter != NULL; waiter = waiter->after)
        if (orders_tokens(message_of_waiter(waiter)) > 0)
            return orders_tokens(message_of_waiter(waiter));
    return 0;
}

/* When the record will have refilled so far, or is looked at before. */
static uint64_t refilled_ns(const struct share *share, uint64_t tokens, uint64_t now_ns)
{
    return least(share_ready_ns(share, tokens, now_ns),
                 share->sent_ns + ORDERS_RETRY_MS * NS_PER_MS);
}

/* When an order could bring what somebody waits for, or misses. */
static uint64_t needed_ns(const struct brain *brain, struct share *share)
{
    uint64_t now_ns = brain->now_ns;
    bool wants =
        share->waiting > 0 ? head_tokens(share) > 0 : share->missed_tokens > share_hand(share);
    if (wants && now_ns < share->hold_ns)
        return share->hold_ns;
    if (share->waiting > 0)
        return share->is_known ? refilled_ns(share, head_tokens(share), now_ns) : share->next_ns;
    if (now_ns >= quiet_ns(brain, share))
        share->missed_tokens = share->listed_tokens = 0;
    if (share->listed_tokens > share_hand(share))
        return share->is_known ? refilled_ns(share, share->listed_tokens, now_ns) : share->next_ns;
    if (share->missed_tokens > share_hand(share))
        return share->is_known
                   ? most(share->next_ns, refilled_ns(share, share->missed_tokens, now_ns))
                   : share->next_ns;
    return SHARE_NEVER;
}

/* Whether the store would keep slots that leases hold for longer than they last, though nobody here will lend
 * them again. */
static bool is_kept_too_long(const struct brain *brain, const struct share *share)
{
    uint64_t ttl_ns = brain_fleet_terms(brain)->ttl_ms * NS_PER_MS;
    uint64_t used_ns = share->used_until_ns - least(share->used_until_ns, brain->now_ns);
    return share->bucket[0].used > 0 && !share->is_cut &&
           share->kept_ns > brain->now_ns + most(used_ns + used_ns / 500, ttl_ns) + 2 * NS_PER_MS;
}

/* When an order has a reason to go. Beside it, how little in hand is a reason. */
static uint64_t reason_ns(struct brain *brain, struct share *share)
{
    uint64_t now_ns = brain->now_ns, due_ns = SHARE_NEVER;
    bool has_hand = share_has_hand(share);
    if (brain->shares.has_ended)
        return SHARE_NEVER;
    if (share->former != NULL)
        return now_ns;
    if (is_ending(brain, share))
        return has_hand || share_has_spent(share) || share_has_news(share) ||
                       is_kept_too_long(brain, share)
                   ? now_ns
                   : SHARE_NEVER;
    if (share->is_claim)
        return most(now_ns, share->next_ns);
    if (share->is_again || share_has_news(share) || share->is_looked_for)
        return now_ns;
    uint64_t give_back_ns = share->waiting == 0 ? quiet_ns(brain, share) : SHARE_NEVER;
    uint64_t low = is_quiet(brain, share)
                       ? 0
                       : (share_wanted(share, now_ns, brain_fleet_terms(brain)) + 1) / 2;
    due_ns = needed_ns(brain, share);
    if (share_hand(share) < low)
        due_ns = least(due_ns, most(share->next_ns, share->hold_ns));
    if (due_ns == SHARE_NEVER)
        share->low_tokens = low;
    if (share_has_spent(share)) {
        uint64_t tell_ns = share->sent_ns + brain_fleet_terms(brain)->horizon_ms * NS_PER_MS;
        tell_ns = most(tell_ns, share_full_ns(share, now_ns));
        due_ns = least(due_ns, least(tell_ns, give_back_ns));
    }
    if (share_has_out(share))
        due_ns = least(due_ns, share->sent_ns + brain_fleet_terms(brain)->renew_ms * NS_PER_MS);
    return has_hand || share_slots_stand_by(share) ? least(due_ns, give_back_ns) : due_ns;
}

static void make_ready(struct shares *shares, struct share *share)
{
    share->is_ready = true;
    share->next_ready = NULL;
    if (shares->ready == NULL)
        shares->ready = share;
    else
        shares->last_ready->next_ready = share;
    shares->last_ready = share;
}

bool orders_need_no_share(struct brain *brain, struct share *share)
{
    return !share->is_away && !share->is_ready && share->waiting == 0 && !share->is_left &&
           share->former == NULL && !share_has_hand(share) &&
           (!share_has_spent(share) || share->is_cut) &&
           (share->bucket[0].used == 0 ||
            (is_ending(brain, share) && !is_kept_too_long(brain, share))) &&
           (!share_has_news(share) || brain->shares.has_ended) &&
           (!share->is_looked_for || is_ending(brain, share)) &&
           (!share_slots_stand_by(share) || share->is_cut || is_ending(brain, share)) &&
           share_is_full_apart(share, brain->now_ns);
}

uint64_t orders_forget_ns(const struct brain *brain, const struct share *share)
{
    uint64_t more_ns = share->is_known ? share_ready_ns(share, share_hand(share) + 1, brain->now_ns)
                                       : share->next_ns;
    uint64_t exhausted_ns = share->is_cut ? 0 : least(more_ns, share->used_ns + EXHAUSTED_KEPT_NS);
    /* one that is made anew may have orders go ahead of their time again */
    exhausted_ns = most(exhausted_ns, share->spaced_ns);
    return is_ending(brain, share) ? brain->now_ns : most(quiet_ns(brain, share), exhausted_ns);
}

/* When a share without an order to come is looked at again, to be forgotten. */
static uint64_t looked_at_ns(struct brain *brain, struct share *share)
{
    uint64_t due_ns = orders_forget_ns(brain, share);
    if (due_ns <= brain->now_ns && !orders_need_no_share(brain, share))
        due_ns = brain->now_ns + ORDERS_RETRY_MS * NS_PER_MS;
    return due_ns;
}

void orders_see(struct brain *brain, struct share *share)
{
    uint64_t due_ns = SHARE_NEVER;
    share_keep(&brain->shares.keeping, share);
    share->low_tokens = 0;
    if (!share->is_away && !share->is_ready) {
        due_ns = reason_ns(brain, share);
        if (due_ns != SHARE_NEVER)
            due_ns = most(due_ns, orders_may_go_ns(brain, share));
        if (due_ns <= brain->now_ns) {
            make_ready(&brain->shares, share);
            due_ns = SHARE_NEVER;
        } else {
            due_ns = least(due_ns, looked_at_ns(brain, share));
        }
    }
    if (share_has_out(share))
        due_ns = least(due_ns, share->lease_ns);
    share_book_set_due(&brain->shares, share, due_ns);
}

/* ---- what ---- */

/* The most that the store gives of a bucket unless it is asked exactly, as far as is known. */
static uint64_t chunk_of(const struct share *share, uint32_t index)
{
    const struct share_bucket *bucket = &share->bucket[index];
    uint64_t holders = share->holders == 0 ? 1 : share->holders;
    uint64_t chunk = most(1, bucket->terms.burst_tokens / (2 * holders));
    uint64_t out = bucket->others_tokens + share_bucket_out(bucket);
    uint64_t outstanding = bucket->terms.outstanding_tokens;
    return share->is_known ? least(chunk, outstanding - least(outstanding, out)) : chunk;
}

/* Whether the head of the queue gets its tokens only if it is asked for just them. */
static bool is_exact(const struct brain *brain, const struct share *share, uint64_t tokens)
{
    if (tokens == 0)
        return false;
    if (share->is_short && share->is_known &&
        share_ready_ns(share, tokens, brain->now_ns) <= brain->now_ns)
        return true;
    for (uint32_t i = 0; i < share->buckets; i++) {
        uint64_t hand = share_bucket_hand(&share->bucket[i]);
        if (tokens > hand && tokens - hand > chunk_of(share, i))
            return true;
    }
    return false;
}

/* Whether the record is known to have so many. */
static bool has_enough(const struct brain *brain, const struct share *share, uint64_t tokens)
{
    return share->is_known && share_ready_ns(share, tokens, brain->now_ns) <= brain->now_ns;
}

/* The tokens of all at the head of the queue, and of lists behind it, for whom the record has enough; of the
 * first one at least. */
static uint64_t exact_tokens(const struct brain *brain, const struct share *share)
{
    uint64_t sum = 0;
    for (struct waiter *waiter = share->first; waiter != NULL; waiter = waiter->after) {
        uint64_t tokens = orders_tokens(message_of_waiter(waiter));
        if (sum > 0 && !has_enough(brain, share, sum + tokens))
            return sum;
        sum += tokens;
    }
    if (sum == 0 || has_enough(brain, share, sum + share->listed_tokens))
        sum += share->listed_tokens;
    return sum == 0 ? share->missed_tokens : sum;
}

static void want(const struct share *share, uint64_t tokens, uint64_t wants[BUCKETS_MAX])
{
    for (uint32_t i = 0; i < share->buckets; i++) {
        uint64_t hand = share_bucket_hand(&share->bucket[i]);
        wants[i] = tokens <= hand ? 0 : least(tokens - hand, share->bucket[i].terms.burst_tokens);
    }
}

static bool is_nothing(const struct share *share, const uint64_t wants[BUCKETS_MAX])
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < share->buckets; i++)
        any |= wants[i];
    return any == 0;
}

/* What a lease will want, if a horizon wants so much: with that in hand a store out of reach does no harm for
 * a while. */
static uint64_t for_lease(const struct fleet_terms *terms, uint64_t demand)
{
    unsigned __int128 wanted = (unsigned __int128)demand * terms->ttl_ms;
    wanted /= most(terms->horizon_ms, 1);
    return wanted > UINT64_MAX ? UINT64_MAX : (uint64_t)wanted;
}

/* What the next order of a share is to say. Returns its flags. */
static uint8_t plan(struct brain *brain, struct share *share, uint64_t wants[BUCKETS_MAX])
{
    const struct fleet_terms *terms = brain_fleet_terms(brain);
    uint8_t flags = terms->on_loss == FLEET_LOSS_FULL ? ORDER_ON_LOSS_FULL : 0;
    uint64_t demand = share_wanted(share, brain->now_ns, terms);
    uint64_t head = share->waiting > 0 ? head_tokens(share) : share->missed_tokens;
    if (share->former != NULL)
        return flags;
    if (is_ending(brain, share) || is_quiet(brain, share)) {
        if (share->bucket[0].used == 0)
            return flags | ORDER_RELEASE;
        share_give_back(share, 0, brain_fleet_counters(brain));
        return flags;
    }
    bool holds_off = share_slots_hold_off(share, brain->now_ns);
    if (!holds_off &&
        (is_exact(brain, share, head) || is_exact(brain, share, share->listed_tokens))) {
        bool leaves_others = share->has_slots && share->holders > 1;
        want(share, leaves_others ? most(head, 1) : exact_tokens(brain, share), wants);
        return flags | ORDER_EXACT;
    }
    uint64_t keep = for_lease(terms, demand);
    if (share->has_slots && share->waiting == 0)
        share_give_back(share, most(share_slots_to_keep(share), most(demand, share->missed_tokens)),
                        brain_fleet_counters(brain));
    else if (share->waiting == 0 && share->listed_tokens == 0 && keep > 0 &&
             share_hand(share) / 2 > keep)
        share_give_back(share, keep, brain_fleet_counters(brain));
    if (holds_off)
        return flags;
    want(share, most(share->waiting_tokens + share->listed_tokens + demand, share->missed_tokens),
         wants);
    if (share->waiting == 0 && is_nothing(share, wants) && !share_has_out(share) &&
        !share->is_looked_for)
        flags |= ORDER_RELEASE;
    return flags;
}

/* Whether the record has less than is wanted, so that others may want it too. */
static bool is_scarce(struct share *share, const uint64_t wants[BUCKETS_MAX], uint64_t now_ns)
{
    uint64_t most_wanted = 0;
    for (uint32_t i = 0; i < share->buckets; i++)
        most_wanted = most(most_wanted, wants[i]);
    return share->is_known &&
           share_ready_ns(share, share_hand(share) + most_wanted, now_ns) > now_ns;
}

/* How long after this order the next one may go. If tokens are scarce, it is up to half of the interval more,
 * by a number that differs by session and order: else the sidecars kept their places within it, and the first
 * of them had all that has refilled, each time. */
static uint64_t space_ns(const struct brain *brain, struct share *share,
                         const uint64_t wants[BUCKETS_MAX])
{
    uint64_t interval_ns = brain_fleet_terms(brain)->min_interval_ms * NS_PER_MS;
    uint64_t mixed = share->session + share->seq * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 32) * UINT64_C(0xd6e8feb86659fd93);
    bool spreads = interval_ns > 1 && is_scarce(share, wants, brain->now_ns);
    return interval_ns + (spreads ? (mixed >> 32) % (interval_ns / 2) : 0);
}

static void write_one(struct brain *brain, struct share *share, struct orders *orders)
{
    struct shares *shares = &brain->shares;
    uint64_t wants[BUCKETS_MAX] = {0};
    share->is_ready = false;
    share_slots_count(brain, share);
    uint8_t flags = plan(brain, share, wants);
    if (share->has_slots && !share->is_joined && !share_has_out(share) && !is_nothing(share, wants))
        flags |= ORDER_JOIN;
    uint32_t ttl_ms = brain_fleet_terms(brain)->ttl_ms;
    uint32_t keep_ms =
        share_slots_keep_ms(share, brain->now_ns, is_ending(brain, share) ? 0 : ttl_ms);
    share_write_order(share, &orders->order[orders->count++], flags, wants, keep_ms, brain->now_ns,
                      ttl_ms, &shares->sessions, &shares->counters);
    share->missed_tokens = share->listed_tokens = 0;
    share->wrote_turn = orders->turn;
    share->is_looked_for = false;
    share->spaced_ns = most(share->spaced_ns, brain->now_ns) + space_ns(brain, share, wants);
    orders_see(brain, share);
}

/* ---- letters ---- */

static struct orders *take_letter(struct shares *shares)
{
    struct orders *orders = shares->free_letter;
    if (orders != NULL)
        shares->free_letter = orders->next_free;
    else if (shares->letters_begun < SHARE_LETTERS)
        orders = &shares->letter[shares->letters_begun++];
    return orders;
}

void orders_free_letter(struct brain *brain, struct orders *orders)
{
    orders->turn = 0;
    orders->next_free = brain->shares.free_letter;
    brain->shares.free_letter = orders;
    brain->shares.letters_away--;
}

static void write_letter(struct brain *brain, struct orders *orders)
{
    struct shares *shares = &brain->shares;
    const struct fleet_terms *terms = brain_fleet_terms(brain);
    orders->message = (struct message){.kind = MESSAGE_ORDERS};
    orders->sent_ns = brain->now_ns;
    orders->turn = shares->turns;
    orders->ttl_ms = terms->ttl_ms;
    orders->grace_ms = terms->grace_ms;
    orders->clock_guard_ms = terms->clock_guard_ms;
    orders->count = 0;
    while (shares->ready != NULL && orders->count < ORDERS_MAX) {
        struct share *share = shares->ready;
        shares->ready = share->next_ready;
        write_one(brain, share, orders);
    }
    shares->letters_away++;
}

bool orders_are_home(const struct brain *brain, uint64_t turn)
{
    const struct shares *shares = &brain->shares;
    bool are_home = shares->turns >= turn;
    for (uint32_t i = 0; i < shares->letters_begun; i++)
        are_home &= shares->letter[i].turn == 0 || shares->letter[i].turn > turn;
    return are_home;
}

struct letter *orders_letters(struct brain *brain)
{
    struct chain letters = {0};
    struct orders *orders;
    brain->shares.turns += brain->shares.ready != NULL;
    while (brain->shares.ready != NULL && (orders = take_letter(&brain->shares)) != NULL) {
        write_letter(brain, orders);
        chain_add(&letters, &orders->message.letter);
    }
    return letters_oldest_first(letters.newest);
}
