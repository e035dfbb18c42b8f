#include "actor/decider.h"

#include "actor/news_line.h"
#include "base/thread.h"
#include "brain/order.h"
#include "keep/file.h"

#include <assert.h>

/* For so long the wall clock is taken to go on as the decider's does, where no state depends on it. */
#define WALL_PERIOD_NS 1000000000u

/* ---- answering ---- */

/* Sends answered letters home. All have the same home. */
static void send_home(const struct chain *answered)
{
    if (answered->newest != NULL)
        inbox_post(answered->newest->home, answered);
}

/* Cuts off the first letters that have one home in common, and returns the rest. *messages: how
 * many were cut off, reports not counted. */
static struct letter *cut_off(struct letter *letters, uint64_t *messages)
{
    struct letter *last = letters;
    *messages = message_of(last)->kind != MESSAGE_TALLY;
    for (; last->next != NULL && last->next->home == letters->home; last = last->next)
        *messages += message_of(last->next)->kind != MESSAGE_TALLY;
    struct letter *rest = last->next;
    last->next = NULL;
    return rest;
}

/* Sends letters home in order, neighbours that have one home in one chain. Apart from its caller, which
 * nearly always has none, and then pays nothing for this. */
__attribute__((noinline)) static void send_each_home(struct letter *letters)
{
    while (letters != NULL) {
        struct chain together = {0};
        struct inbox *home = letters->home;
        for (struct letter *next; letters != NULL && letters->home == home; letters = next) {
            next = letters->next;
            chain_add(&together, letters);
        }
        send_home(&together);
    }
}

/* Sends home who has waited and is answered now. */
static void send_released(struct decider *decider)
{
    struct letter *released = brain_released(decider->brain);
    if (released != NULL)
        send_each_home(released);
}

/* Measures what was decided since the last time, by a tick that let somebody go too. It takes two looks
 * at the clock; the tick needs the first of them anyway. */
static void measure(struct decider *decider)
{
    uint64_t decisions = brain_decisions(decider->brain);
    brain_measure_time(decider->brain, decisions - decider->decisions,
                       clock_now_ns(&decider->clock) - decider->began_ns);
    decider->decisions = decisions;
}

/* Answers letters that have one home, and sends them there in one chain. */
static void answer_together(struct decider *decider, struct letter *letters, uint64_t messages)
{
    struct chain answered = {0};
    if (messages > 0)
        brain_measure_batch(decider->brain, messages);
    brain_answer(decider->brain, letters, &answered);
    if (decider->clock.measures)
        measure(decider);
    send_released(decider);
    send_home(&answered);
}

static void answer(struct decider *decider, struct letter *letters)
{
    while (letters != NULL) {
        struct letter *together = letters;
        uint64_t messages;
        letters = cut_off(together, &messages);
        decider->is_stopped |= message_of(together)->kind == MESSAGE_STOP;
        answer_together(decider, together, messages);
        if (letters != NULL && decider->clock.measures)
            decider->began_ns = clock_now_ns(&decider->clock);
    }
}

/* Letters that have waited go home one by one, because each may have another home. */
static void look_again(struct decider *decider)
{
    struct chain answered = {0};
    brain_look_again(decider->brain, &answered);
    send_released(decider);
    for (struct letter *letter = letters_oldest_first(answered.newest), *next; letter != NULL;
         letter = next) {
        next = letter->next;
        inbox_post_one(letter->home, letter);
    }
}

/* Events tell the time too, so a brain without a store hears of it now and then. */
static void tell_wall(struct decider *decider)
{
    brain_tell_wall(decider->brain, decider->began_ns, clock_wall_ns(&decider->clock));
    decider->wall_due_ns = decider->began_ns + WALL_PERIOD_NS;
}

/* Tells a brain that has a store whether the state file has failed. */
static void look_after_store(struct decider *decider)
{
    unsigned failures = state_file_failures();
    if (failures == decider->failures)
        return;
    decider->failures = failures;
    brain_lose_pages(decider->brain, "the state file has failed; the log says what to do");
}

/* A tick that came while the machine was suspended is not late. To know takes two looks at clocks,
 * so it is asked only after a wait that was far too long. */
static void look_for_sleep(struct decider *decider)
{
    uint64_t asleep_ns = clock_asleep_ns(&decider->clock);
    if (asleep_ns > decider->asleep_ns)
        brain_slept(decider->brain, asleep_ns - decider->asleep_ns);
    decider->asleep_ns = asleep_ns;
}

static void bring_time_forward(struct decider *decider)
{
    decider->began_ns = clock_now_ns(&decider->clock);
    if (decider->began_ns > brain_late_ns(decider->brain))
        look_for_sleep(decider);
    if (brain_is_stored(decider->brain) || decider->began_ns >= decider->wall_due_ns)
        tell_wall(decider);
    if (brain_is_stored(decider->brain))
        look_after_store(decider);
    brain_tick(decider->brain, decider->began_ns);
    if (brain_needs_date(decider->brain))
        brain_date(decider->brain, clock_date_s(&decider->clock));
}

static void tell_news(struct decider *decider)
{
    const struct news news = brain_news(decider->brain);
    const struct forgotten forgotten = brain_forgotten(decider->brain);
    log_news(&news);
    log_forgotten(&forgotten);
    send_released(decider);
}

/* Of a tick that nobody has asked at. */
static void end_tick(struct decider *decider)
{
    if (decider->clock.measures && brain_decisions(decider->brain) > decider->decisions)
        measure(decider);
    send_released(decider);
}

/* Has all orders of a letter answered as where the store cannot be reached. */
static void cannot_send(struct orders *orders)
{
    for (uint32_t i = 0; i < orders->count; i++)
        orders->order[i].result = ORDER_NOT_SENT;
}

/* What the brain orders of the fleet's store goes there together. */
static void send_orders(struct decider *decider)
{
    struct chain sent = {0};
    for (struct letter *letter = brain_orders(decider->brain), *next; letter != NULL;
         letter = next) {
        next = letter->next;
        letter->home = &decider->inbox;
        if (decider->fleet == NULL)
            cannot_send(orders_of(message_of(letter)));
        chain_add(&sent, letter);
    }
    if (sent.newest != NULL)
        inbox_post(decider->fleet == NULL ? &decider->inbox : decider->fleet, &sent);
}

/* Letters that are posted from now on wait for the next turn. */
static void take_turn(struct decider *decider, struct letter *newest)
{
    bring_time_forward(decider);
    if (brain_has_work(decider->brain))
        look_again(decider);
    if (newest == NULL)
        end_tick(decider);
    answer(decider, letters_oldest_first(newest));
    send_orders(decider);
    if (brain_has_news(decider->brain))
        tell_news(decider);
}

void decider_turn(struct decider *decider)
{
    take_turn(decider, inbox_take(&decider->inbox, 0));
}

uint64_t decider_due_ns(const struct decider *decider)
{
    return brain_has_work(decider->brain) ? 0 : brain_next_tick_ns(decider->brain);
}

int decider_timeout_ms(const struct decider *decider)
{
    uint64_t due_ns = decider_due_ns(decider);
    return due_ns == BRAIN_NEVER ? -1 : clock_ms_until(clock_now_ns(&decider->clock), due_ns);
}
static_assert(BRAIN_NEVER == CLOCK_NEVER, "no time of the brain's that does not come is due");

/* When the next turn is due by the clock that threads wait by. That stands still while the machine
 * is suspended, so what fell due meanwhile is late by what was left of the wait, a tick at most. */
static uint64_t deadline_ns(const struct decider *decider)
{
    uint64_t due_ns = decider_due_ns(decider);
    if (due_ns == BRAIN_NEVER)
        return UINT64_MAX;
    uint64_t now_ns = due_ns == 0 ? 0 : clock_now_ns(&decider->clock);
    return due_ns <= now_ns ? 0 : clock_now_ns(&clock_system) + due_ns - now_ns;
}

void decider_run(struct decider *decider)
{
    while (!decider->is_stopped) {
        bool has_letters = inbox_is_filled(&decider->inbox);
        take_turn(decider, inbox_take(&decider->inbox, has_letters ? 0 : deadline_ns(decider)));
    }
    assert(!brain_is_waited_for(decider->brain)); /* nobody asks any more */
}

/* ---- life ---- */

static void *run(void *argument)
{
    thread_name("state");
    decider_run(argument);
    return NULL;
}

int decider_init(struct decider *decider, struct brain *brain, struct clock clock, bool is_hosted)
{
    *decider = (struct decider){
        .brain = brain,
        .clock = clock,
        .asleep_ns = clock_asleep_ns(&clock),
        .is_hosted = is_hosted,
    };
    return inbox_init(&decider->inbox, is_hosted);
}

void decider_set_fleet(struct decider *decider, struct inbox *fleet)
{
    decider->fleet = fleet;
}

int decider_start(struct decider *decider)
{
    if (decider->is_hosted)
        return 0;
    int error = thread_start(&decider->thread, run, decider);
    decider->has_taker = error == 0;
    return error;
}

void decider_is_taken_care_of(struct decider *decider)
{
    decider->has_taker = true;
}

void decider_post(struct decider *decider, const struct chain *chain)
{
    inbox_post(&decider->inbox, chain);
}

void decider_ask(struct decider *decider, struct inbox *home, struct message *message)
{
    message->letter.home = home;
    inbox_post_one(&decider->inbox, &message->letter);
    while (!decider->has_taker && !inbox_is_filled(home))
        decider_turn(decider);
    inbox_take(home, UINT64_MAX);
}

void decider_stop(struct decider *decider, struct inbox *home)
{
    struct message stop = {.kind = MESSAGE_STOP};
    decider_ask(decider, home, &stop);
    if (decider->has_taker && !decider->is_hosted)
        pthread_join(decider->thread, NULL);
}

void decider_release(struct decider *decider)
{
    inbox_release(&decider->inbox);
    brain_free(decider->brain);
}
