/* Tests of addresses: every form, what is refused, printing and comparing. */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* That `text` is an address which prints as `printed`, and that this is the same one. */
static void check_parsed(const char *text, const char *printed)
{
    struct address address, again;
    char out[ADDRESS_TEXT_MAX];
    memset(&address, 0xa5, sizeof address);
    assert_true(address_parse(text, &address));
    address_print(&address, out);
    assert_string_equal(out, printed);
    memset(&again, 0x5a, sizeof again);
    assert_true(address_parse(out, &again));
    assert_true(address_equal(&address, &again));
}

static void check_refused(const char *text)
{
    struct address address, before;
    memset(&address, 0xa5, sizeof address);
    before = address;
    if (address_parse(text, &address))
        fail_msg("\"%s\" was taken for an address", text);
    assert_memory_equal(&address, &before, sizeof address);
}

static void test_ipv4(void **state)
{
    (void)state;
    check_parsed("127.0.0.1:10429", "127.0.0.1:10429");
    check_parsed("0.0.0.0:0", "0.0.0.0:0");
    check_parsed("255.255.255.255:65535", "255.255.255.255:65535");

    struct address address;
    assert_true(address_parse("192.0.2.7:258", &address));
    const struct sockaddr_in *in = (const struct sockaddr_in *)&address.socket;
    assert_int_equal(in->sin_family, AF_INET);
    assert_int_equal(ntohs(in->sin_port), 258);
    assert_int_equal(ntohl(in->sin_addr.s_addr), 0xc0000207);
    assert_int_equal(address.socket_len, sizeof *in);
    assert_null(address_unix_path(&address));
}

static void test_ipv4_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        ":",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:080",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1:8 ",
        " 127.0.0.1:80",
        "127.0.0.1 :80",
        "127.0.0.1: 80",
        "127.0.0.1:http",
        "127.1:80",
        "127.0.0.256:80",
        "127.0.0.01:80",
        "0x7f.0.0.1:80",
        "2130706433:80",
        "127.0.0.1.1:80",
        "localhost:80",
        "*:80",
        "80",
        "127.0.0.1:99999999999999999999",
        "127.0.0.1:80:80",
        "http://127.0.0.1:80",
        "[127.0.0.1]:80",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        check_refused(texts[i]);
}

static void test_ipv6(void **state)
{
    (void)state;
    check_parsed("[::1]:10429", "[::1]:10429");
    check_parsed("[::]:0", "[::]:0");
    check_parsed("[2001:DB8:0:0::1]:80", "[2001:db8::1]:80");
    check_parsed("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
                 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");

    struct address address;
    assert_true(address_parse("[::1]:258", &address));
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address.socket;
    assert_int_equal(in6->sin6_family, AF_INET6);
    assert_int_equal(ntohs(in6->sin6_port), 258);
    assert_true(IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr));
    assert_int_equal(address.socket_len, sizeof *in6);
    assert_null(address_unix_path(&address));
}

static void test_ipv6_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[:80",
        "]:80",
        "[",
        "[:",
        "[::1]:",
        "[::1]:65536",
        "[fe80::1%lo]:80",
        "[::g]:80",
        "[1:2:3:4:5:6:7:8:9]:80",
        "[[::1]]:80",
        "[::1] :80",
        "[:::1]:80",
        "[::ffff:127.0.0.1]:80",
        "[::ffff:7f00:1]:80",
        "[00000000000000000000000000000000000000000000000000000000000000000000001]:80",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        check_refused(texts[i]);
}

static void test_unix(void **state)
{
    (void)state;
    check_parsed("unix:/run/allowd/allowd.sock", "unix:/run/allowd/allowd.sock");
    check_parsed("unix:/", "unix:/");
    check_parsed("unix:/a b:80", "unix:/a b:80");

    struct address address;
    assert_true(address_parse("unix:/run/a", &address));
    assert_string_equal(address_unix_path(&address), "/run/a");
    assert_int_equal(address.socket.ss_family, AF_UNIX);
    assert_int_equal(address.socket_len, sizeof(struct sockaddr_un));
}

static void test_unix_longest(void **state)
{
    (void)state;
    char text[5 + 108 + 1] = "unix:/";
    memset(text + 6, 'p', 107);
    text[5 + 108] = '\0';
    check_refused(text);
    text[5 + 107] = '\0';
    check_parsed(text, text);
}

static void test_unix_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "unix:",   "unix",     "unix:run/a",       "unix:./a", "unix:@abstract",
        "Unix:/a", " unix:/a", "/run/allowd.sock", "unix /a",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        check_refused(texts[i]);
}

static void test_equal(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "127.0.0.1:80", "127.0.0.1:81",          "127.0.0.2:80", "0.0.0.0:80", "[::1]:80",
        "[::]:80",      "[::fffe:127.0.0.1]:80", "unix:/a",      "unix:/ab",
    };
    enum { TEXTS = sizeof texts / sizeof texts[0] };
    struct address addresses[TEXTS];
    for (size_t i = 0; i < TEXTS; i++)
        assert_true(address_parse(texts[i], &addresses[i]));
    for (size_t i = 0; i < TEXTS; i++)
        for (size_t j = 0; j < TEXTS; j++)
            assert_int_equal(address_equal(&addresses[i], &addresses[j]), i == j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),         cmocka_unit_test(test_ipv4_refused),
        cmocka_unit_test(test_ipv6),         cmocka_unit_test(test_ipv6_refused),
        cmocka_unit_test(test_unix),         cmocka_unit_test(test_unix_longest),
        cmocka_unit_test(test_unix_refused), cmocka_unit_test(test_equal),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
