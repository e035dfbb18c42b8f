/* What the fleet thread is made of: stores' words, commands and replies, errors, waits. */
#include "fleet/backoff.h"
#include "fleet/refusal.h"
#include "fleet/resp.h"
#include "fleet/stores.h"
#include "fleet/teller.h"

#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

/* ---- stores ---- */

static void stores_are_read(void **state)
{
    static const struct {
        const char *words;
        struct store store;
    } rows[] = {
        {"redis://localhost", {STORE_SERVER, "localhost", "6379", ""}},
        {"redis://10.0.0.1:7000", {STORE_SERVER, "10.0.0.1", "7000", ""}},
        {"redis://10.0.0.1:7000/", {STORE_SERVER, "10.0.0.1", "7000", ""}},
        {"redis://[::1]:7000", {STORE_SERVER, "::1", "7000", ""}},
        {"redis://[fe80::1]", {STORE_SERVER, "fe80::1", "6379", ""}},
        {"unix:/run/redis.sock", {STORE_SOCKET, "/run/redis.sock", "", ""}},
        {"sentinel://a.example/main", {STORE_SENTINEL, "a.example", "26379", "main"}},
        {"sentinel://a:1/my-master.1", {STORE_SENTINEL, "a", "1", "my-master.1"}},
        {"cluster://node-1:65535", {STORE_CLUSTER, "node-1", "65535", ""}},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct store store = {0};
        assert_true(store_read(rows[i].words, &store));
        assert_int_equal(store.kind, rows[i].store.kind);
        assert_string_equal(store.host, rows[i].store.host);
        assert_string_equal(store.port, rows[i].store.port);
        assert_string_equal(store.master, rows[i].store.master);
    }
}

static void what_is_no_store_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "redis:",
        "redis://",
        "redis://:6379",
        "redis://a:",
        "redis://a:0",
        "redis://a:65536",
        "redis://a:06379",
        "redis://a:6379/1",
        "redis://a b",
        "redis://user:pass@a",
        "redis://[::1",
        "redis://[]",
        "redis://[::1]6379",
        "redis://::1",
        "rediss://a",
        "unix:",
        "unix:run/redis.sock",
        "sentinel://a",
        "sentinel://a/",
        "sentinel://a/b c",
        "cluster://a/b",
        "localhost:6379",
    };
    struct store store = {.host = "as it was"};
    char path[FLEET_STORE_MAX + 8];
    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_false(store_read(rows[i], &store));
    memset(path, 'x', sizeof path);
    memcpy(path, "unix:/", 6);
    path[5 + 108] = '\0'; /* one byte more than an address of a socket has room for */
    assert_false(store_read(path, &store));
    assert_string_equal(store.host, "as it was");
    path[5 + 107] = '\0';
    assert_true(store_read(path, &store));
}

static const char *fault_of(unsigned count, const char *first, const char *second)
{
    static struct fleet_settings settings;
    settings.stores_count = count;
    strcpy(settings.stores[0], first);
    strcpy(settings.stores[1], second);
    return fleet_stores_fault(&settings);
}

static void stores_must_suit_each_other(void **state)
{
    (void)state;
    assert_null(fault_of(1, "redis://a", ""));
    assert_null(fault_of(2, "sentinel://a/m", "sentinel://b/m"));
    assert_null(fault_of(2, "cluster://a", "cluster://b"));
    assert_non_null(fault_of(0, "", ""));
    assert_non_null(fault_of(1, "redis:a", ""));
    assert_non_null(fault_of(2, "redis://a", "redis://b"));
    assert_non_null(fault_of(2, "unix:/a", "redis://b"));
    assert_non_null(fault_of(2, "sentinel://a/m", "sentinel://b/n"));
    assert_non_null(fault_of(2, "sentinel://a/m", "cluster://b"));
    assert_non_null(fault_of(2, "cluster://a", "cluster"));
}

/* ---- commands ---- */

static void commands_are_queued_and_bounded(void **state)
{
    static char long_one[RESP_OUT_MAX / 2];
    static const char want[] = "*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*1\r\n$0\r\n\r\n";
    struct resp_out out = {0};
    (void)state;
    assert_true(resp_command(&out, 2, (struct resp_arg[]){resp_string("GET"), {"a\r\nb", 4}}));
    assert_true(resp_command(&out, 1, (struct resp_arg[]){resp_string("")}));
    assert_int_equal(out.len, sizeof want - 1);
    assert_memory_equal(out.bytes, want, out.len);
    out.sent = 4;
    assert_true(resp_command(&out, 1, (struct resp_arg[]){{long_one, sizeof long_one}}));
    assert_memory_equal(out.bytes + out.sent, want + 4, sizeof want - 1 - 4);
    size_t len = out.len - out.sent;
    assert_false(resp_command(&out, 1, (struct resp_arg[]){{long_one, sizeof long_one}}));
    assert_int_equal(out.len - out.sent, len);
    resp_out_clear(&out);
}

/* ---- replies ---- */

static const char replies[] =
    "+OK\r\n:42\r\n*2\r\n$3\r\na\0b\r\n*1\r\n$-1\r\n-OOM no\r\n$0\r\n\r\n";

static void take_replies(struct resp_in *in, unsigned *count)
{
    static const int types[] = {REDIS_REPLY_STATUS, REDIS_REPLY_INTEGER, REDIS_REPLY_ARRAY,
                                REDIS_REPLY_ERROR, REDIS_REPLY_STRING};
    redisReply *reply;
    const char *why;
    while (resp_next(in, &reply, &why) == RESP_REPLY) {
        assert_true(*count < LENGTH(types));
        assert_int_equal(reply->type, types[(*count)++]);
        if (reply->type == REDIS_REPLY_ARRAY) {
            assert_int_equal(reply->elements, 2);
            assert_memory_equal(reply->element[0]->str, "a\0b", 3);
            assert_int_equal(reply->element[1]->element[0]->type, REDIS_REPLY_NIL);
        }
        freeReplyObject(reply);
    }
}

static void replies_come_in_any_pieces(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < sizeof replies; piece++) {
        struct resp_in in;
        unsigned count = 0;
        assert_true(resp_in_init(&in));
        for (size_t at = 0; at < sizeof replies - 1; at += piece) {
            size_t left = sizeof replies - 1 - at;
            assert_true(resp_feed(&in, replies + at, left < piece ? left : piece));
            take_replies(&in, &count);
        }
        assert_int_equal(count, 5);
        resp_in_release(&in);
    }
}

/* What the reader says of bytes after which no reply can come. */
static void assert_broken(const char *bytes, size_t len, const char *want)
{
    struct resp_in in;
    redisReply *reply;
    const char *why = "";
    assert_true(resp_in_init(&in));
    assert_true(resp_feed(&in, bytes, len));
    assert_int_equal(resp_next(&in, &reply, &why), RESP_BROKEN);
    if (strstr(why, want) == NULL)
        fail_msg("\"%s\" has no \"%s\"", why, want);
    resp_in_release(&in);
}

static void what_is_no_reply_is_told(void **state)
{
    static const char http[] = "HTTP/1.1 400 Bad Request\r\n", ssh[] = "SSH-2.0-OpenSSH_9.2\r\n";
    static const char many[] = "*65537\r\n", most[] = "*2147483647\r\n", less[] = "*-2\r\n";
    static const char nested[] = "*40000\r\n*40000\r\n";
    (void)state;
    assert_broken(http, sizeof http - 1, "HTTP");
    assert_broken(ssh, sizeof ssh - 1, "SSH");
    assert_broken("ERROR\r\n", 7, "rotocol");
    assert_broken("\x15\x03\x01\x00\x02", 5, "rotocol");
    assert_broken(many, sizeof many - 1, "more than any");
    assert_broken(most, sizeof most - 1, "more than any");
    assert_broken(nested, sizeof nested - 1, "more than any");
    assert_broken(less, sizeof less - 1, "");
    assert_broken("$99999999999999999999\r\n", 23, "");
}

static void a_reply_without_end_is_given_up(void **state)
{
    static char bytes[4096];
    struct resp_in in;
    redisReply *reply;
    const char *why;
    size_t fed = 0;
    (void)state;
    assert_true(resp_in_init(&in));
    assert_true(resp_feed(&in, "$500000000\r\n", 12));
    while (resp_next(&in, &reply, &why) == RESP_PARTIAL) {
        assert_true(fed <= RESP_REPLY_BYTES_MAX);
        assert_true(resp_feed(&in, bytes, sizeof bytes));
        fed += sizeof bytes;
    }
    assert_non_null(strstr(why, "more than any"));
    resp_in_release(&in);
}

/* ---- errors ---- */

static void errors_go_by_their_first_word(void **state)
{
    static const struct {
        const char *text;
        enum refusal_act act;
        const char *means;
    } rows[] = {
        {"OOM command not allowed when used memory > 'maxmemory'.", REFUSAL_STAY, "no memory"},
        {"LOADING Redis is loading the dataset in memory", REFUSAL_STAY, "loading"},
        {"BUSY Valkey is busy running a script.", REFUSAL_STAY, "long script"},
        {"READONLY You can't write against a read only replica.", REFUSAL_LEAVE, "replica"},
        {"MASTERDOWN Link with MASTER is down", REFUSAL_LEAVE, "replica"},
        {"MISCONF Redict is configured to save", REFUSAL_STAY, "cannot save"},
        {"NOREPLICAS Not enough good replicas to write.", REFUSAL_STAY, "replicas"},
        {"NOSCRIPT", REFUSAL_LOAD, "script"},
        {"NOAUTH Authentication required.", REFUSAL_LEAVE, "password"},
        {"NOPERM this user has no permissions", REFUSAL_STAY, "rights"},
        {"WRONGPASS invalid username-password pair", REFUSAL_LEAVE, "password"},
        {"MOVED 3999 127.0.0.1:6381", REFUSAL_MOVED, "cluster"},
        {"ASK 3999 127.0.0.1:6381", REFUSAL_ASK, "cluster"},
        {"CLUSTERDOWN Hash slot not served", REFUSAL_STAY, "cluster"},
        {"ERR max number of clients reached", REFUSAL_STAY, "refuses"},
        {"OOMPH no word of ours", REFUSAL_STAY, "refuses"},
        {"", REFUSAL_STAY, "refuses"},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const struct refusal *refusal = refusal_of(rows[i].text, strlen(rows[i].text));
        assert_int_equal(refusal->act, rows[i].act);
        assert_non_null(strstr(refusal->means, rows[i].means));
    }
}

static void what_is_told_forges_nothing_and_keeps_secrets(void **state)
{
    static const char hostile[] = "ERR a\nb\x1b[31m\xff \"AUTH\" \"secret\"";
    char told[64], longer[512], text[400];
    (void)state;
    refusal_tell(hostile, sizeof hostile - 1, false, longer, sizeof longer);
    assert_string_equal(longer, "it refuses: \"ERR a?b?[31m? \"AUTH\" \"secret\"\"");
    refusal_tell(hostile, sizeof hostile - 1, true, longer, sizeof longer);
    assert_string_equal(longer, "it refuses: \"ERR\"");
    memset(text, 'x', sizeof text);
    refusal_tell(text, sizeof text, false, told, sizeof told);
    assert_int_equal(strlen(told), sizeof told - 1);
}

/* ---- waits ---- */

static void waits_are_between_their_bounds(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct backoff backoff = {.min_ms = 50, .max_ms = 5000, .random = seed};
        for (unsigned i = 0; i < 40; i++) {
            uint32_t wait_ms = backoff_ms(&backoff);
            assert_in_range(wait_ms, 50, i < 6 ? 50u << (i + 1) : 5000);
        }
        backoff_reset(&backoff);
        assert_in_range(backoff_ms(&backoff), 50, 100);
    }
}

/* Full jitter: of many sidecars that failed equally often, each tenth of the time has about a tenth. */
static void waits_are_spread(void **state)
{
    unsigned tenths[10] = {0};
    (void)state;
    for (uint64_t seed = 1; seed <= 10000; seed++) {
        struct backoff backoff = {.min_ms = 0, .max_ms = 999, .failures = 20, .random = seed};
        tenths[backoff_ms(&backoff) / 100]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(tenths[i], 850, 1150);
}

static void waits_may_all_be_equal(void **state)
{
    struct backoff backoff = {.min_ms = 70, .max_ms = 70};
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(backoff_ms(&backoff), 70);
}

/* ---- what the log hears ---- */

static void a_trouble_is_told_once_while_it_lasts(void **state)
{
    struct teller teller = {.told = ""};
    (void)state;
    assert_true(teller_tells(&teller, "refused", 0));
    for (uint64_t now_ns = 1; now_ns < 10 * TELLER_AGAIN_NS; now_ns += TELLER_PAUSE_NS)
        assert_false(teller_tells(&teller, "refused", now_ns));
    assert_true(teller_ends(&teller));
    assert_false(teller_ends(&teller));
}

static void a_trouble_that_comes_and_goes_is_told_each_minute(void **state)
{
    struct teller teller = {.told = ""};
    unsigned told = 0, ended = 0;
    (void)state;
    for (uint64_t now_ns = 0; now_ns < 10 * TELLER_AGAIN_NS; now_ns += 10000000) {
        told += teller_tells(&teller, "out of memory", now_ns);
        ended += teller_ends(&teller);
    }
    assert_int_equal(told, 10);
    assert_int_equal(ended, 10);
}

static void troubles_that_alternate_are_told_each_second(void **state)
{
    struct teller teller = {.told = ""};
    unsigned told = 0;
    (void)state;
    for (unsigned i = 0; i < 10000; i++)
        told += teller_tells(&teller, i % 2 == 0 ? "refused" : "no route", i * UINT64_C(10000000));
    assert_in_range(told, 50, 101);
}

static void a_long_trouble_is_the_same_again(void **state)
{
    struct teller teller = {.told = ""};
    char text[2 * TELLER_TEXT_MAX];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_true(teller_tells(&teller, text, 0));
    assert_false(teller_tells(&teller, text, 10 * TELLER_PAUSE_NS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_are_read),
        cmocka_unit_test(what_is_no_store_is_refused),
        cmocka_unit_test(stores_must_suit_each_other),
        cmocka_unit_test(commands_are_queued_and_bounded),
        cmocka_unit_test(replies_come_in_any_pieces),
        cmocka_unit_test(what_is_no_reply_is_told),
        cmocka_unit_test(a_reply_without_end_is_given_up),
        cmocka_unit_test(errors_go_by_their_first_word),
        cmocka_unit_test(what_is_told_forges_nothing_and_keeps_secrets),
        cmocka_unit_test(waits_are_between_their_bounds),
        cmocka_unit_test(waits_are_spread),
        cmocka_unit_test(waits_may_all_be_equal),
        cmocka_unit_test(a_trouble_is_told_once_while_it_lasts),
        cmocka_unit_test(a_trouble_that_comes_and_goes_is_told_each_minute),
        cmocka_unit_test(troubles_that_alternate_are_told_each_second),
        cmocka_unit_test(a_long_trouble_is_the_same_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
