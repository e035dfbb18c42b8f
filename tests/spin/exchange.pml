/*
 * The exchange as a model for spin: two front-ends, the main thread with its watchdog, and the state thread.
 *
 * One statement here is one step of src/machine/exchange.c and state.c between
 * which another thread may run. The mutex, the condition variable and the
 * semaphores are those of POSIX: a signal wakes one thread that waits and is lost
 * where none does; whoever waits may wake up for nothing, or when its deadline
 * passes.
 *
 * Proven, over every interleaving: nobody waits for ever (a wake-up that is lost
 * would be such a wait), every batch is answered exactly once for each time that
 * it is handed over, no batch is handed over while it is away, and the state
 * thread ends last.
 *
 * IDLE=1: no deadline, no wake-up but by a signal, so that none can hide a lost
 * one. BROKEN=1 to 5 breaks the model where its name says; the proof must fail.
 */

#ifndef IDLE
#define IDLE 0
#endif
#ifndef BROKEN
#define BROKEN 0
#endif
#define SIGNAL_WHEN_NOT_EMPTY 1 /* only an empty mailbox that fills wakes: the wrong way round */
#define LOOK_BEFORE_LOCK 2      /* the mailbox is seen to be empty before the lock is taken */
#define SIGNAL_BEFORE_PUT 3     /* the state thread is woken before there is anything to take */
#define ANSWER_TWICE 4
#define POST_WHILE_AWAY 5       /* the watchdog asks again without having seen an answer */

#define FRONTS 2
#define ASKERS 4 /* batches: of the fronts, of main, and of its watchdog */
#define MAIN 2
#define WATCHDOG 3
#define ROUNDS 2 /* of each front */

mtype = { WORK, LIMITS, STOP };

bool locked;            /* the mailbox's mutex */
bool waits, signalled;  /* of the state thread, in the condition variable */
chan mail = [ASKERS] of { byte };
byte done[ASKERS];      /* the semaphore in each batch */
mtype asked[ASKERS];    /* what each batch holds */
bool away[ASKERS];
byte asks[ASKERS], answers[ASKERS];
byte fronts_ended;
bool state_ended;

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

/* exchange_post */
inline post(who, what) {
    assert(!away[who] && !state_ended);
    away[who] = true;
    asked[who] = what;
    asks[who]++;
#if BROKEN == SIGNAL_BEFORE_PUT
    if
    :: atomic { empty(mail) && waits -> signalled = true }
    :: else
    fi;
#endif
    lock();
    was_empty = empty(mail);
    mail!who;
    unlock();
    if
#if BROKEN == SIGNAL_BEFORE_PUT
    :: true
#elif BROKEN == SIGNAL_WHEN_NOT_EMPTY
    :: atomic { !was_empty && waits -> signalled = true }
    :: else
#else
    :: atomic { was_empty && waits -> signalled = true }
    :: else
#endif
    fi
}

inline back(who) {
    away[who] = false;
    assert(answers[who] == asks[who])
}

/* exchange_ask; and what a front-end does, which looks after its sockets when an answer
 * is late: to look again and again until it is there is the same wait. */
inline ask(who, what) {
    post(who, what);
    atomic { done[who] > 0 -> done[who]-- }
    back(who)
}

/* watchdog_look: whether there is an answer, and if so asks again; it never waits. */
inline look(who) {
    if
    :: atomic { done[who] > 0 -> done[who]-- } back(who); post(who, WORK)
#if BROKEN == POST_WHILE_AWAY
    :: post(who, WORK)
#else
    :: atomic { done[who] == 0 -> skip }
#endif
    fi
}

proctype front(byte self) {
    bool was_empty;
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
    bool was_empty;
    post(WATCHDOG, WORK);
    ask(MAIN, LIMITS);
    look(WATCHDOG);
    fronts_ended == FRONTS;
    ask(MAIN, STOP);
    state_ended /* pthread_join */
}

/* batch_give_back: from here on the asker may use the batch again. */
inline give_back(who) {
    answers[who]++;
    done[who]++;
#if BROKEN == ANSWER_TWICE
    answers[who]++;
    done[who]++
#endif
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
    byte who, unanswered;
    bool has_unanswered, stopped, swept, must_wait;
    chan taken = [ASKERS] of { byte };
    do
    :: stopped && !has_unanswered -> break
    :: else ->
        /* mailbox_take */
#if BROKEN == LOOK_BEFORE_LOCK
        must_wait = empty(mail) && !has_unanswered;
        lock();
#else
        lock();
        must_wait = empty(mail) && !has_unanswered;
#endif
        do
        :: must_wait ->
            atomic { locked = false; waits = true }
            if
            :: atomic { signalled -> signalled = false; waits = false }
#if !IDLE
            :: atomic { !signalled -> waits = false } /* for nothing, or at the deadline */
#endif
            fi;
            lock();
            must_wait = empty(mail)
#if !IDLE
            ;
            if
            :: must_wait = false /* the deadline has passed: a tick */
            :: skip
            fi
#endif
        :: else -> break
        od;
        do
        :: nempty(mail) -> mail?who; taken!who
        :: empty(mail) -> break
        od;
        unlock();
        /* What has waited for a sweep goes first. */
        if
        :: has_unanswered -> swept = true; has_unanswered = false; serve(unanswered)
        :: else
        fi;
        do
        :: nempty(taken) -> taken?who; serve(who)
        :: empty(taken) -> break
        od
    od;
    state_ended = true;
    assert(empty(mail))
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
