/*
 * Letters and inboxes as a model for spin: front-ends, the main thread with its watchdog, and the
 * decider, on a thread of its own or hosted by a front-end.
 *
 * One statement here is one step of src/actor/inbox.c, src/actor/decider.c, src/daemon/front.c, or
 * of server.c, wait.c and asked.c beside it, between which another thread may run. An inbox is the
 * one word that it is there, changed in one step: the letters in it, or that it is empty and its
 * taker sleeps, or that it is empty and its taker waits in epoll; a POSIX semaphore; and an
 * eventfd. In which order letters lie in an inbox does not matter to what is proven, so they are a
 * set. Whether a taker watches for a while before it sleeps changes nothing but the time.
 *
 * A front-end posts a chain of its report and of a client's question. The decider answers that at
 * once, or keeps it: it waits. What waits is let go by a tick, at the latest at its deadline, or when
 * something settles its queue: another that leaves, or other limits. The front-end waits for
 * its report, asleep or, if that is late, in epoll; it goes on while its client's question waits, and
 * asks another once the client is done. A client may leave while its question waits: then the
 * front-end posts a LEAVE about it, which may cross with the answer on its way home. It touches
 * the client again when both letters are home. Before it ends, it drains: its client leaves.
 *
 * The first front-end also asks the main thread for a reload. If it hosts the decider, it may ask a
 * question in place as well. The main thread changes the limits, which wait for a sweep, answers
 * the reload, and stops all in the order of the data flow. Each front-end begins and ends when
 * it likes, so one that a reload adds or takes away is among them.
 *
 * Proven, over every interleaving: nobody waits for ever (a wake-up that is lost would be such a
 * wait), who is woken finds something, each letter comes home exactly once for each time that it
 * was posted, so each question that waits is answered exactly once; none is posted while it is
 * away; where a LEAVE is home, what it was about waits no more; no client is touched while a
 * letter of its is away, the LEAVE too; no inbox is touched that its owner has released; and the
 * decider ends last, with nobody waiting.
 *
 * FRONTS: one front-end, or two. HOSTED=1: one, which hosts the decider. IDLE=1: no deadline of a
 * front-end passes and no socket stirs, so that none can hide a lost wake-up. A question that waits is
 * at its deadline at the second turn, so that no turn can hide one either. LEAVES=0: no client leaves
 * before its question is answered, because two front-ends have more states with IDLE=0 than can be
 * gone through. BROKEN=1 to 15 breaks the model where its name says; the proof must fail.
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
#define IGNORE_LEAVE 11      /* a LEAVE is answered, and what it is about waits on */
#define ANSWER_WHO_LEFT 12   /* a LEAVE does not look whether the question has been answered */
#define FREE_TOO_SOON 13     /* the client is done as soon as its question is home: its LEAVE is away */
#define STOP_WITH_WAITERS 14 /* a drain leaves out the questions that wait */
#define FORGET_AT_RELOAD 15  /* other limits take the queues apart, and lose who waits */

#ifndef FRONTS
#define FRONTS 1
#endif
#ifndef LEAVES
#define LEAVES 1
#endif
#define ROUNDS (FRONTS == 1 -> 3 : 1) /* of each front */

/* Inboxes: of the fronts, of the main thread, of its watchdog; the decider's; and the one for reloads. */
#define MAIN 2
#define WATCHDOG 3
#define DECIDER 4
#define RELOADS 5

/* Letters, a bit each. */
#define REPORT(front) (1 << (front))
#define QUESTION(front) (4 << (front))
#define RELOAD 16
#define CONTROL 32 /* LIMITS, and later STOP */
#define WATCH 64
#define LEAVE(front) (128 << (front))
#define OF_CLIENT(front) (QUESTION(front) | LEAVE(front))
#define OF_FRONT(front) (REPORT(front) | OF_CLIENT(front) | ((front) == 0 -> RELOAD : 0))

#define NO_MARK 0
#define ASLEEP 1
#define WATCHING 2

typedef inbox {
    short letters;
    byte mark; /* where there are none */
    byte wake; /* the semaphore */
    byte event; /* the eventfd */
    bool released
};

inbox box[6];
byte clients; /* by their QUESTION: those that are not done, so that their memory is in use */
bool stops; /* what CONTROL asks: STOP, else LIMITS */
byte fronts_ended;
bool decider_ended;

#define ASKER                                                                                      \
    short away; /* letters that are not with it */                                                 \
    bool in_time

#define DECIDES                                                                                    \
    byte parked;    /* what waits: questions, and limits */                                        \
    byte overdue;   /* questions that have waited for a turn: the next one is past their deadline */ \
    short taken;    /* out of the inbox, and not looked at yet */                                  \
    byte released;  /* what does not wait any more, and goes home by itself */                     \
    short answered; /* goes home as one chain */                                                   \
    bool settles, is_stopped

/* ---- inboxes ---- */

#define PUT(to, which, found)                                                                      \
    box[to].mark == found -> assert(!box[to].released && (box[to].letters & (which)) == 0);        \
    box[to].mark = NO_MARK;                                                                        \
    box[to].letters = box[to].letters | (which)

/* inbox_post: in one step, which shows whether there is somebody to wake. */
inline put(to, which) {
#if BROKEN == WAKE_BEFORE_PUT
    if
    :: box[to].mark == ASLEEP -> box[to].wake++
    :: else
    fi;
#endif
    if
    :: atomic { PUT(to, which, NO_MARK) }
#if BROKEN == WAKE_ALWAYS
        atomic { assert(!box[to].released); box[to].wake++ }
#endif
    :: atomic { PUT(to, which, ASLEEP) }
#if BROKEN != WAKE_BEFORE_PUT
        atomic { assert(!box[to].released); box[to].wake++ }
#endif
    :: atomic { PUT(to, which, WATCHING) }
        atomic { assert(!box[to].released); box[to].event++ }
    fi
}

/* sleep_until_filled; in_time: whether something was there or came before the deadline. */
inline sleep(from, has_deadline) {
#if BROKEN == LOOK_THEN_SLEEP
    if
    :: box[from].letters != 0 -> in_time = true
    :: box[from].letters == 0 -> box[from].mark = ASLEEP
    fi;
#else
    if
    :: atomic { box[from].letters != 0 -> in_time = true }
    :: atomic { box[from].letters == 0 -> box[from].mark = ASLEEP }
    fi;
#endif
    if
    :: in_time
    :: atomic { !in_time && box[from].wake > 0 -> box[from].wake-- }
        in_time = true;
        assert(box[from].letters != 0)
    :: atomic { !in_time && (has_deadline) -> /* it passes */
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
    :: atomic { is_marked && box[from].mark == WATCHING -> box[from].mark = NO_MARK }
    :: atomic { is_marked && box[from].mark != WATCHING && box[from].event > 0 -> box[from].event-- }
#if BROKEN == LEAVE_THE_EVENT || BROKEN == FORGET_TO_WATCH
    :: is_marked && box[from].mark != WATCHING
#endif
    :: !is_marked
    fi;
    is_marked = false
}

/* To hand over letters, of which none may be away. */
inline post(to, which) {
    assert((away & (which)) == 0 && !decider_ended);
    away = away | (which);
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

/* http_take_home: where all letters of a client are home, it gets its reply, or has gone: it is done. */
inline take_clients_home(self) {
    atomic {
        take_home(self);
        if
#if BROKEN == FREE_TOO_SOON
        :: (away & QUESTION(self)) == 0 -> clients = clients & ~QUESTION(self)
#else
        :: (away & OF_CLIENT(self)) == 0 -> clients = clients & ~QUESTION(self)
#endif
        :: else
        fi
    }
}

/* ---- the decider ---- */

inline let_go(which) {
    released = released | (parked & (which));
    parked = parked & ~(which)
}

/* One that waits is let go, or not, if nothing says that it must be. */
inline may_let_go(which, must) {
    if
    :: (parked & (which)) != 0 -> let_go(which)
    :: (parked & (which) & (must)) == 0
    fi
}

/* brain_tick: it pays some of those that wait, and those whose deadline has passed go home too. */
inline tick() {
    may_let_go(QUESTION(0), overdue);
#if FRONTS > 1
    may_let_go(QUESTION(1), overdue);
#endif
    overdue = parked
}

/* A queue is settled: in order, each is asked anew, and may be let go. */
inline settle() {
    if
    :: settles ->
#if BROKEN == FORGET_AT_RELOAD
        parked = parked & CONTROL;
#endif
        may_let_go(QUESTION(0), 0);
#if FRONTS > 1
        may_let_go(QUESTION(1), 0);
#endif
        settles = false
    :: else
    fi
}

/* MESSAGE_LEAVE: if what it is about still waits, that goes home, and those behind it move up. */
inline leave(front) {
    if
    :: (answered & LEAVE(front)) != 0 ->
        assert((clients & QUESTION(front)) != 0); /* it looks at the message */
#if BROKEN == ANSWER_WHO_LEFT
        released = released | QUESTION(front);
#endif
#if BROKEN != IGNORE_LEAVE
        settles = (parked & QUESTION(front)) != 0;
        let_go(QUESTION(front));
        settle();
#endif
        assert((parked & QUESTION(front)) == 0)
    :: else
    fi
}

/* answer_together, of a front-end: its question is answered at once, or waits. */
inline answer(front) {
    answered = taken & OF_FRONT(front);
    taken = taken & ~OF_FRONT(front);
    if
    :: (answered & QUESTION(front)) != 0 ->
        parked = parked | QUESTION(front);
        answered = answered & ~QUESTION(front)
    :: true
    fi;
    leave(front)
}

/* Limits are in force now, or have to wait for a sweep; a stop never waits. */
inline answer_control() {
    answered = CONTROL;
    taken = taken & ~CONTROL;
    if
    :: stops -> is_stopped = true
    :: !stops -> settles = true; settle()
    :: !stops -> parked = parked | CONTROL; answered = 0
    fi
}

/* brain_look_again: the limits that waited are in force. */
inline look_again() {
    settles = (parked & CONTROL) != 0;
    let_go(CONTROL);
    settle()
}

inline send_home(to) {
    put(to, answered);
#if BROKEN == ANSWER_TWICE
    put(to, answered);
#endif
    answered = 0
}

/* take_turn: what waits and is due is sent home; then all that is in the inbox is answered, the
 * letters of one home after those of the other. What is released meanwhile goes home first. */
inline turn() {
    atomic {
        taken = box[DECIDER].letters;
        box[DECIDER].letters = 0;
        tick();
        look_again()
    }
    do
    :: released & QUESTION(0) -> put(0, QUESTION(0)); released = released & ~QUESTION(0)
#if FRONTS > 1
    :: (released & QUESTION(1)) && !(released & QUESTION(0)) ->
        put(1, QUESTION(1));
        released = released & ~QUESTION(1)
#endif
    :: released == CONTROL -> put(MAIN, CONTROL); released = 0
    :: !released && (answered & REPORT(0)) -> send_home(0)
    :: !released && (answered & QUESTION(0)) && !(answered & REPORT(0)) -> send_home(0)
#if FRONTS > 1
    :: !released && (answered & REPORT(1)) -> send_home(1)
#endif
    :: !released && (answered & CONTROL) -> send_home(MAIN)
    :: !released && (answered & WATCH) -> send_home(WATCHDOG)
    :: atomic { !released && !answered && (taken & OF_FRONT(0)) -> answer(0) }
#if FRONTS > 1
    :: atomic { !released && !answered && (taken & OF_FRONT(1)) && !(taken & OF_FRONT(0)) -> answer(1) }
#endif
    :: atomic { !released && !answered && (taken & CONTROL) && !(taken & ~(CONTROL | WATCH)) -> answer_control() }
    :: !released && !answered && taken == WATCH -> answered = WATCH; taken = 0
    :: !released && !answered && !taken -> break
    od
}

/* decider_run */
inline run_decider() {
    do
    :: !is_stopped -> sleep(DECIDER, parked != 0); in_time = false; turn()
    :: else -> break
    od;
    assert(box[DECIDER].letters == 0 && parked == 0);
    decider_ended = true
}

#if !HOSTED
proctype state_thread() {
    bool in_time;
    DECIDES;
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

inline wait_for_report(self) {
    do
    :: (away & REPORT(self)) != 0 && !is_late ->
        sleep(self, !IDLE);
        if
        :: in_time -> take_clients_home(self)
        :: else -> is_late = true
        fi;
        in_time = false
    :: (away & REPORT(self)) != 0 && is_late ->
        wait_in_epoll(self);
        take_clients_home(self);
        look_after_decider()
    :: else -> break
    od;
    is_late = false
}

/* ask_decider: the report, and with it what a client asks, or that one leaves whose question waits;
 * then it waits for the report. A drain makes all leave, and nobody asks. */
inline ask_decider(self, drains) {
    atomic {
        chain = REPORT(self);
        if
        :: (clients & QUESTION(self)) == 0 && !(drains) ->
            chain = chain | QUESTION(self);
            clients = clients | QUESTION(self)
        :: LEAVES && (away & OF_CLIENT(self)) == QUESTION(self) -> chain = chain | LEAVE(self)
        :: (clients & QUESTION(self)) != 0 && !(drains)
        fi
    }
    post(DECIDER, chain);
    chain = 0;
#if HOSTED
    turn();
#endif
    wait_for_report(self)
}

/* ask_in_place: of a front-end that hosts the decider; unless the letter waits it is home then. */
inline ask_in_place(self) {
    clients = clients | QUESTION(self);
    post(DECIDER, QUESTION(self));
    turn();
    take_clients_home(self)
}

proctype front(byte self) {
    byte round;
    short chain;
    bool is_late, watches_home, watches_decider;
    ASKER;
#if HOSTED
    DECIDES;
#endif
    if
    :: self == 0 -> post(RELOADS, RELOAD)
    :: else
    fi;
    do
    :: round < ROUNDS ->
#if HOSTED
        if /* where few ask at once, questions do not wait for a chain */
        :: (clients & QUESTION(self)) == 0 -> ask_in_place(self)
        :: true
        fi;
#endif
        ask_decider(self, false);
        round++;
        if /* with letters away, it waits for them, or goes on because a client asks */
        :: (away & OF_FRONT(self)) != 0 ->
            wait_in_epoll(self);
            take_clients_home(self);
            look_after_decider()
        :: true
        fi
    :: else -> break
    od;
    /* it drains: nobody waits any more; then FRONT_CLOSED, await_letters */
#if BROKEN == STOP_WITH_WAITERS
#define AWAITED(self) (OF_FRONT(self) & ~QUESTION(self))
#elif BROKEN == LEAVE_BEFORE_HOME
#define AWAITED(self) 0
#else
#define AWAITED(self) OF_FRONT(self)
    if
    :: LEAVES && (away & OF_CLIENT(self)) == QUESTION(self) -> ask_decider(self, true)
    :: else
    fi;
#endif
    do
    :: (away & AWAITED(self)) != 0 ->
        wait_in_epoll(self);
        take_clients_home(self);
        look_after_decider()
    :: else -> break
    od;
    atomic {
        box[self].released = true;
        fronts_ended++
    }
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
    short taken;
    bool watches;
    ASKER;
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
    atomic {
        box[RELOADS].released = true;
        stops = true
    }
    ask();
    box[MAIN].released = true;
    decider_ended; /* pthread_join */
    assert(away == box[WATCHDOG].letters)
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
    assert(clients == 0);
    assert((box[0].letters | box[1].letters | box[MAIN].letters | box[DECIDER].letters | box[RELOADS].letters) == 0)
}
