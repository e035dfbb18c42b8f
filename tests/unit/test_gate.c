/* The gate: fields as libmicrohttpd leaves them in the raw header block. */
#include "http/wire/gate.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 100 };

/*
 * Does to a header block what libmicrohttpd 0.9 does: line ends and colons
 * become NULs, and names and values are then C strings. `wire` begins with the
 * version; a NUL in it is written as '@'.
 */
static struct gate pass(const char *wire)
{
    static char block[4096];
    struct gate gate;
    strcpy(block, wire);
    for (char *at = block; *at != '\0'; at++)
        if (*at == '@')
            *at = '\0', at++;
    size_t len = strlen(wire);
    char *line = block, *end = block + len;
    for (bool first = true; line < end; first = false) {
        char *line_end = memchr(line, '\n', (size_t)(end - line));
        char *next = line_end + 1;
        *line_end = '\0';
        if (line_end > line && line_end[-1] == '\r')
            line_end[-1] = '\0';
        if (first) {
            gate_begin(&gate, line, true);
        } else if (line[0] != '\0') {
            char *value = strchr(line, ':');
            *value++ = '\0';
            value += strspn(value, " \t");
            gate_field(&gate, line, strlen(line), value, strlen(value));
        }
        line = next;
    }
    gate_end(&gate, end, BODY_MAX);
    return gate;
}

#define V "HTTP/1.1\r\n"

static void good_headers_pass(void **state)
{
    (void)state;
    static const char *const good[] = {
        V "Host: a\r\n\r\n",
        V "Host:a\r\n\r\n",
        V "Host:\r\n\r\n",
        V "Host: \t a\r\n\r\n",
        V "Accept: */*\r\nhost: a\r\nX-Empty:\r\nUser-Agent: b\tc \r\n\r\n",
        V "Host: a\r\nContent-Length: 0\r\n\r\n",
        V "Host: a\r\ncontent-length: 100\r\n\r\n",
        "HTTP/1.0\r\nHost: a\r\n\r\n",
        "HTTP/1.0\r\n\r\n",
        "HTTP/1.2\r\nHost: a\r\n\r\n",
        V "Host: a \t\r\n\r\n",
        V "Host: a.b_c-d%20~!$&'()*+,;=:80\r\n\r\n",
        V "Host: [2001:db8::192.0.2.1]:\r\n\r\n",
        V "Host: a\r\nContent-Length: 007\r\n\r\n",
        V "Host: a\r\nContent-Length: 00000000000000000000000000000000000\r\n\r\n",
        "HTTP/1.0\r\nX: a\r\n\r\n",
        "HTTP/1.1\nHost: a\nX: b\n\n",
    };
    for (size_t i = 0; i < LENGTH(good); i++) {
        struct gate gate = pass(good[i]);
        if (gate.fault != NULL || gate.too_large)
            fail_msg("%s: %s", good[i], gate.fault);
    }
}

static void what_two_parsers_could_read_differently_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *wire, *says;
    } bad[] = {
        {V "\r\n", "exactly one Host"},
        {V "X: a\r\n\r\n", "exactly one Host"},
        {V "Host: a\r\nHost: a\r\n\r\n", "exactly one Host"},
        {"HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "exactly one Host"},
        {V "Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
         "at most one Content-Length"},
        {V "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         "at most one Transfer-Encoding"},
        {V "Host: a\r\nTRANSFER-ENCODING: identity\r\n\r\n", "may be chunked"},
        {V "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "may be chunked"},
        {V "Host: a\r\nTransfer-Encoding: chunked \r\n\r\n", "may be chunked"},
        {V "Host: a\r\nTransfer-Encoding:\r\n\r\n", "may be chunked"},
        {V "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "not both"},
        {V "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", "not both"},
        {"HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0 has no"},
        {V "Host: a\r\nContent-Length: -1\r\n\r\n", "digits"},
        {V "Host: a\r\nContent-Length: +3\r\n\r\n", "digits"},
        {V "Host: a\r\nContent-Length: 0x3\r\n\r\n", "digits"},
        {V "Host: a\r\nContent-Length:\r\n\r\n", "digits"},
        {V "Host: a\r\nContent-Length: 1, 1\r\n\r\n", "digits"},
        {V "Host: a b\r\n\r\n", "no name or address"},
        {V "Host: a@b\r\n\r\n", "NUL"},
        {V "Host: a/b\r\n\r\n", "no name or address"},
        {V "Host : a\r\n\r\n", "name holds"},
        {V "Host: a\r\nA b: c\r\n\r\n", "name holds"},
        {V "Host: a\r\n: c\r\n\r\n", "name holds"},
        {V "Host: a\r\nX\x01: c\r\n\r\n", "name holds"},
        {V "Host: a\r\nX: \x01\r\n\r\n", "control character"},
        {V "Host: a\r\nX: a\rb\r\n\r\n", "control character"},
        {V "Host: a\r\nX: a\x7f\r\n\r\n", "control character"},
        {V "Host: a\r\nX: a@b\r\nY: c\r\n\r\n", "second line"},
        {V "Host: a\r\nY: c\r\nX: a@b\r\n\r\n", "NUL"},
        {V "Host: a@b\r\n\r\n", "NUL"},
        {"HTTP/1.2\r\n\r\n", "exactly one Host"},
        {"HTTP/2.0\r\nHost: a\r\n\r\n", "only HTTP/1"},
        {"HTTP/1.\r\nHost: a\r\n\r\n", "only HTTP/1"},
        {"HTTP/1.10\r\nHost: a\r\n\r\n", "only HTTP/1"},
    };
    for (size_t i = 0; i < LENGTH(bad); i++) {
        struct gate gate = pass(bad[i].wire);
        if (gate.fault == NULL || strstr(gate.fault, bad[i].says) == NULL)
            fail_msg("%s: %s", bad[i].wire, gate.fault == NULL ? "passed" : gate.fault);
    }
}

/* libmicrohttpd glues a folded line to the field's name, in a copy elsewhere. */
static void folded_lines_are_refused(void **state)
{
    (void)state;
    char block[64] = V "Host\0 a", glued[] = "Hostb";
    struct gate gate;
    block[8] = block[9] = '\0';
    gate_begin(&gate, block, true);
    gate_field(&gate, glued, strlen(glued), block + 16, 1);
    assert_non_null(gate.fault);

    /* Where they are in place, but not all between the colon and the value is blank. */
    char gap[] = "HTTP/1.1\0\0Host\0 b a";
    const char *name = gap + 10, *value = gap + 18;
    gate_begin(&gate, gap, true);
    gate_field(&gate, name, 4, value, 1);
    assert_non_null(gate.fault);
    gap[16] = '\t';
    gate_begin(&gate, gap, true);
    gate_field(&gate, name, 4, value, 1);
    assert_null(gate.fault);
}

static void bodies_have_a_bound(void **state)
{
    (void)state;
    assert_true(pass(V "Host: a\r\nContent-Length: 101\r\n\r\n").too_large);
    assert_true(pass(V "Host: a\r\nContent-Length: 9223372036854775808\r\n\r\n").too_large);
    assert_true(pass(V "Host: a\r\nContent-Length: 18446744073709551616\r\n\r\n").too_large);
    assert_null(pass(V "Host: a\r\nContent-Length: 101\r\n\r\n").fault);
    assert_true(pass(V "Host: a\r\nContent-Length: 0101\r\n\r\n").too_large);
}

static void a_body_may_come_in_chunks(void **state)
{
    (void)state;
    assert_false(pass(V "Host: a\r\nContent-Length: 1\r\n\r\n").is_chunked);
    static const char *const good[] = {"chunked", "Chunked", "CHUNKED", " \tchunked"};
    for (size_t i = 0; i < LENGTH(good); i++) {
        char wire[100];
        snprintf(wire, sizeof wire, V "Host: a\r\ntransfer-encoding:%s\r\n\r\n", good[i]);
        struct gate gate = pass(wire);
        if (gate.fault != NULL || !gate.is_chunked)
            fail_msg("%s: %s", good[i], gate.fault);
    }
}

static void cookies_are_counted_twice(void **state)
{
    (void)state;
    struct gate gate = pass(V "Host: a\r\nCookie: a=b; c=d\r\n\r\n");
    assert_null(gate.fault);
    assert_int_equal(gate.cookie_bytes, 8);
    assert_int_equal(gate.entries, 4);
    gate = pass(V "Host: a\r\nCookie: a=b\r\ncookie: c=d\r\n\r\n"); /* as it keeps the first */
    assert_int_equal(gate.cookie_bytes, 3);
    assert_int_equal(gate.entries, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_headers_pass),
        cmocka_unit_test(what_two_parsers_could_read_differently_is_refused),
        cmocka_unit_test(folded_lines_are_refused),
        cmocka_unit_test(bodies_have_a_bound),
        cmocka_unit_test(a_body_may_come_in_chunks),
        cmocka_unit_test(cookies_are_counted_twice),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
