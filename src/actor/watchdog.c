#include "actor/watchdog.h"

#include "base/clock.h"

int watchdog_init(struct watchdog *watchdog, struct inbox *inbox, uint64_t silence_ns,
                  uint64_t now_ns)
{
    watchdog->inbox = inbox;
    watchdog->every_ns = silence_ns == 0 ? 0 : silence_ns / WATCHDOG_LOOKS + 1;
    watchdog->due_ns = now_ns;
    watchdog->is_asked = false;
    watchdog->question = (struct message){
        .letter.home = &watchdog->home,
        .kind = MESSAGE_DAEMON,
        .answer.daemon = &watchdog->answer,
    };
    return inbox_init(&watchdog->home, false);
}

void watchdog_release(struct watchdog *watchdog)
{
    inbox_release(&watchdog->home);
}

bool watchdog_look(struct watchdog *watchdog, uint64_t now_ns)
{
    if (watchdog->every_ns == 0 || now_ns < watchdog->due_ns)
        return false;
    watchdog->due_ns = now_ns + watchdog->every_ns;
    bool is_answered = watchdog->is_asked && inbox_take(&watchdog->home, 0) != NULL;
    if (is_answered || !watchdog->is_asked) {
        inbox_post_one(watchdog->inbox, &watchdog->question.letter);
        watchdog->is_asked = true;
    }
    return is_answered;
}

int watchdog_timeout_ms(const struct watchdog *watchdog, uint64_t now_ns)
{
    return clock_ms_until(now_ns, watchdog->every_ns == 0 ? CLOCK_NEVER : watchdog->due_ns);
}
