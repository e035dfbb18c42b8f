#include "ask/denial_line.h"
#include "http/wire/parts.h"

#include <assert.h>

/* ---- letters come home ---- */

static void log_if_sampled(const struct bucket_question *ask, const struct bucket_answer *answer,
                           bool key_is_private)
{
    if (bucket_answer_denies(answer) && answer->sample.is_taken)
        log_denial(ask, answer, key_is_private);
}

/* Logs the denials that the brain has sampled, even if the client has gone. */
static void log_denials(const struct request *request)
{
    const struct message *message = &request->message;
    const struct list_question *list = &message->ask.list;
    if (message->kind == MESSAGE_ALLOW || message->kind == MESSAGE_ACQUIRE)
        log_if_sampled(&message->ask.bucket, &message->answer.bucket, request->key_is_private);
    else if ((message->kind == MESSAGE_EACH || message->kind == MESSAGE_ALL) &&
             list_is_done(message))
        for (uint32_t i = 0; i < list->count; i++)
            if (list->calls[i].answer.result != BUCKET_ALLOWED)
                log_if_sampled(&list->calls[i].ask, &list->calls[i].answer, false);
}

/* Nobody waits for the answer any more, so it is dropped. */
static void drop_answer(struct http *http, struct client *client)
{
    if (give_lease_back(http, client))
        return;
    release_request(http, &client->exchange->request);
    if (client->state == CLIENT_GONE) {
        exchange_give_back(http, client);
        client_give_back(http, client);
    } else {
        client_move(client, CLIENT_REPLIED);
    }
}

/* More of a reply that goes on. */
static void take_more_home(struct client *client)
{
    client->exchange->request.route->flow->take(&client->exchange->request);
    client_move(client, CLIENT_FLOWING);
    client_resume(client);
}

static void take_home(struct http *http, struct client *client)
{
    http->away--;
    if (--client->letters_away > 0)
        return;
    log_denials(&client->exchange->request);
    if (client->state != CLIENT_AWAY && client->state != CLIENT_LEAVING) {
        drop_answer(http, client);
        return;
    }
    if (client->flows) {
        take_more_home(client);
        return;
    }
    client_move(client, CLIENT_ANSWERED);
    http->some_have_waited |= client->may_wait;
    if (client->is_watched)
        watch_input(http, client, false);
    client_resume(client);
}

static struct tally *other_tally(struct http *http)
{
    return http->tally == &http->tallies[0] ? &http->tallies[1] : &http->tallies[0];
}

static void take_report_home(struct http *http)
{
    http->report_is_away = false;
    tally_clear(other_tally(http));
    http->asked_ns = 0;
}

static void take_all_home(struct http *http, struct letter *letters)
{
    for (struct letter *letter = letters, *next; letter != NULL; letter = next) {
        next = letter->next;
        if (letter == &http->report.letter)
            take_report_home(http);
        else
            take_home(http, client_of(letter));
    }
    post_goodbyes(http);
}

bool http_take_home(struct http *http, struct letter *letters, uint64_t waited_ns)
{
    bool was_away = http->report_is_away;
    take_all_home(http, letters);
    if (was_away && !http->report_is_away)
        http->serving.waited_ns = waited_ns;
    return !http->report_is_away;
}

/* ---- letters go ---- */

void write_letter(struct http *http, struct client *client)
{
    struct letter *letter = &client->exchange->request.message.letter;
    client_move(client, CLIENT_WRITTEN);
    client->may_wait = request_may_wait(&client->exchange->request);
    letter->home = http->home;
    chain_add(&http->questions, letter);
    http->questions_count++;
}

void withdraw_letter(struct http *http, struct client *client)
{
    chain_remove(&http->questions, &client->exchange->request.message.letter);
    http->questions_count--;
}

/* Sends a letter off at once, in a chain of its own. */
static void post_alone(struct http *http, struct client *client, struct inbox *inbox)
{
    struct letter *letter = &client->exchange->request.message.letter;
    client_move(client, CLIENT_AWAY);
    client->letters_away = 1;
    client->may_wait = request_may_wait(&client->exchange->request);
    letter->home = http->home;
    http->away++;
    inbox_post_one(inbox, letter);
}

void ask_in_place(struct http *http, struct client *client)
{
    post_alone(http, client, &http->host_of->inbox);
    decider_turn(http->host_of);
    take_all_home(http, inbox_take(http->home, 0));
}

void send_to_main(struct http *http, struct client *client)
{
    post_alone(http, client, http->reloads);
}

/* ---- reports ---- */

void http_tell_busy(struct http *http, uint64_t busy_ns, uint64_t since_ns)
{
    http->tally->front.busy_ns = busy_ns;
    http->tally->front.since_ns = since_ns;
}

/* The other one may be away, where nobody may touch it; it follows in http_hand_over. */
void http_tell_going(struct http *http)
{
    http->tally->front.goes = http->tally->front.is_news = true;
}

void http_tell_last(struct http *http)
{
    http->tally->front.is_last = http->tally->front.is_news = true;
}

struct tally *const *http_tally(const struct http *http)
{
    return &http->tally;
}

/* The report goes first, so that METRICS in the same chain tells what was counted until now. */
struct chain http_hand_over(struct http *http)
{
    struct chain chain = http->questions;
    assert(!http->report_is_away);
    for (struct letter *letter = chain.newest; letter != NULL; letter = letter->next) {
        struct client *client = client_of(letter);
        client_move(client, CLIENT_AWAY);
        client->letters_away = 1;
        if (client->is_suspended) /* a stall kept it; nobody looks at it again before it is home */
            leave_if_done(http, client);
    }
    http->away += http->questions_count;
    http->questions_count = 0;
    http->questions.newest = NULL;

    http->report.ask.tally = http->tally;
    http->report.letter.home = http->home;
    http->report_is_away = true;
    http->tally = other_tally(http);
    http->tally->front.goes = http->report.ask.tally->front.goes;
    chain_add_first(&chain, &http->report.letter);
    return chain;
}

bool http_is_waited_for(const struct http *http)
{
    return http->report_is_away;
}

unsigned http_letters_away(const struct http *http)
{
    return http->away + http->report_is_away;
}

unsigned http_questions(const struct http *http)
{
    return http->questions_count;
}

bool http_has_counted(const struct http *http)
{
    return !tally_is_empty(http->tally);
}

void http_stalled(struct http *http, uint64_t asked_ns)
{
    http->asked_ns = asked_ns;
}
