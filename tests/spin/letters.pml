/*
 * Letters and inboxes as a model for spin: front-ends, the main thread with its watchdog, and the
 * decider, on a thread of its own or hosted by a front-end.
 *
 * One statement here is one step of src/actor/inbox.c, src/actor/decider.c, src/daemon/front.c
 * or src/daemon/server.c between which another thread may run. An inbox is the one word that it
 * is there, changed in one step: the letters in it, or that it is empty and its taker sleeps, or
 * that it is empty and its taker waits in epoll; a POSIX semaphore; and an eventfd. In which order
 * letters lie in an inbox does not matter to what is proven, so they are a set. Whether a taker
 * watches for a while before it sleeps changes nothing but the time.
 *
 * A front-end posts a chain of its report and of a question, which the decider may park. It waits
 * for the report, asleep or, if that is late, in epoll; it may go on while its question is parked,
 * and asks again once that is home. The first one also asks the main thread for a reload. If it
 * hosts the decider, it may ask a question in place as well. The main thread changes the limits,
 * which wait for a sweep, answers the reload, and stops all in the order of the data flow. Each
 * front-end begins and ends when it likes, so one that a reload adds or takes away is among them.
 *
 * Proven, over every interleaving: nobody waits for ever (a wake-up that is lost would be such a
 * wait), who is woken finds something, each letter comes home exactly once for each time that it
 * was posted, none is posted while it is away, no inbox is touched that its owner has released,
 * and the decider ends last, with nothing parked.
 *
 * FRONTS: one front-end, or two. HOSTED=1: one, which hosts the decider. IDLE=1: no deadline
 * passes and no socket stirs, so that none can hide a lost wake-up. BROKEN=1 to 10 breaks the
 * model where its name says; the proof must fail.
 */

#ifndef HOSTED
#define HOSTED 0
#endif
#ifndef IDLE
#define IDLE 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif
#define LOOK_THEN_SLEEP 1   /* to see nothing there and to say that one sleeps are two steps */
#define WAKE_BEFORE_PUT 2   /* the taker is woken before there is anything to take */
#define LEAVE_THE_WAKE_UP 3 /* at a deadline, the wake-up under way is not waited for */
#define ANSWER_TWICE 4
#define POST_WHILE_AWAY 5   /* the watchdog asks again without having seen an answer */
#define WAKE_ALWAYS 6       /* also a taker who is awake, and may be through with its letters */
#define LEAVE_THE_EVENT 7   /* who waited in epoll does not take the eventfd's wake-up that is under way */
#define FORGET_TO_WATCH 8   /* a front-end waits in epoll without saying so in an inbox */
#define STOP_TOO_SOON 9     /* the main thread stops the decider before the front-ends have ended */
#define LEAVE_BEFORE_HOME 10 /* a front-end ends while a letter of its is away */

#ifndef FRONTS
#define FRONTS 1
#endif
#define ROUNDS (3 - FRONTS) /* of each front: two have more states than can be gone through */

/* Inboxes: of the fronts, of the main thread, of its watchdog; the decider's; and the one for reloads. */
#define MAIN 2
#define WATCHDOG 3
#define DECIDER 4
#define RELOADS 5

/* Letters, a bit each, in the order of their homes. */
#define REPORT(front) (1 << (front))
#define QUESTION(front) (4 << (front))
#define RELOAD 16
#define CONTROL 32 /* LIMITS, and later STOP */
#define WATCH 64
#define OF_FRONT(front) (REPORT(front) | QUESTION(front) | ((front) == 0 -> RELOAD : 0))

#define NO_MARK 0
#define ASLEEP 1
#define WATCHING 2

typedef inbox {
    byte letters;
    byte mark; /* where there are none */
    byte wake; /* the semaphore */
    byte event; /* the eventfd */
    bool released
};

inbox box[6];
byte away; /* letters that are not with their asker */
bool stops; /* what CONTROL asks: STOP, else LIMITS */
byte fronts_ended;
bool decider_ended;

/* What the decider has. */
byte parked;
bool is_stopped, is_swept;

/* inbox_post */
inline put(to, which) {
#if BROKEN == WAKE_BEFORE_PUT
    if
    :: box[to].mark == ASLEEP -> box[to].wake++
    :: else
    fi;
#endif
    atomic {
        assert(!box[to].released && (box[to].letters & (which)) == 0);
        found = box[to].mark;
        box[to].mark = NO_MARK;
        box[to].letters = box[to].letters | (which)
    }
    if
#if BROKEN == WAKE_ALWAYS
    :: atomic { true -> assert(!box[to].released); box[to].wake++ }
#elif BROKEN != WAKE_BEFORE_PUT
    :: atomic { found == ASLEEP -> assert(!box[to].released); box[to].wake++ }
#endif
    :: atomic { found == WATCHING -> assert(!box[to].released); box[to].event++ }
#if BROKEN != WAKE_ALWAYS
    :: else
#endif
    fi;
    found = NO_MARK
}

/* sleep_until_filled; in_time: whether something was there or came before the deadline. */
inline sleep(from, has_deadline) {
#if BROKEN == LOOK_THEN_SLEEP
    in_time = box[from].letters != 0;
    if
    :: !in_time -> box[from].mark = ASLEEP
    :: else
    fi;
#else
    atomic {
        in_time = box[from].letters != 0;
        box[from].mark = (in_time -> NO_MARK : ASLEEP)
    }
#endif
    if
    :: in_time
    :: else ->
        if
        :: atomic { box[from].wake > 0 -> box[from].wake-- }
            in_time = true;
            assert(box[from].letters != 0)
        :: has_deadline -> /* it passes */
            atomic {
                in_time = box[from].mark != ASLEEP;
                box[from].mark = NO_MARK
            }
            if
#if BROKEN != LEAVE_THE_WAKE_UP
            :: atomic { in_time && box[from].wake > 0 -> box[from].wake-- }
#else
            :: in_time
#endif
            :: !in_time
            fi
        fi
    fi
}

/* inbox_watch, where it is wanted: whether the mark is there. */
inline watch(from, wanted, is_marked) {
    atomic {
        is_marked = (wanted) && box[from].letters == 0;
        if
#if BROKEN != FORGET_TO_WATCH
        :: is_marked -> box[from].mark = WATCHING
#endif
        :: else
        fi
    }
}

/* inbox_unwatch: if a sender has found the mark, its wake-up is taken. */
inline unwatch(from, is_marked) {
    if
    :: is_marked ->
        if
        :: atomic { box[from].mark == WATCHING -> box[from].mark = NO_MARK }
        :: atomic { box[from].mark != WATCHING && box[from].event > 0 -> box[from].event-- }
#if BROKEN == LEAVE_THE_EVENT || BROKEN == FORGET_TO_WATCH
        :: box[from].mark != WATCHING
#endif
        fi;
        is_marked = false
    :: else
    fi
}

/* To hand over letters, of which none may be away. */
inline post(to, which) {
    atomic {
        assert((away & (which)) == 0 && !decider_ended);
        away = away | (which)
    }
    put(to, which)
}

/* To take home what is in one's inbox: each was away, and is home once. */
inline take_home(from) {
    atomic {
        assert((box[from].letters & away) == box[from].letters);
        away = away & ~box[from].letters;
        box[from].letters = 0
    }
}

/* ---- the decider ---- */

/* What it answers of the letters of one home goes back in one chain. */
inline send_home(to, which) {
    if
    :: atomic { ((which) & taken) != 0 -> answered = (which) & taken; taken = taken & ~(which) }
        put(to, answered);
#if BROKEN == ANSWER_TWICE
        put(to, answered);
#endif
        answered = 0
    :: else
    fi
}

/* A question may be parked, and limits that have to wait for a sweep are. */
inline park(which) {
    if
    :: (taken & (which)) != 0 -> atomic { parked = parked | (which); taken = taken & ~(which) }
    :: true
    fi
}

/* take_turn: what was parked may be answered now, and is sent home by itself; then all that is in
 * the inbox. */
inline turn() {
    atomic {
        taken = box[DECIDER].letters;
        box[DECIDER].letters = 0;
        waited = 0;
        if
        :: waited = parked /* their time has come */
        :: parked == 0 || !is_swept -> skip /* not yet; and the limits after a sweep */
        fi;
        is_swept = true;
        parked = parked & ~waited
    }
    if
    :: (waited & QUESTION(0)) != 0 -> put(0, QUESTION(0))
    :: else
    fi;
#if FRONTS > 1
    if
    :: (waited & QUESTION(1)) != 0 -> put(1, QUESTION(1))
    :: else
    fi;
#endif
    if
    :: (waited & CONTROL) != 0 -> put(MAIN, CONTROL)
    :: else
    fi;
    waited = 0;
    park(QUESTION(0));
    send_home(0, OF_FRONT(0));
#if FRONTS > 1
    park(QUESTION(1));
    send_home(1, OF_FRONT(1));
#endif
    if
    :: (taken & CONTROL) != 0 && !stops -> park(CONTROL)
    :: (taken & CONTROL) != 0 && stops -> is_stopped = true
    :: else
    fi;
    send_home(MAIN, CONTROL);
    send_home(WATCHDOG, WATCH);
    assert(taken == 0)
}

/* decider_run */
inline run_decider() {
    do
    :: !is_stopped -> sleep(DECIDER, parked != 0); turn()
    :: else -> break
    od;
    assert(box[DECIDER].letters == 0 && parked == 0);
    decider_ended = true
}

#if !HOSTED
proctype state_thread() {
    byte found, taken, answered, waited;
    bool in_time;
    run_decider()
}
#endif

/* ---- front-ends ---- */

/* wait_and_accept: blocks until a letter comes, a socket stirs, or time has passed. */
inline wait_in_epoll(self) {
    watch(self, (away & OF_FRONT(self)) != 0, watches_home);
#if HOSTED
    watch(DECIDER, true, watches_decider);
#endif
    if
    :: watches_home && box[self].event > 0
    :: !watches_home && (away & OF_FRONT(self)) != 0 /* there is a letter: it does not wait */
#if HOSTED
    :: watches_decider && box[DECIDER].event > 0
    :: !watches_decider
    :: parked != 0 /* the decider's time comes */
#endif
#if !IDLE
    :: true
#endif
    fi;
    unwatch(self, watches_home);
#if HOSTED
    unwatch(DECIDER, watches_decider)
#endif
}

inline look_after_decider() {
#if HOSTED
    if
    :: box[DECIDER].letters != 0 || parked != 0 -> turn()
    :: else
    fi
#endif
    skip
}

/* ask_decider: the report, and the question unless that is still away; then it waits for the report. */
inline ask_decider(self) {
    atomic { chain = REPORT(self) | (QUESTION(self) & ~away) }
    post(DECIDER, chain);
    chain = 0;
#if HOSTED
    turn();
#endif
    do
    :: (away & REPORT(self)) != 0 && !is_late ->
        sleep(self, !IDLE);
        if
        :: in_time -> take_home(self)
        :: else -> is_late = true
        fi;
        in_time = false
    :: (away & REPORT(self)) != 0 && is_late ->
        wait_in_epoll(self);
        take_home(self);
        look_after_decider()
    :: else -> break
    od;
    is_late = false
}

/* ask_in_place: of a front-end that hosts the decider; unless the letter is parked it is home then. */
inline ask_in_place(self) {
    post(DECIDER, QUESTION(self));
    turn();
    take_home(self)
}

proctype front(byte self) {
    byte found, taken, answered, waited, chain, round;
    bool in_time, is_late, watches_home, watches_decider;
    if
    :: self == 0 -> post(RELOADS, RELOAD)
    :: else
    fi;
    do
    :: round < ROUNDS ->
#if HOSTED
        if /* where few ask at once, questions do not wait for a chain */
        :: (away & QUESTION(self)) == 0 -> ask_in_place(self)
        :: true
        fi;
#endif
        ask_decider(self);
        round++;
        if /* with letters away, it waits for them, or goes on because a client asks */
        :: (away & OF_FRONT(self)) != 0 ->
            wait_in_epoll(self);
            take_home(self);
            look_after_decider()
        :: true
        fi
    :: else -> break
    od;
    /* FRONT_CLOSED: await_letters */
#if BROKEN != LEAVE_BEFORE_HOME
    do
    :: (away & OF_FRONT(self)) != 0 ->
        wait_in_epoll(self);
        take_home(self);
        look_after_decider()
    :: else -> break
    od;
#endif
    box[self].released = true;
    fronts_ended++;
#if HOSTED
    run_decider()
#endif
}

/* ---- the main thread ---- */

/* decider_ask */
inline ask() {
    post(DECIDER, CONTROL);
    do
    :: (away & CONTROL) != 0 -> sleep(MAIN, false); take_home(MAIN)
    :: else -> break
    od;
    in_time = false
}

/* watchdog_look: whether there is an answer, and if so asks again; it never waits. */
inline look() {
    if
    :: atomic { box[WATCHDOG].letters != 0 -> skip }
        take_home(WATCHDOG);
        post(DECIDER, WATCH)
#if BROKEN == POST_WHILE_AWAY
    :: post(DECIDER, WATCH)
#else
    :: atomic { box[WATCHDOG].letters == 0 -> skip }
#endif
    fi
}

/* Answers reloads while it waits for the front-ends, and stops when they have ended; the
 * watchdog's question may be away then, and nobody waits for its answer. */
proctype main_thread() {
    byte found, taken;
    bool in_time, watches;
    post(DECIDER, WATCH);
    ask();
    look();
#if BROKEN != STOP_TOO_SOON
    do
    :: fronts_ended < FRONTS ->
        watch(RELOADS, true, watches);
        if
        :: watches && box[RELOADS].event > 0
        :: !watches
        :: fronts_ended == FRONTS
        fi;
        unwatch(RELOADS, watches);
        atomic { taken = box[RELOADS].letters; box[RELOADS].letters = 0 }
        if
        :: taken != 0 -> put(0, RELOAD); taken = 0
        :: else
        fi
    :: else -> break
    od;
#endif
    box[RELOADS].released = true;
    stops = true;
    ask();
    box[MAIN].released = true;
    decider_ended /* pthread_join */
}

init {
    atomic {
        run front(0);
#if FRONTS > 1
        run front(1);
#endif
        run main_thread();
#if !HOSTED
        run state_thread()
#endif
    }
    (_nr_pr == 1);
    assert((away & ~WATCH) == 0);
    assert((away & WATCH) == 0 || box[WATCHDOG].letters == WATCH)
}
