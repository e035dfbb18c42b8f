/* Networks: which keys of overrides are some, and which networks the address of a key is in. */
#include "limits/networks.h"
#include "support/dice.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

/* ---- keys of overrides ---- */

static void expect_network(const char *key, size_t prefix_len, unsigned bits)
{
    struct network_key read;
    if (network_read(key, &read) != NETWORK_IS)
        fail_msg("%s is no network", key);
    assert_int_equal(read.prefix_len, prefix_len);
    assert_int_equal(read.network.bits, bits);
}

static void networks_are_read_with_and_without_a_prefix(void **state)
{
    (void)state;
    expect_network("10.0.0.0/8", 0, 104);
    expect_network("0.0.0.0/0", 0, 96);
    expect_network("192.0.2.1/32", 0, 128);
    expect_network("2001:db8::/32", 0, 32);
    expect_network("::/0", 0, 0);
    expect_network("::1/128", 0, 128);
    expect_network("login:10.0.0.0/8", 6, 104);
    expect_network("login:2001:db8::/32", 6, 32);
    expect_network("GET /a/10.0.0.0/8", 7, 104);
    expect_network("a:10.0.0.0/8", 2, 104); /* a:10.0.0.0 is no address */
    expect_network("\xc3\xa9-10.0.0.0/8", 3, 104);
}

/* All digits of an address belong to it, so some prefixes cannot be told from one. */
static void an_address_begins_as_early_as_it_can(void **state)
{
    (void)state;
    struct network_key read;
    expect_network("bad:2001::/32", 0, 32);
    assert_int_equal(network_read("a:2001:db8::/32", &read), NETWORK_NOT_CANONICAL);
    assert_int_equal(network_read("login:2001:db8::/16", &read), NETWORK_NOT_CANONICAL);
}

static void expect_form(const char *key, enum network_form form, const char *canonical)
{
    struct network_key read;
    char text[NETWORK_TEXT_MAX] = "";
    if (network_read(key, &read) != form)
        fail_msg("%s is not of form %d", key, form);
    if (form == NETWORK_NOT_CANONICAL)
        network_print(&read.network, text);
    assert_string_equal(text, canonical);
}

static void other_spellings_are_told_from_keys(void **state)
{
    (void)state;
    expect_form("10.0.0.1/8", NETWORK_NOT_CANONICAL, "10.0.0.0/8");
    expect_form("login:10.0.0.1/8", NETWORK_NOT_CANONICAL, "10.0.0.0/8");
    expect_form("2001:0DB8::/32", NETWORK_NOT_CANONICAL, "2001:db8::/32");
    expect_form("2001:db8:0:0::/32", NETWORK_NOT_CANONICAL, "2001:db8::/32");
    expect_form("::ffff:10.0.0.0/104", NETWORK_NOT_CANONICAL, "10.0.0.0/8");
    expect_form("::ffff:10.0.0.0/8", NETWORK_NO_LENGTH, "");
    expect_form("10.0.0.0/33", NETWORK_NO_LENGTH, "");
    expect_form("::/129", NETWORK_NO_LENGTH, "");
    expect_form("10.0.0.0/08", NETWORK_NO_LENGTH, "");
    expect_form("10.0.0.0/99999999999999999999", NETWORK_NO_LENGTH, "");
    static const char *const keys[] = {
        "",
        "/",
        "/8",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0/8",
        "x10.0.0.0",
        "x10.0.0.0/8",
        "1110.0.0.0/8",
        "10.0.0.0/8/",
        "10.0.0.0/+8",
        "10.0.0.0/8x",
        "1.10.0.0.0/8",
        "10.0.0.0/8 ",
        "api:/v1/8",
        "path:/a/1.2/3",
    };
    for (size_t i = 0; i < LENGTH(keys); i++)
        expect_form(keys[i], NETWORK_NOT, "");
    char longest[KEY_MAX + 1];
    memset(longest, ';', KEY_MAX);
    memcpy(longest + KEY_MAX - 10, "10.0.0.0/8", 11);
    expect_network(longest, KEY_MAX - 10, 104);
}

/* ---- addresses of keys ---- */

static void add(struct networks *networks, const char *key)
{
    struct network_key read;
    assert_int_equal(network_read(key, &read), NETWORK_IS);
    networks_add(networks, key, &read, networks->count);
}

/* The networks around the address of a key, narrowest first, by their numbers in the order given. */
static void expect_around(const struct networks *networks, const char *key, const char *wanted)
{
    char found[64] = "";
    struct networks_walk walk = networks_walk(networks, key);
    for (int override; (override = networks_next(&walk)) >= 0;)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%d ", override);
    assert_int_equal(networks_next(&walk), -1);
    if (strcmp(found, wanted) != 0)
        fail_msg("around %s are %s, not %s", key, found, wanted);
}

static void the_narrowest_comes_first(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "10.0.0.0/8",       "10.1.0.0/16",    "10.1.2.0/24",   "10.1.2.3/32",
        "0.0.0.0/0",        "::/0",           "2001:db8::/32", "2001:db8:1::/48",
        "login:10.0.0.0/8", "bad:10.0.0.0/8", "10.0.0.0/9",
    };
    struct networks networks;
    assert_true(networks_init(&networks, LENGTH(keys)));
    for (size_t i = 0; i < LENGTH(keys); i++)
        add(&networks, keys[i]);
    networks_sort(&networks);
    expect_around(&networks, "10.1.2.3", "3 2 1 10 0 4 ");
    expect_around(&networks, "10.1.2.4", "2 1 10 0 4 ");
    expect_around(&networks, "10.200.0.1", "0 4 ");
    expect_around(&networks, "11.0.0.0", "4 ");
    expect_around(&networks, "9.255.255.255", "4 ");
    expect_around(&networks, "2001:db8::", "6 5 "); /* as {client_ip/64} makes it */
    expect_around(&networks, "2001:db8:1::1", "7 6 5 ");
    expect_around(&networks, "2001:0DB8:1::1", "7 6 5 ");
    expect_around(&networks, "::1", "5 ");
    expect_around(&networks, "::ffff:10.1.2.3", "3 2 1 10 0 4 "); /* the same address */
    expect_around(&networks, "ffff::", "5 ");
    expect_around(&networks, "login:10.1.2.3", "8 ");
    expect_around(&networks, "login:11.1.2.3", "");
    expect_around(&networks, "login:2001:db8::1", "");
    expect_around(&networks, "log:10.1.2.3", "");
    expect_around(&networks, "bad:10.1.2.3", "9 ");
    expect_around(&networks, "bad:2001:db8::1", "5 "); /* an address of itself */
    expect_around(&networks, "x10.1.2.3", "");
    expect_around(&networks, "10.1.2.3:x", "");
    expect_around(&networks, "10.1.2", "");
    expect_around(&networks, "", "");
    expect_around(&networks, "10.0.0.0/8", "");
    networks_release(&networks);
}

static void of_none_none_is_found(void **state)
{
    (void)state;
    struct networks networks;
    assert_true(networks_init(&networks, 0));
    networks_sort(&networks);
    expect_around(&networks, "10.1.2.3", "");
    networks_release(&networks);
    networks_release(&networks);
}

/* ---- against a search through all ---- */

enum { MANY = 300 };

static void random_ip(struct dice *dice, bool is_v4, struct ip *ip)
{
    memset(ip, 0, sizeof *ip);
    for (size_t i = is_v4 ? 12 : 0; i < sizeof ip->bytes.s6_addr; i++)
        ip->bytes.s6_addr[i] = dice_once_in(dice, 2) ? (uint8_t)dice_roll(dice, 4) : 10;
    if (is_v4)
        ip->bytes.s6_addr[10] = ip->bytes.s6_addr[11] = 0xff;
}

static const char *const prefixes[] = {"", "x:", "yy ", "x:-"};

/* A key that no earlier one is; false: it is there. */
static bool random_network(struct dice *dice, char keys[][KEY_MAX + 1], uint32_t count)
{
    bool is_v4 = dice_once_in(dice, 2);
    struct ip_network network = {.bits = (unsigned)dice_between(dice, is_v4 ? 96 : 0, 128)};
    char text[NETWORK_TEXT_MAX];
    random_ip(dice, is_v4, &network.first);
    ip_keep(&network.first, is_v4 ? network.bits - 96 : network.bits);
    network_print(&network, text);
    snprintf(keys[count], sizeof keys[count], "%s%s", prefixes[dice_roll(dice, LENGTH(prefixes))],
             text);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(keys[i], keys[count]) == 0)
            return false;
    return true;
}

/* The narrowest network of this prefix that an address is in, of those with less bits; or -1. */
static int search(const struct networks *networks, const char *prefix, const struct ip *ip,
                  unsigned *bits)
{
    int found = -1;
    unsigned most = 0;
    for (uint32_t i = 0; i < networks->count; i++) {
        const struct network_node *node = &networks->node[i];
        if (node->prefix_len == strlen(prefix) && strncmp(node->key, prefix, strlen(prefix)) == 0 &&
            node->network.bits < *bits && (found < 0 || node->network.bits > most) &&
            ip_network_has(&node->network, ip)) {
            found = (int)node->override;
            most = node->network.bits;
        }
    }
    *bits = most;
    return found;
}

static void random_ones_are_found_as_by_looking_at_all(void **state)
{
    (void)state;
    static char keys[MANY][KEY_MAX + 1];
    for (uint64_t round = 0; round < 40; round++) {
        struct dice dice = dice_new(round);
        struct networks networks;
        uint32_t count = (uint32_t)dice_between(&dice, 1, MANY);
        assert_true(networks_init(&networks, count));
        while (networks.count < count)
            if (random_network(&dice, keys, networks.count))
                add(&networks, keys[networks.count]);
        networks_sort(&networks);
        for (int i = 0; i < 500; i++) {
            const char *prefix = prefixes[dice_roll(&dice, LENGTH(prefixes))];
            char text[IP_TEXT_MAX], key[KEY_MAX + 1];
            struct ip ip;
            random_ip(&dice, dice_once_in(&dice, 2), &ip);
            ip_print(&ip, text);
            snprintf(key, sizeof key, "%s%s", prefix, text);
            struct networks_walk walk = networks_walk(&networks, key);
            unsigned bits = 129;
            int wanted;
            do {
                wanted = search(&networks, prefix, &ip, &bits);
                assert_int_equal(networks_next(&walk), wanted);
            } while (wanted >= 0);
        }
        networks_release(&networks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_read_with_and_without_a_prefix),
        cmocka_unit_test(an_address_begins_as_early_as_it_can),
        cmocka_unit_test(other_spellings_are_told_from_keys),
        cmocka_unit_test(the_narrowest_comes_first),
        cmocka_unit_test(of_none_none_is_found),
        cmocka_unit_test(random_ones_are_found_as_by_looking_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
