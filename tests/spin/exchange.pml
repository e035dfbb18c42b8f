/*
 * The exchange as a model for spin: two front-ends, the main thread with its watchdog, and the state thread.
 *
 * One statement here is one step of src/actor/exchange.c and state.c between
 * which another thread may run. A mailbox is the one word that it is there, changed in one
 * step: what is in it, or that its taker sleeps; and a POSIX semaphore. Whether the taker watches
 * for a while before it sleeps changes nothing but the time.
 *
 * Proven, over every interleaving: nobody waits for ever (a wake-up that is lost
 * would be such a wait), who is woken finds something, every batch is answered exactly once for
 * each time that it is handed over, no batch is handed over while it is away, none is touched
 * that its asker has released, and the state thread ends last.
 *
 * IDLE=1: no deadline passes, so that none can hide a lost wake-up. BROKEN=1 to 6 breaks the
 * model where its name says; the proof must fail.
 */

#ifndef IDLE
#define IDLE 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif
#define LOOK_THEN_SLEEP 1    /* to see nothing there and to say that one sleeps are two steps */
#define WAKE_BEFORE_PUT 2    /* the taker is woken before there is anything to take */
#define LEAVE_THE_WAKE_UP 3  /* at a deadline, the wake-up under way is not waited for */
#define ANSWER_TWICE 4
#define POST_WHILE_AWAY 5    /* the watchdog asks again without having seen an answer */
#define WAKE_ALWAYS 6        /* also a taker who is awake, and may be through with its batch */

#define FRONTS 2
#define ASKERS 4 /* batches: of the fronts, of main, and of its watchdog; each with its home */
#define MAIN 2
#define WATCHDOG 3
#define STATE 4 /* the state thread's mailbox */
#define ROUNDS 2 /* of each front */

mtype = { WORK, LIMITS, STOP };

typedef mailbox {
    byte count;         /* of batches in it */
    byte batch[ASKERS]; /* oldest first, as whoever takes all of them puts them */
    bool asleep;        /* what the word says where there are none */
    byte wake;          /* the semaphore */
    bool released
};

mailbox box[ASKERS + 1];
mtype asked[ASKERS];    /* what each batch holds */
bool away[ASKERS];
byte asks[ASKERS], answers[ASKERS];
byte fronts_ended;
bool state_ended;

/* put */
inline put(to, it) {
#if BROKEN == WAKE_BEFORE_PUT
    if
    :: box[to].asleep -> box[to].wake++
    :: else
    fi;
#endif
    atomic {
        assert(!box[to].released);
        was_asleep = box[to].asleep;
        box[to].asleep = false;
        box[to].batch[box[to].count] = it;
        box[to].count++
    }
    if
#if BROKEN == WAKE_ALWAYS
    :: atomic { true -> assert(!box[to].released); box[to].wake++ }
#elif BROKEN == WAKE_BEFORE_PUT
    :: true
#else
    :: atomic { was_asleep -> assert(!box[to].released); box[to].wake++ }
    :: else
#endif
    fi;
    was_asleep = false
}

/* sleep_until_filled; in_time: whether something was there or came before the deadline. */
inline wait(from) {
#if BROKEN == LOOK_THEN_SLEEP
    in_time = box[from].count > 0;
    if
    :: !in_time -> box[from].asleep = true
    :: else
    fi;
#else
    atomic {
        in_time = box[from].count > 0;
        box[from].asleep = !in_time
    }
#endif
    if
    :: in_time
    :: else ->
        if
        :: atomic { box[from].wake > 0 -> box[from].wake-- }
            in_time = true;
            assert(box[from].count > 0)
#if !IDLE
        :: true -> /* the deadline */
            atomic { in_time = !box[from].asleep; box[from].asleep = false }
            if
#if BROKEN != LEAVE_THE_WAKE_UP
            :: atomic { in_time && box[from].wake > 0 -> box[from].wake-- }
#else
            :: in_time
#endif
            :: !in_time
            fi
#endif
        fi
    fi
}

/* exchange_post */
inline post(who, what) {
    assert(!away[who] && !state_ended);
    away[who] = true;
    asked[who] = what;
    asks[who]++;
    put(STATE, who)
}

/* exchange_await, of one's own batch. */
inline back(who) {
    assert(box[who].batch[0] == who && box[who].count == 1);
    box[who].count = 0;
    box[who].batch[0] = 0; /* here and below: what means nothing any more is the same always */
    away[who] = false;
    assert(answers[who] == asks[who])
}

/* exchange_ask; and what a front-end does, which looks after its sockets when an answer
 * is late: to look again and again until it is there is the same wait. */
inline ask(who, what) {
    post(who, what);
    do
    :: wait(who);
        if
        :: in_time -> break
        :: else
        fi
    od;
    atomic { in_time = false; back(who) }
}

/* watchdog_look: whether there is an answer, and if so asks again; it never waits. */
inline look(who) {
    if
    :: atomic { box[who].count > 0 -> back(who) } post(who, WORK)
#if BROKEN == POST_WHILE_AWAY
    :: post(who, WORK)
#else
    :: atomic { box[who].count == 0 -> skip }
#endif
    fi
}

proctype front(byte self) {
    bool was_asleep, in_time;
    byte round;
    do
    :: round < ROUNDS -> ask(self, WORK); round++
    :: round == ROUNDS -> break
    od;
    fronts_ended++
}

/* Reloads while the front-ends work, and stops when they have ended; the watchdog's
 * question may be away then, and nobody waits for its answer. */
proctype main_thread() {
    bool was_asleep, in_time;
    post(WATCHDOG, WORK);
    ask(MAIN, LIMITS);
    look(WATCHDOG);
    fronts_ended == FRONTS;
    ask(MAIN, STOP);
    box[MAIN].released = true;
    state_ended /* pthread_join */
}

/* batch_give_back: from here on the asker may use the batch again. */
inline give_back(who) {
    answers[who]++;
#if BROKEN == ANSWER_TWICE
    answers[who]++;
#endif
    put(who, who)
}

/* serve: a batch of limits may have to wait for a sweep, once here. */
inline serve(who) {
    if
    :: asked[who] == LIMITS && !swept -> unanswered = who; has_unanswered = true
    :: else ->
        if
        :: asked[who] == STOP -> stopped = true
        :: else
        fi;
        give_back(who)
    fi
}

proctype state_thread() {
    byte who, unanswered, taken_count, next;
    byte taken[ASKERS];
    bool has_unanswered, stopped, swept, was_asleep, in_time;
    do
    :: stopped && !has_unanswered -> break
    :: else ->
        /* mailbox_take: without a wait where something waits for a sweep */
        if
        :: !has_unanswered -> wait(STATE)
        :: else
        fi;
        atomic {
            in_time = false;
            do
            :: taken_count < box[STATE].count ->
                taken[taken_count] = box[STATE].batch[taken_count];
                box[STATE].batch[taken_count] = 0;
                taken_count++
            :: else -> break
            od;
            box[STATE].count = 0
        }
        /* What has waited for a sweep goes first. */
        if
        :: has_unanswered -> atomic { swept = true; has_unanswered = false }
            serve(unanswered);
            unanswered = 0
        :: else
        fi;
        do
        :: atomic { next < taken_count -> who = taken[next]; taken[next] = 0; next++ } serve(who)
        :: else -> break
        od;
        atomic { next = 0; taken_count = 0; who = 0 }
    od;
    state_ended = true;
    assert(box[STATE].count == 0)
}

init {
    atomic {
        run front(0);
        run front(1);
        run main_thread();
        run state_thread()
    }
    (_nr_pr == 1);
    assert(asks[0] == ROUNDS && asks[1] == ROUNDS && asks[MAIN] == 2);
    assert(answers[0] == ROUNDS && answers[1] == ROUNDS && answers[MAIN] == 2);
    assert(answers[WATCHDOG] == asks[WATCHDOG])
}
