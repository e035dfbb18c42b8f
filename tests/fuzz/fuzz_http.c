/*
 * HTTP: bytes on a connection to the real front-end, with a brain that is asked in the same thread.
 *
 * Whatever they are, the replies are well-formed, the connection comes to its
 * end, the tokens that "allowed":true and a check's 200 tell of are those that the
 * brain took, and behind a request of doubtful framing nothing runs.
 *
 * An input is a byte of flags, then what the client sends.
 */
#include "actor/reload.h"
#include "brain/brain.h"
#include "fuzz/fuzz.h"
#include "fuzz/replies.h"
#include "http/batch.h"
#include "http/json_memory.h"
#include "http/wire/http.h"
#include "support/ask_brain.h"
#include "support/plain_limit.h"

#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

const struct fuzz_target fuzz_target = {.name = "http", .size_max = 6000, .runs = 20000};

enum {
    PIECES = 3, /* of the flags: how the bytes are cut */
    IS_ADMIN = 4,
    HANGS_UP = 8, /* before allowd has looked at the last piece */
    BRAIN = 48,   /* which of them */
    BRAINS = 4,
    OUTCOME = 192, /* of reloads */
    SOON_MS = 0,   /* what is due later is not worth a turn here */
    RECEIVED_MAX = 4 << 20,
    TURNS_MAX = 100000,
};

/* What is told of the messages that the brain answered. */
struct told {
    unsigned allowed, missing, skipped;
    unsigned again; /* of those allowed: for a token that was answered before */
    uint64_t tokens;
};

static struct http *http;
static struct inbox home, reloads; /* of HTTP, and of the main thread */
static struct limits *limits;
static struct brain *brains[BRAINS], *brain; /* the one that is asked */
static uint64_t now_ns;
static struct told told;
static uint32_t longest_ttl_ms; /* that a lease of this input was asked for */
static char *received;
static size_t received_len;

/* ---- what there is once ---- */

static void add_limits(void)
{
    const struct override_terms overrides[] = {
        {.key = "api:free*", .action = OVERRIDE_ALLOW, .until_s = OVERRIDE_FOR_EVER},
        {.key = "api:none", .action = OVERRIDE_DENY, .until_s = OVERRIDE_FOR_EVER},
    };
    const struct limit_terms api = {
        .name = "api",
        .match = "api:*",
        .buckets_count = 2,
        .buckets = {{"small", 5, {5, 1000}, 3}, {"large \"\\", 20, {20, 1000}, 30}},
        .overrides_count = 2,
        .overrides = overrides,
    };
    const struct limit_terms trial = {
        .name = "trial",
        .shadow = true,
        .buckets_count = 1,
        .buckets = {{.burst = 2, .rate = {2, 1000}}},
    };
    const struct limit_terms jobs = {
        .name = "jobs",
        .match = "jobs:*",
        .buckets_count = 2,
        .buckets = {{.name = "running", .burst = 2, .holds_slots = true},
                    {.name = "started", .burst = 5, .rate = {5, 1000}, .debt_max = 5}},
    };
    limits = limits_new(5, 100);
    FUZZ_REQUIRE(limits != NULL && limits_add(limits, &api) && limits_add(limits, &trial) &&
                 limits_add(limits, &jobs));
    add_plain_limit(limits, "five", "five", 5, (struct rate){5, 1000});
    add_plain_limit(limits, LIMIT_DEFAULT_NAME, NULL, 10, (struct rate){10, 1000});
}

/* What a brain owns would be taken for lost: it is mapped, and mappings are not searched. */
static void free_brains(void)
{
    for (unsigned i = 0; i < BRAINS; i++)
        brain_free(brains[i]);
}

/* One with room, and of each policy one that has none soon. */
static void make_brains(void)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "seed of a fuzzer";
    static const struct {
        uint32_t max_keys;
        enum when_full when_full;
    } kinds[BRAINS] = {
        {40, WHEN_FULL_EVICT}, {2, WHEN_FULL_EVICT}, {2, WHEN_FULL_DENY}, {2, WHEN_FULL_ALLOW}};
    for (unsigned i = 0; i < BRAINS; i++) {
        const struct limits_question question = {
            .limits = limits, .when_full = kinds[i].when_full, .date_s = 0};
        brains[i] = brain_new(&question, kinds[i].max_keys, 10, seed, 0);
        FUZZ_REQUIRE(brains[i] != NULL);
    }
    atexit(free_brains);
}

static const char *const trusted[] = {"unix"};

static void add_check(struct contract *contract, const char *name, const char *key,
                      bool missing_allows)
{
    const struct check_terms terms = {
        .name = name,
        .key = key,
        .deny_status = CHECK_DENY_STATUS_DEFAULT,
        .missing_allows = missing_allows,
        .trusted = trusted,
        .trusted_count = 1,
    };
    FUZZ_REQUIRE(contract_add_check(contract, &terms));
}

/* A check with rules, whose answers are written out. What is allowed costs the whole burst, so the
 * answer tells how many tokens were taken; what is skipped has a burst of 0. */
static void add_written_check(struct contract *contract)
{
    static const char *const options[] = {"OPTIONS"}, *const skipped[] = {"/skip*"},
                             *const dear[] = {"/dear*"}, *const here[] = {"10.0.0.0/8"};
    static const char *const fields[] = {"X-Left: {remaining}/{burst}, {{full}} in {reset_after}",
                                         "X-Wait: {retry_after_ms}"};
    static const struct check_rule_terms skip[] = {{.methods = options, .methods_count = 1},
                                                   {.paths = skipped, .paths_count = 1},
                                                   {.networks = here, .networks_count = 1}};
    static const struct check_rule_terms cost[] = {{.paths = dear, .paths_count = 1, .tokens = 6},
                                                   {.tokens = 5}};
    static const char json[] = "application/json";
    const struct check_terms terms = {
        .name = "said",
        .limit = "five",
        .key = "{form:a|json:a|query:a|header:X-Api-Key}",
        .deny_status = 403,
        .trusted = trusted,
        .trusted_count = 1,
        .skip = skip,
        .skip_count = sizeof skip / sizeof skip[0],
        .cost = cost,
        .cost_count = sizeof cost / sizeof cost[0],
        .answers =
            {
                [CHECK_ALLOW] = {.is_given = true,
                                 .type = json,
                                 .headers = fields,
                                 .headers_count = 2,
                                 .body = "{{\"allowed\":true,\"key\":\"\",\"tokens\":{burst}}}\n"},
                [CHECK_DENY] = {.is_given = true,
                                .status = 200,
                                .type = json,
                                .headers = fields,
                                .headers_count = 2,
                                .body = "{{\"allowed\":false,\"wait\":{retry_after}}}\n"},
                [CHECK_NEVER] = {.is_given = true, .status = 204},
                [CHECK_MISSING] = {.is_given = true, .status = 400},
            },
    };
    FUZZ_REQUIRE(contract_add_check(contract, &terms));
}

static void set_up(void)
{
    struct contract *contract = contract_new(HEADERS_IETF);
    FUZZ_REQUIRE(contract != NULL);
    json_memory_set_up();
    add_check(contract, "web", "api:{header:X-Api-Key}", false);
    add_check(contract, "all", "{client_ip} {method} {host}{path}", true);
    add_check(contract, "body", "b:{form:a|json:a|query:a}", false);
    add_written_check(contract);
    add_limits();
    make_brains();
    FUZZ_REQUIRE(inbox_init(&home, false) == 0 && inbox_init(&reloads, false) == 0);
    http = http_new(&(struct http_terms){
        .connections_max = 2,
        .share = 2,
        .idle_timeout_ms = 75000,
        .header_room = 16384,
        .contract = contract,
        .admin_apart = true,
        .clock = &clock_system,
        .home = &home,
        .reloads = &reloads,
    });
    received = malloc(RECEIVED_MAX);
    FUZZ_REQUIRE(http != NULL && received != NULL);
    contract_release(contract);
}

/* ---- the brain's side ---- */

static void ask_one(struct message *message)
{
    struct message *messages[] = {message};
    FUZZ_REQUIRE(ask_brain(brain, messages, 1) == 1);
}

static struct daemon_answer ask_daemon(void)
{
    struct daemon_answer answer = {0};
    ask_one(&(struct message){.kind = MESSAGE_DAEMON, .answer.daemon = &answer});
    return answer;
}

/* Returns whether it was answered as a question of the same token was before. */
static bool ask_once(struct message *message)
{
    uint64_t before = ask_daemon().counters.repeated;
    ask_one(message);
    bool is_repeated = ask_daemon().counters.repeated > before;
    FUZZ_REQUIRE(message->once != NULL || !is_repeated);
    return is_repeated;
}

static const char *limit_of(const struct bucket_question *ask)
{
    return ask->limit_name != NULL ? ask->limit_name
                                   : limits->limit[limits_match(limits, ask->key)].name;
}

static bool holds_slots(const struct bucket_question *ask, unsigned bucket)
{
    const char *name = limit_of(ask);
    int index = limits_find(limits, name, strlen(name));
    return index >= 0 && limits->limit[index].allowance.bucket[bucket].holds_slots;
}

/* The levels of a key's buckets; none of a limit that does not exist. */
static void read_levels(const struct bucket_question *ask, int64_t levels[BUCKETS_MAX],
                        uint64_t token_units[BUCKETS_MAX])
{
    const char *name = limit_of(ask);
    int index = limits_find(limits, name, strlen(name));
    for (unsigned i = 0; index >= 0 && i < limits->limit[index].allowance.count; i++)
        levels[i] = brain_level_units(brain, ask->key, name, i, &token_units[i]);
}

/* What is asked for is taken when the answer is ALLOWED, and nothing else is; by a repetition nothing. */
static void ask_allow(struct message *message)
{
    int64_t before[BUCKETS_MAX] = {0}, after[BUCKETS_MAX] = {0};
    uint64_t token_units[BUCKETS_MAX] = {0};
    read_levels(&message->ask.bucket, before, token_units);
    bool is_repeated = ask_once(message);
    read_levels(&message->ask.bucket, after, token_units);
    told.again += is_repeated && bucket_answer_allows(&message->answer.bucket);
    bool is_taken = !is_repeated && message->answer.bucket.result == BUCKET_ALLOWED;
    uint64_t taken = is_taken ? message->ask.bucket.tokens : 0;
    for (unsigned i = 0; i < BUCKETS_MAX; i++)
        if (!holds_slots(&message->ask.bucket, i))
            FUZZ_REQUIRE((uint64_t)(before[i] - after[i]) == taken * token_units[i]);
}

/* What is asked for is taken likewise, of the buckets of tokens. */
static void ask_acquire(struct message *message)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    FUZZ_REQUIRE(message->ask.acquire.slots > 0);
    ask_allow(message);
    if (bucket_answer_allows(answer))
        FUZZ_REQUIRE(answer->expires_after_ms <= message->ask.acquire.ttl_ms + limits->tick_ms);
}

/* Each bucket takes what it says, and owes no more than it may. */
static void ask_charge(struct message *message)
{
    int64_t before[BUCKETS_MAX] = {0}, after[BUCKETS_MAX] = {0};
    uint64_t token_units[BUCKETS_MAX] = {0};
    const struct bucket_answer *answer = &message->answer.bucket;
    FUZZ_REQUIRE(message->ask.bucket.tokens > 0);
    read_levels(&message->ask.bucket, before, token_units);
    bool is_repeated = ask_once(message);
    read_levels(&message->ask.bucket, after, token_units);
    if (answer->result != BUCKET_ALLOWED)
        return;
    for (unsigned i = 0; i < answer->allowance->count; i++) {
        uint64_t charged = answer->buckets[i].charged_tokens;
        FUZZ_REQUIRE(charged <= message->ask.bucket.tokens);
        FUZZ_REQUIRE((uint64_t)(before[i] - after[i]) ==
                     (is_repeated ? 0 : charged * token_units[i]));
        FUZZ_REQUIRE(answer->buckets[i].owed_tokens <= answer->allowance->bucket[i].debt_max);
    }
}

static void tell(uint64_t tokens, bool allowed)
{
    told.allowed += allowed;
    told.tokens += allowed ? tokens : 0;
}

static void tell_list(const struct message *message)
{
    const struct list_question *ask = &message->ask.list;
    if (message->kind == MESSAGE_LIST || !list_is_done(message))
        return;
    for (uint32_t i = 0; i < ask->count; i++)
        tell(ask->calls[i].ask.tokens, message->kind == MESSAGE_ALL
                                           ? message->answer.list.allowed
                                           : bucket_answer_allows(&ask->calls[i].answer));
}

static void note_ttl(uint32_t ttl_ms)
{
    if (ttl_ms > longest_ttl_ms)
        longest_ttl_ms = ttl_ms;
}

static void answer(struct message *message)
{
    switch (message->kind) {
    case MESSAGE_ALLOW:
        ask_allow(message);
        tell(message->ask.bucket.tokens, bucket_answer_allows(&message->answer.bucket));
        return;
    case MESSAGE_ACQUIRE:
        ask_acquire(message);
        note_ttl(message->ask.acquire.ttl_ms);
        tell(message->ask.bucket.tokens, bucket_answer_allows(&message->answer.bucket));
        return;
    case MESSAGE_CHARGE:
        ask_charge(message);
        return;
    case MESSAGE_EACH:
    case MESSAGE_ALL:
    case MESSAGE_LIST:
        ask_one(message);
        tell_list(message);
        return;
    case MESSAGE_MISSING:
        ask_one(message);
        told.missing += message->ask.missing_allows; /* a yes that no key is charged for */
        return;
    case MESSAGE_SKIPPED:
        ask_one(message);
        told.skipped++; /* likewise */
        return;
    case MESSAGE_RESET:
    case MESSAGE_REFUND:
    case MESSAGE_STATUS:
    case MESSAGE_DAEMON:
    case MESSAGE_METRICS:
    case MESSAGE_KEYS:
    case MESSAGE_EXPLAIN:
    case MESSAGE_GCRA: /* HTTP has none */
    case MESSAGE_EVENTS:
    case MESSAGE_RELEASE:
    case MESSAGE_LEASE:
    case MESSAGE_TALLY:
        ask_one(message);
        return;
    case MESSAGE_RENEW:
        ask_one(message);
        note_ttl(message->ask.lease.ttl_ms);
        return;
    case MESSAGE_DRAIN:
    case MESSAGE_RELOAD_FAILED:
    case MESSAGE_STATE_LOST:
    case MESSAGE_STATE_ANEW:
    case MESSAGE_STATE_KEPT:
    case MESSAGE_SURROUNDINGS:
    case MESSAGE_LIMITS:
    case MESSAGE_RELOAD:
    case MESSAGE_OVERRIDE:
    case MESSAGE_LEAVE:
    case MESSAGE_ORDERS:
    case MESSAGE_FLEET_END:
    case MESSAGE_STOP:
        fuzz_fail(__FILE__, __LINE__, "no client stops or reloads the brain, and none waits");
    }
}

/* Lets time pass until every lease has ended, every bucket is full and no answer is remembered: the brain
 * has nothing left of the input. No longer than that takes, so that many inputs do not use up the clock. */
static void forget(void)
{
    enum { TIMES = 3, SWEEPS = 3, REMEMBERED_MS = 60000 };
    uint64_t ms = (longest_ttl_ms > REMEMBERED_MS ? longest_ttl_ms : REMEMBERED_MS) + MS_PER_S;
    for (int i = 0; i < TIMES; i++) { /* the last lease ends; it is forgotten; all is full */
        now_ns += ms * NS_PER_MS;
        brain_tick(brain, now_ns);
    }
    longest_ttl_ms = 0;
    for (int i = 0; i < SWEEPS; i++)
        brain_sweep(brain);
    FUZZ_REQUIRE(ask_daemon().keys == 0);
}

/* ---- what another parser might read differently ---- */

static unsigned count_fields(const char *bytes, const char *end, const char *line_begin)
{
    unsigned count = 0;
    size_t len = strlen(line_begin);
    for (; (bytes = memmem(bytes, (size_t)(end - bytes), "\r\n", 2)) != NULL; bytes += 2)
        count += (size_t)(end - bytes - 2) >= len && strncasecmp(bytes + 2, line_begin, len) == 0;
    return count;
}

/* How many Transfer-Encodings are chunked and nothing else. */
static unsigned count_chunked(const char *bytes, const char *end)
{
    static const char name[] = "\r\nTransfer-Encoding:", value[] = "chunked\r\n";
    unsigned count = 0;
    for (const char *at = bytes; (at = memmem(at, (size_t)(end - at), "\r\n", 2)) != NULL; at++) {
        if ((size_t)(end - at) < strlen(name) || strncasecmp(at, name, strlen(name)) != 0)
            continue;
        const char *found = at + strlen(name);
        while (found < end && (*found == ' ' || *found == '\t'))
            found++;
        count +=
            (size_t)(end - found) >= strlen(value) && strncasecmp(found, value, strlen(value)) == 0;
    }
    return count;
}

/* Behind the last line of the first request's header, if that has come whole, and of lines that all
 * end as they must; else NULL. */
static const char *end_of_header(const char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (end == NULL || bytes[0] == '\r' || memchr(bytes, '\0', (size_t)(end - bytes)) != NULL)
        return NULL;
    for (const char *at = bytes; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        if (at == bytes || at[-1] != '\r')
            return NULL;
    return end + 2;
}

/* Whether the first request must be refused for its framing, whatever else it is. */
static bool has_bad_framing(const char *bytes, const char *end)
{
    unsigned encodings = count_fields(bytes, end, "Transfer-Encoding:");
    return encodings + count_fields(bytes, end, "Content-Length:") > 1 ||
           encodings > count_chunked(bytes, end) || count_fields(bytes, end, "Host:") > 1;
}

/* Where the first request ends may be read differently if its body comes in chunks. */
static void check_framing(const char *bytes, size_t len, const struct replies *replies)
{
    const char *end = end_of_header(bytes, len);
    if (end == NULL)
        return;
    if (count_fields(bytes, end, "Transfer-Encoding:") > 0)
        FUZZ_REQUIRE(replies->count <= 1);
    if (has_bad_framing(bytes, end)) {
        /* libmicrohttpd closes without a word where the line before the fields is none. */
        FUZZ_REQUIRE(replies->count == 0 || (replies->first_status >= 400 && replies->closes));
        FUZZ_REQUIRE(replies->count <= 1 && told.allowed == 0);
    }
}

/* ---- the client's side ---- */

static void receive(int client)
{
    ssize_t got;
    while ((got = recv(client, received + received_len, RECEIVED_MAX - received_len,
                       MSG_DONTWAIT)) > 0)
        received_len += (size_t)got;
    FUZZ_REQUIRE(received_len < RECEIVED_MAX);
}

/* What the main thread does of what it is asked to. */
static void end_reloads(enum reload_outcome outcome)
{
    for (struct letter *letter = inbox_take(&reloads, 0), *next; letter != NULL; letter = next) {
        struct reload_report *report = message_of(letter)->answer.reload;
        next = letter->next;
        report->outcome = outcome;
        if (outcome == RELOAD_IN_FORCE)
            report->limits = limits->count;
        if (outcome == RELOAD_FAULTY)
            reload_report_add(report, 1, 2, "\"\\\" is none");
        inbox_post_one(letter->home, letter);
    }
}

/* What the decider does with a chain. */
static void answer_chain(void)
{
    FUZZ_REQUIRE(http_questions(http) == 1); /* there is one connection */
    struct chain chain = http_hand_over(http);
    for (struct letter *letter = letters_oldest_first(chain.newest), *next; letter != NULL;
         letter = next) {
        next = letter->next;
        answer(message_of(letter));
        inbox_post_one(letter->home, letter);
    }
}

static bool is_due(void)
{
    int descriptors[HTTP_DESCRIPTORS];
    struct pollfd polled[HTTP_DESCRIPTORS];
    http_descriptors(http, descriptors);
    for (int i = 0; i < HTTP_DESCRIPTORS; i++)
        polled[i] = (struct pollfd){.fd = descriptors[i], .events = POLLIN};
    if (poll(polled, HTTP_DESCRIPTORS, 0) <= 0 && (unsigned)http_timeout_ms(http) > SOON_MS)
        return inbox_is_filled(&home);
    for (int i = 0; i < HTTP_DESCRIPTORS; i++)
        if (polled[i].revents != 0)
            http_heed(http, descriptors[i]);
    return true;
}

/* One turn of a front-end; false: there was nothing to do. */
static bool turn(int client, uint8_t flags)
{
    if (!is_due())
        return false;
    http_take_home(http, inbox_take(&home, 0), 0);
    http_collect(http);
    if (http_questions(http) > 0) {
        answer_chain();
        FUZZ_REQUIRE(http_take_home(http, inbox_take(&home, 0), 0));
        http_run(http);
    }
    end_reloads((enum reload_outcome)((flags & OUTCOME) / 64));
    receive(client);
    return true;
}

static void take_turns(int client, uint8_t flags)
{
    unsigned turns = 0;
    while (turn(client, flags))
        FUZZ_REQUIRE(++turns < TURNS_MAX);
}

static void send_pieces(int client, uint8_t flags, const uint8_t *bytes, size_t len)
{
    static const size_t sizes[] = {SIZE_MAX, 1000, 61, 7};
    size_t most = sizes[flags & PIECES];
    while (len > 0) {
        size_t piece = len < most ? len : most;
        if (send(client, bytes, piece, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)piece)
            return; /* allowd has closed its end */
        bytes += piece;
        len -= piece;
        if (len == 0 && (flags & HANGS_UP) != 0)
            shutdown(client, SHUT_WR);
        take_turns(client, flags);
    }
}

/* The connection from its begin to its end. */
static void converse(uint8_t flags, const uint8_t *bytes, size_t len)
{
    static const struct sockaddr peer = {.sa_family = AF_UNIX};
    int ends[2];
    char byte;
    FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    http_add(http, ends[1], &peer, sizeof peer, (flags & IS_ADMIN) != 0);
    take_turns(ends[0], flags);
    send_pieces(ends[0], flags, bytes, len);
    shutdown(ends[0], SHUT_WR);
    take_turns(ends[0], flags);
    FUZZ_REQUIRE(recv(ends[0], &byte, 1, MSG_DONTWAIT) == 0); /* it has ended, and is not waiting */
    close(ends[0]);
    take_turns(-1, flags);
    FUZZ_REQUIRE(http_connections(http) == 0);
}

/* Every yes was told, and no other. What a HEAD would be told stands in the body that is left out. */
static void check_yeses(const struct replies *replies)
{
    unsigned heard = replies->allowed + replies->no_content;
    unsigned meant = told.allowed + told.missing + told.skipped;
    FUZZ_REQUIRE(heard <= meant);
    if (replies->bodiless > 0)
        return;
    FUZZ_REQUIRE(heard == meant);
    FUZZ_REQUIRE(replies->allowed_tokens + replies->no_content == told.tokens + told.missing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (http == NULL)
        set_up();
    if (size == 0)
        return 0;
    brain = brains[(data[0] & BRAIN) / 16];
    told = (struct told){0};
    received_len = 0;
    uint64_t allowed_before = ask_daemon().counters.allowed;
    converse(data[0], data + 1, size - 1);
    struct replies replies = replies_read(received, received_len);
    FUZZ_REQUIRE(replies.bodiless == 0 || memmem(data, size, "HEAD", 4) != NULL);
    FUZZ_REQUIRE(ask_daemon().counters.allowed - allowed_before == told.allowed - told.again);
    check_yeses(&replies);
    check_framing((const char *)data + 1, size - 1, &replies);
    forget();
    return 0;
}
