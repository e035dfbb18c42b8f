#include "actor/watchdog.h"

#include "base/clock.h"

int watchdog_init(struct watchdog *watchdog, struct mailbox *mailbox, uint64_t silence_ns,
                  uint64_t now_ns)
{
    watchdog->mailbox = mailbox;
    watchdog->every_ns = silence_ns == 0 ? 0 : silence_ns / WATCHDOG_LOOKS + 1;
    watchdog->due_ns = now_ns;
    watchdog->is_asked = false;
    int error = batch_init(&watchdog->batch);
    watchdog->question = (struct message){
        .kind = MESSAGE_DAEMON,
        .answer.daemon = &watchdog->answer,
    };
    watchdog->batch.messages[0] = &watchdog->question;
    watchdog->batch.count = 1;
    return error;
}

void watchdog_release(struct watchdog *watchdog)
{
    batch_release(&watchdog->batch);
}

bool watchdog_look(struct watchdog *watchdog, uint64_t now_ns)
{
    if (watchdog->every_ns == 0 || now_ns < watchdog->due_ns)
        return false;
    watchdog->due_ns = now_ns + watchdog->every_ns;
    bool is_answered = watchdog->is_asked && exchange_is_answered(&watchdog->batch);
    if (is_answered || !watchdog->is_asked) {
        exchange_post(watchdog->mailbox, &watchdog->batch);
        watchdog->is_asked = true;
    }
    return is_answered;
}

int watchdog_timeout_ms(const struct watchdog *watchdog, uint64_t now_ns)
{
    return clock_ms_until(now_ns, watchdog->every_ns == 0 ? CLOCK_NEVER : watchdog->due_ns);
}
