#include "brain/decide.h"
#include "brain/orders.h"
#include "brain/share_finish.h"
#include "brain/share_places.h"
#include "brain/share_queue.h"
#include "brain/shares.h"

/* Takes all out of their queues. Returns them, the first that came first. */
static struct waiter *disband(struct brain *brain)
{
    struct wait_heap *waiters = &brain->shares.waiters;
    struct waiter *first = NULL;
    wait_heap_sort(waiters);
    for (uint32_t i = waiters->count; i-- > 0;) {
        struct waiter *waiter = waiters->waiter[i];
        struct share *share = waiter->share;
        share->first = share->last = NULL;
        share->waiting = 0;
        share->waiting_tokens = 0;
        waiter->share = NULL;
        waiter->after = first;
        first = waiter;
    }
    brain->counters.waiting -= waiters->count;
    waiters->count = 0;
    return first;
}

/* A share goes on under the limit of its name, or gives back what it has. */
static void change_limit(struct brain *brain, struct share *share)
{
    struct place place;
    uint32_t tag = share->terms_tag;
    share->is_leaving = share->is_leaving || !share_place(brain, share, &place);
    if (!share->is_leaving) {
        share->hash = place.hash;
        share_set_terms_at(brain, &place, share);
        share_book_index(&brain->shares, share);
    }
    if (share->is_leaving || share->terms_tag != tag)
        share->due_ns = 0;
}

/* Asks anew for one that has waited. */
static void ask_again(struct brain *brain, struct message *message)
{
    const struct bucket_question *ask = &message->ask.bucket;
    if (message->kind == MESSAGE_RENEW) {
        chain_add(&brain->moved, &message->letter);
        return;
    }
    const struct place place = buckets_place(&brain->buckets, brain->limits, ask);
    if (place.limit < 0) {
        share_queue_release(brain, NULL, message, 0,
                            (struct share_fate){BUCKET_NO_SUCH_LIMIT, false});
        return;
    }
    if (!place_limit(brain, &place)->is_fleet) {
        chain_add(&brain->moved, &message->letter);
        return;
    }
    const struct place_terms terms = place_terms(brain, &place);
    if (!share_suits(&terms, message)) {
        share_send_home(brain, message);
        return;
    }
    enum bucket_result result = share_result_without_hand(&terms, orders_tokens(message));
    struct share *share = share_find_or_make(brain, &place, ask);
    if (share_may_wait(message) && result != BUCKET_DENIED) {
        share_queue_release(brain, share, message, 0, (struct share_fate){result, false});
        return;
    }
    if (share == NULL) {
        share_queue_release(brain, NULL, message, 0, (struct share_fate){BUCKET_TABLE_FULL, false});
        return;
    }
    share_queue_join(brain, share, message);
    share_book_set_due(&brain->shares, share, 0);
}

void shares_before_change(struct brain *brain)
{
    brain->shares.disbanded = brain->shares.waiters.count == 0 ? NULL : disband(brain);
}

void shares_after_change(struct brain *brain)
{
    struct shares *shares = &brain->shares;
    share_book_clear_index(shares);
    for (uint32_t i = 0; i < shares->count; i++)
        change_limit(brain, shares->heap[i]);
    share_book_reorder(shares);
    for (struct waiter *waiter = shares->disbanded, *after; waiter != NULL; waiter = after) {
        after = waiter->after;
        ask_again(brain, message_of_waiter(waiter));
    }
    shares->disbanded = NULL;
    shares_advance(brain);
}
