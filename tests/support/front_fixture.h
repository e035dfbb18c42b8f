/*
 * A stage: a front-end in virtual time, on the test's own thread, and the callers that talk to it.
 *
 * The front-end and its HTTP engine are the real ones, over socket pairs; the test owns the clock
 * and calls each turn. Its decider is a real one that it hosts, or the test itself: that takes the
 * letters out of the decider's inbox, parks those that it is told to, and sends them home when and
 * in what order it likes. When the front-end waits for letters and none comes, time passes until it
 * has waited for long enough.
 *
 * A program that uses it links with -Wl,--wrap=inbox_take,--wrap=decider_turn,--wrap=accept4. One
 * stage at a time. Every failure inside is a failure of the test.
 */
#pragma once

#include "daemon/front.h"
#include "support/brain_fixture.h"

enum {
    STAGE_BURST = 10,
    STAGE_PARKED_MAX = 64,
    STAGE_BRAIN_HOLDS = 2, /* references to the limits in force: its own, and its credit lines' */
};

#define STAGE_IDLE_TIMEOUT_S 75
#define STAGE_WAIT_MAX_MS 3600000

enum stage_decider {
    STAGE_HOSTED,      /* a real one, which the front-end hosts */
    STAGE_TEST,        /* the test, as if on a thread of its own */
    STAGE_TEST_HOSTED, /* the test, in place of one that is hosted */
};

struct stage {
    struct front front;
    struct fixture brain; /* with the one limit "default": STAGE_BURST, refilled one a day */
    struct decider decider;
    struct clock clock;
    struct inbox reloads; /* where the main thread would take reloads from */
    struct contract *contract;
    struct listener listeners[3]; /* Unix sockets without a file; the second is for admins, the
                                     third for RESP */
    atomic_uint with_room;
    enum stage_decider who;
    unsigned turns;   /* taken so far */
    uint64_t due_ns;  /* when the next one is, whatever happens */
    int accept_error; /* of accept4(2), if not 0: no descriptors are left */
    unsigned flood;   /* clients that still come, and are gone when they are accepted */

    /* While the test decides: */
    enum message_kind parks_kind; /* these are parked, */
    bool parks;                   /* if any; a LEAVE about one takes it out and sends it home */
    bool keeps_leaves;            /* LEAVE is parked too, once it is answered */
    bool keeps_report;            /* so that the front-end's answers are late */
    unsigned answers_after_ms;    /* so much time passes before it answers */
    struct letter *report;        /* kept */
    struct letter *parked[STAGE_PARKED_MAX];
    unsigned parked_count;
    unsigned leaves, releases; /* that have come: LEAVE, and RELEASE */
    struct message *released;  /* the last one */
};

void stage_open(struct stage *stage, enum stage_decider who, unsigned connections_max);

/* Ends the front-end, which must have no letters away, and frees everything. */
void stage_close(struct stage *stage);

/* Runs turns until nothing more happens. If that never comes, the front-end spins: a failure. */
void stage_settle(struct stage *stage);

/* Lets time pass, with a turn whenever one is due. */
void stage_pass_ms(struct stage *stage, uint64_t ms);
uint64_t stage_now_ms(const struct stage *stage);

/* Has the front-end drain, and settles. */
void stage_drain(struct stage *stage);

/* Another limit "default", of this burst, in force from now on. */
struct limits *stage_install(struct stage *stage, uint64_t burst);

/* Tokens left to a key, as the brain has it. */
uint64_t stage_left(struct stage *stage, const char *key);

/* ---- the test as the decider ---- */

/* From now on letters of this kind are parked. */
void stage_park(struct stage *stage, enum message_kind kind);

/* Which of the parked letters is about this key; fails if none is. */
unsigned stage_find_parked(const struct stage *stage, const char *key);

/* Has the brain answer a parked letter, which holds the limits that the answer points into. */
void stage_answer(struct stage *stage, const char *key);

/* Sends a parked letter home as it is. */
void stage_send_home(struct stage *stage, const char *key);

/* Sends all home that are LEAVE, keeps no more, and settles. */
void stage_release_leaves(struct stage *stage);

/* Both, and settles. */
void stage_release(struct stage *stage, const char *key);

/* Answers the report that was kept, sends it home, and keeps no more. */
void stage_release_report(struct stage *stage);

/* ---- callers ---- */

enum { REPLY_NONE = 0, REPLY_END = -1 }; /* nothing has come; the connection has ended */

struct caller {
    int socket;
    bool has_ended;
    size_t len;
    char received[32768];
    char header[4096], body[16384]; /* of the last reply */
};

/* A connection, as if it was accepted, from a listener for admins or not. */
void caller_connect(struct caller *caller, struct stage *stage, bool is_admin);

/* One by a real listener, once the front-end has accepted it: see stage_settle. */
void caller_connect_to(struct caller *caller, const struct listener *listener);
int caller_try_to_connect(struct caller *caller, const struct listener *listener); /* errno, or 0 */

void caller_send(struct caller *caller, const char *bytes);
void caller_get(struct caller *caller, const char *target);

/* Takes the next reply out of what has come: its status, REPLY_NONE, or REPLY_END. */
int caller_reply(struct caller *caller);

/* Takes all that has come, of what speaks no HTTP. Whether the connection has ended is in has_ended. */
const char *caller_bytes(struct caller *caller);

/* Whether the last reply says so, in its header or its body. */
bool caller_is_told(const struct caller *caller, const char *text);

void caller_half_close(struct caller *caller);
/* With bytes unread, this resets the connection. */
void caller_close(struct caller *caller);

/* ---- tests that hold for each of several deciders ---- */

/* Each makes a test of cmocka out of one that takes its decider. They are for lists of tests, which stand
 * once for the definitions and once for the table: TESTS(BESIDE) TESTS(IN_PLACE), and then TESTS(TWO). */
#define STAGE_DEFINE(name, where, who)                                                             \
    static void name##_##where(void **state)                                                       \
    {                                                                                              \
        (void)state;                                                                               \
        name(who);                                                                                 \
    }
#define BESIDE(name) STAGE_DEFINE(name, beside, STAGE_TEST)
#define IN_PLACE(name) STAGE_DEFINE(name, in_place, STAGE_TEST_HOSTED)
#define HOSTED(name) STAGE_DEFINE(name, hosted, STAGE_HOSTED)

#define ONE(name) cmocka_unit_test(name##_beside),
#define TWO(name) cmocka_unit_test(name##_beside), cmocka_unit_test(name##_in_place),
#define THE_SAME(name) cmocka_unit_test(name##_beside), cmocka_unit_test(name##_hosted),
