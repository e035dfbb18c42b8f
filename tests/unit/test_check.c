/* Checks: templates, and the keys that hostile requests get. */
#include "ask/check.h"
#include "support/dice.h"
#include "support/fields.h"
#include "support/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

/* ---- a request in one line ---- */

/* "Name: value" lines, or fields with lengths of their own. "?name: value" is a parameter of the
 * target's query; "=form: text" a body that is a form; ".name: value" a member of one that
 * is JSON. */
struct fields {
    unsigned count;
    struct {
        char name[64];
        const char *value;
        size_t len;
    } field[24];
};

static void add_field(struct fields *fields, const char *name, const char *value, size_t len)
{
    assert_true(fields->count < LENGTH(fields->field));
    snprintf(fields->field[fields->count].name, sizeof fields->field->name, "%s", name);
    fields->field[fields->count].value = value;
    fields->field[fields->count++].len = len;
}

/* One field a line; the text is changed, and has to stay. */
static void add_lines(struct fields *fields, char *lines)
{
    for (char *line = strtok(lines, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char *colon = strchr(line, ':');
        *colon = '\0';
        const char *value = colon + 1 + (colon[1] == ' ');
        add_field(fields, line, value, strlen(value));
    }
}

static const char *find_field(void *context, const char *name, unsigned index, size_t *len)
{
    const struct fields *fields = context;
    for (unsigned i = 0; i < fields->count; i++) {
        if (strcasecmp(fields->field[i].name, name) != 0 || index-- > 0)
            continue;
        *len = fields->field[i].len;
        return fields->field[i].value;
    }
    return NULL;
}

static unsigned walks; /* through the fields of a request */

static void pass_fields(void *context, const char *name,
                        bool (*take)(void *taker, const char *value, size_t len), void *taker)
{
    walks++;
    pass_found(find_field, context, name, take, taker);
}

static void pass_parameters(void *context, void (*take)(void *, const struct form_pair *),
                            void *taker)
{
    const struct fields *fields = context;
    for (unsigned i = 0; i < fields->count; i++) {
        const char *name = fields->field[i].name, *value = fields->field[i].value;
        if (name[0] == '?')
            take(taker, &(struct form_pair){name + 1, value, strlen(name + 1), strlen(value)});
    }
}

static const char *find_member(void *context, const char *name, size_t *len)
{
    char marked[64];
    snprintf(marked, sizeof marked, ".%s", name);
    return find_field(context, marked, 0, len);
}

union peer {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

/* "unix", or an address. */
static union peer peer_of(const char *text)
{
    union peer peer = {.any.sa_family = AF_UNIX};
    if (inet_pton(AF_INET, text, &peer.in.sin_addr) == 1)
        peer.any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &peer.in6.sin6_addr) == 1)
        peer.any.sa_family = AF_INET6;
    else
        assert_string_equal(text, "unix");
    return peer;
}

static struct check *check_of(const char *template, const char *const *trusted, uint32_t count)
{
    char fault[CHECK_FAULT_MAX] = "";
    if (!check_template_is_valid(template, fault))
        fail_msg("%s: %s", template, fault);
    struct check *check = check_new(&(struct check_terms){
        .name = "edge", .key = template, .trusted = trusted, .trusted_count = count});
    assert_non_null(check);
    return check;
}

static const char *const trusted_proxies[] = {"127.0.0.1", "10.0.0.0/8", "unix", "2001:db8:f::/48"};

/* The key, or NULL: a part is missing. */
static const char *key_of(const char *template, struct fields *fields, const char *method,
                          const char *suffix, const char *peer_text)
{
    static char key[KEY_MAX + 1];
    union peer peer = peer_of(peer_text);
    size_t len = 0;
    struct check *check = check_of(template, trusted_proxies, LENGTH(trusted_proxies));
    struct check_request request = {
        .method = method,
        .suffix = suffix,
        .peer = &peer.any,
        .is_trusted = check_trusts(check, &peer.any),
        .fields = pass_fields,
        .parameters = pass_parameters,
        .context = fields,
        .json = find_member,
        .json_context = fields,
    };
    request.form = find_field(fields, "=form", 0, &request.form_len);
    bool is_there = check_key(check, &request, key, &len);
    check_free(check);
    if (!is_there)
        return NULL;
    assert_int_equal(strlen(key), len);
    assert_int_equal(key_check(key, len), KEY_OK);
    return key;
}

struct expectation {
    const char *template, *peer, *fields, *key; /* key: NULL for missing */
};

static void expect_key(const struct expectation *expected, const char *method, const char *suffix)
{
    char lines[1024];
    struct fields fields = {0};
    snprintf(lines, sizeof lines, "%s", expected->fields);
    add_lines(&fields, lines);
    const char *key = key_of(expected->template, &fields, method, suffix, expected->peer);
    if ((key == NULL) != (expected->key == NULL) ||
        (key != NULL && strcmp(key, expected->key) != 0))
        fail_msg("%s of %s from %s: \"%s\", not \"%s\"", expected->template, expected->fields,
                 expected->peer, key, expected->key);
}

/* ---- templates ---- */

static void good_templates_are_taken(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{client_ip}",
        "{client_ip/1}",
        "{client_ip/128}",
        "{header:X-Api-Key}",
        "{header:!#$%&'*+-.^_`~09azAZ}",
        "{query:name}",
        "{query:a b&c=d/%41}",
        "{form:ip}",
        "{json:\xc3\xa9}",
        "{json:a.b}",
        "{header:X-Api-Key|client_ip}",
        "{header:A|query:a|form:a|json:a|client_ip/64|host|method|path}",
        "{{{host}}}",
        "api:{host} {method} {path}",
        "{path}{path}{path}{path}{path}{path}{path}{path}"
        "{path}{path}{path}{path}{path}{path}{path}{path}",
        "\xc3\xa9{host}",
    };
    char fault[CHECK_FAULT_MAX];
    for (size_t i = 0; i < LENGTH(good); i++)
        if (!check_template_is_valid(good[i], fault))
            fail_msg("%s: %s", good[i], fault);
}

static void faulty_templates_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *template, *says;
    } bad[] = {
        {"", "nothing of the request"},
        {"everyone", "nothing of the request"},
        {"{{client_ip}}", "nothing of the request"},
        {"{", "write {{"},
        {"{client_ip", "write {{"},
        {"{host}{", "write {{"},
        {"{host{path}}", "write {{"},
        {"{{{host}}", "write }}"},
        {"}", "write }}"},
        {"{host}}", "write }}"},
        {"{host}}}}", "write }}"},
        {"{}", "\"{}\" is no part"},
        {"{ host}", "\"{ host}\" is no part"},
        {"{Host}", "is no part"},
        {"{hosts}", "is no part"},
        {"{hos}", "is no part"},
        {"{client_ip/}", "is no part"},
        {"{client_ip/0}", "1 to 128 bits"},
        {"{client_ip/129}", "1 to 128 bits"},
        {"{client_ip/064}", "is no part"},
        {"{client_ip/-1}", "is no part"},
        {"{client_ip/64 }", "is no part"},
        {"{client_ip/18446744073709551617}", "is no part"},
        {"{header}", "is no part"},
        {"{header:}", "is no part"},
        {"{header:X Y}", "is no part"},
        {"{header:X:Y}", "is no part"},
        {"{header:\xc3\xa9}", "is no part"},
        {"{header: X}", "is no part"},
        {"{header:a\n}", "is no part"},
        {"{query}", "is no part"},
        {"{query:}", "is no part"},
        {"{form:}", "is no part"},
        {"{json:}", "is no part"},
        {"{Json:a}", "is no part"},
        {"{|host}", "\"{}\" is no part"},
        {"{host|}", "\"{}\" is no part"},
        {"{host||path}", "\"{}\" is no part"},
        {"{host |path}", "\"{host }\" is no part"},
        {"{host|everyone}", "\"{everyone}\" is no part"},
        {"{host|host|host|host|host|host|host|host|host|host|host|host|host|host|host|host|host}",
         "more than 16 parts"},
        {"{host}a{host}a{host}a{host}a{host}a{host}a{host}a{host}a{host}", "more than 16 parts"},
    };
    for (size_t i = 0; i < LENGTH(bad); i++) {
        char fault[CHECK_FAULT_MAX] = "";
        if (check_template_is_valid(bad[i].template, fault) || strstr(fault, bad[i].says) == NULL)
            fail_msg("%s: \"%s\"", bad[i].template, fault);
    }
}

static void templates_have_a_longest_length(void **state)
{
    (void)state;
    char text[CHECK_TEMPLATE_MAX + 2] = "{host}", fault[CHECK_FAULT_MAX] = "";
    memset(text + strlen(text), 'x', CHECK_TEMPLATE_MAX - strlen("{host}"));
    assert_true(check_template_is_valid(text, fault));
    text[CHECK_TEMPLATE_MAX] = 'x';
    assert_false(check_template_is_valid(text, fault));
    assert_non_null(strstr(fault, "longer than 512 bytes"));
}

/* A fault shows the beginning of what it is about, and cuts no character in two. */
static void faults_fit_and_stay_utf8(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 4; shift++) {
        char text[CHECK_TEMPLATE_MAX] = "{", fault[CHECK_FAULT_MAX];
        memset(text + 1, 'x', shift);
        while (strlen(text) < 200)
            strcat(text, "\xf0\x9f\x98\x80");
        strcat(text, "}");
        assert_false(check_template_is_valid(text, fault));
        assert_non_null(strstr(fault, "with | between them"));
        assert_int_equal(key_check(fault, strlen(fault)), KEY_OK);
    }
}

/* A key that holds what a client has written may hold a password of his. */
static void keys_of_what_clients_write_are_private(void **state)
{
    (void)state;
    static const char *const private[] = {"{header:A}", "{query:a}", "{form:a}", "{json:a}",
                                          "{client_ip|json:a}"};
    static const char *const public[] = {"{client_ip}", "{host}", "{method}", "{path}"};
    for (size_t i = 0; i < LENGTH(private); i++) {
        struct check *check = check_of(private[i], NULL, 0);
        assert_true(check_key_is_private(check));
        assert_int_equal(check_reads_body(check), i >= 2);
        check_free(check);
    }
    for (size_t i = 0; i < LENGTH(public); i++) {
        struct check *check = check_of(public[i], NULL, 0);
        assert_false(check_key_is_private(check));
        assert_false(check_reads_body(check));
        check_free(check);
    }
}

/* ---- names and proxies ---- */

static void names_are_checked(void **state)
{
    (void)state;
    char longest[CHECK_NAME_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[CHECK_NAME_MAX] = '\0';
    assert_true(check_name_is_valid(longest));
    longest[CHECK_NAME_MAX] = 'a';
    longest[CHECK_NAME_MAX + 1] = '\0';
    assert_false(check_name_is_valid(longest));
    assert_true(check_name_is_valid("Edge-1_b.c"));
    static const char *const bad[] = {
        "", ".", "..", ".edge", "a/b", "a b", "a%", "\xc3\xa9", "a\n",
    };
    for (size_t i = 0; i < LENGTH(bad); i++)
        assert_false(check_name_is_valid(bad[i]));
}

static void trusted_proxies_are_checked(void **state)
{
    (void)state;
    static const char *const good[] = {
        "unix",
        "127.0.0.1",
        "::1",
        "::",
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/8",
        "192.0.2.1/32",
        "192.0.2.128/25",
        "2001:db8::/32",
        "2001:DB8::1/128",
        "::ffff:10.0.0.0/104",
        "::ffff:10.0.0.1",
    };
    static const char *const bad[] = {
        "",
        "Unix",
        "unix ",
        "localhost",
        "127.0.0.1:80",
        "[::1]",
        "127.1",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/-1",
        "10.0.0.0/8 ",
        "10.0.0.0 /8",
        "10.0.0.0/8/8",
        "10.0.0.1/8",
        "192.0.2.129/25",
        "2001:db8::1/64",
        "::/129",
        "::ffff:10.0.0.0/8",
        "::ffff:0.0.0.0/95",
        "fe80::1%lo",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/18446744073709551624",
        "0000000000000000000000000000000000000000000000000000000000000001::",
    };
    for (size_t i = 0; i < LENGTH(good); i++)
        if (!check_trusted_is_valid(good[i]))
            fail_msg("\"%s\" was refused", good[i]);
    for (size_t i = 0; i < LENGTH(bad); i++)
        if (check_trusted_is_valid(bad[i]))
            fail_msg("\"%s\" was taken", bad[i]);
}

static void terms_are_copied(void **state)
{
    (void)state;
    char name[] = "edge", limit[] = "api", key[] = "{host}", proxy[] = "unix";
    const char *trusted[] = {proxy};
    struct check *check = check_new(&(struct check_terms){.name = name,
                                                          .limit = limit,
                                                          .key = key,
                                                          .deny_status = 403,
                                                          .missing_allows = true,
                                                          .wait_ms = 2000,
                                                          .trusted = trusted,
                                                          .trusted_count = 1});
    memset(name, 'x', sizeof name);
    memset(limit, 'x', sizeof limit);
    memset(key, 'x', sizeof key);
    memset(proxy, 'x', sizeof proxy);
    trusted[0] = NULL;
    const struct check_terms *terms = check_terms(check);
    assert_string_equal(terms->name, "edge");
    assert_string_equal(terms->limit, "api");
    assert_string_equal(terms->key, "{host}");
    assert_string_equal(terms->trusted[0], "unix");
    assert_int_equal(terms->trusted_count, 1);
    assert_int_equal(terms->deny_status, 403);
    assert_true(terms->missing_allows);
    assert_int_equal(terms->wait_ms, 2000);
    check_free(check);

    check = check_new(&(struct check_terms){.name = "a", .key = "{host}"});
    assert_null(check_terms(check)->limit);
    check_free(check);
    check_free(NULL);
}

/* ---- keys ---- */

static void headers_become_keys(void **state)
{
    (void)state;
    static const struct expectation expected[] = {
        {"{header:X-Key}", "unix", "X-Key: alice", "alice"},
        {"{header:x-key}", "unix", "X-KEY: alice", "alice"},
        {"api:{header:X-Key}", "unix", "X-Key: alice", "api:alice"},
        {"{{{header:A}}}:{header:B}", "unix", "A: 1\nB: 2", "{1}:2"},
        {"{header:A}", "unix", "A:  \t a b \t", "a b"},
        {"{header:A}", "unix", "A: 1\nB: 2\na: 3", "1, 3"},
        {"{header:A}", "unix", "A: 1\nA:\nA: 3", "1, , 3"},
        {"{header:A}", "unix", "A: 1\nA:", "1, "},
        {"{header:A}", "unix", "A:\nA: 1", ", 1"},
        {"{header:A}", "unix", "", NULL},
        {"{header:A}", "unix", "A:", NULL},
        {"{header:A}", "unix", "A: \t ", NULL},
        {"{header:A}", "unix", "A:\nA:", NULL},
        {"{header:A}{header:B}", "unix", "A: 1", NULL},
        {"{header:A}", "192.0.2.1", "A: {host}", "{host}"},
    };
    for (size_t i = 0; i < LENGTH(expected); i++)
        expect_key(&expected[i], "GET", "");
}

/* 127.0.0.1, 10.0.0.0/8, 2001:db8:f::/48 and Unix sockets are trusted. */
static void clients_are_found_behind_proxies(void **state)
{
    (void)state;
    static const struct expectation expected[] = {
        /* Nobody between. */
        {"{client_ip}", "192.0.2.1", "", "192.0.2.1"},
        {"{client_ip}", "127.0.0.1", "", "127.0.0.1"},
        {"{client_ip}", "2001:db8::1", "", "2001:db8::1"},
        {"{client_ip}", "::ffff:192.0.2.1", "", "192.0.2.1"},
        {"{client_ip}", "unix", "", NULL},
        /* A stranger is not believed. */
        {"{client_ip}", "192.0.2.1", "X-Forwarded-For: 198.51.100.7", "192.0.2.1"},
        {"{client_ip}", "2001:db8::1", "X-Forwarded-For: nonsense", "2001:db8::1"},
        {"{client_ip}", "11.0.0.1", "X-Forwarded-For: 198.51.100.7", "11.0.0.1"},
        /* A proxy is. */
        {"{client_ip}", "127.0.0.1", "X-Forwarded-For: 198.51.100.7", "198.51.100.7"},
        {"{client_ip}", "::ffff:127.0.0.1", "X-Forwarded-For: 198.51.100.7", "198.51.100.7"},
        {"{client_ip}", "10.255.255.255", "X-Forwarded-For: 2001:DB8:0:0::1", "2001:db8::1"},
        {"{client_ip}", "2001:db8:f::1", "x-forwarded-for: 198.51.100.7", "198.51.100.7"},
        {"{client_ip}", "unix", "X-Forwarded-For: 198.51.100.7", "198.51.100.7"},
        {"{client_ip}", "unix", "X-Forwarded-For: ::ffff:198.51.100.7", "198.51.100.7"},
        /* What stands left of the first stranger does not matter. */
        {"{client_ip}", "unix", "X-Forwarded-For: 1.1.1.1, 198.51.100.7", "198.51.100.7"},
        {"{client_ip}", "unix", "X-Forwarded-For: junk, 198.51.100.7", "198.51.100.7"},
        {"{client_ip}", "unix", "X-Forwarded-For: , 198.51.100.7", "198.51.100.7"},
        {"{client_ip}", "unix", "X-Forwarded-For: 1.1.1.1, 198.51.100.7, 10.0.0.2,10.0.0.3",
         "198.51.100.7"},
        {"{client_ip}", "unix", "X-Forwarded-For: 198.51.100.7, ::ffff:10.0.0.3", "198.51.100.7"},
        {"{client_ip}", "unix", "X-Forwarded-For: 198.51.100.7, [2001:db8:f::2]:99",
         "198.51.100.7"},
        {"{client_ip}", "unix", "X-Forwarded-For: 1.1.1.1\nX-Forwarded-For: 198.51.100.7",
         "198.51.100.7"},
        {"{client_ip}", "unix",
         "X-Forwarded-For: 198.51.100.7\nX-Forwarded-For: 10.0.0.1, 10.0.0.2", "198.51.100.7"},
        /* All trusted: the left-most. */
        {"{client_ip}", "unix", "X-Forwarded-For: 10.0.0.7, 10.0.0.2, 127.0.0.1", "10.0.0.7"},
        {"{client_ip}", "unix", "X-Forwarded-For: 10.0.0.7\nX-Forwarded-For: 10.0.0.2", "10.0.0.7"},
        /* Forms. */
        {"{client_ip}", "unix", "X-Forwarded-For: 198.51.100.7:567", "198.51.100.7"},
        {"{client_ip}", "unix", "X-Forwarded-For: [::1]", "::1"},
        {"{client_ip}", "unix", "X-Forwarded-For: [::1]:567", "::1"},
        {"{client_ip}", "unix", "X-Forwarded-For: ::1", "::1"},
        {"{client_ip}", "unix", "X-Forwarded-For: \t 198.51.100.7 \t", "198.51.100.7"},
        {"{client_ip}", "unix", "X-Forwarded-For: [::ffff:198.51.100.7]:1", "198.51.100.7"},
    };
    for (size_t i = 0; i < LENGTH(expected); i++)
        expect_key(&expected[i], "GET", "");
}

/* A network without IPv4 reaches IPv4 through NAT64, and each address of IPv4 has an address in
 * 64:ff9b::/96 there (RFC 6052, 2.1). It is the same client, and /64 would make all of IPv4 one. */
static void clients_behind_nat64_are_their_ipv4(void **state)
{
    (void)state;
    static const struct expectation expected[] = {
        {"{client_ip}", "64:ff9b::192.0.2.7", "", "192.0.2.7"},
        {"{client_ip}", "unix", "X-Forwarded-For: 64:ff9b::192.0.2.7", "192.0.2.7"},
        {"{client_ip}", "unix", "X-Forwarded-For: 64:FF9B:0::c000:207", "192.0.2.7"},
        {"{client_ip/64}", "unix", "X-Forwarded-For: 64:ff9b::192.0.2.7", "192.0.2.7"},
        {"{client_ip/24}", "unix", "X-Forwarded-For: 64:ff9b::192.0.2.7", "192.0.2.0"},
        /* Its neighbours are other networks. */
        {"{client_ip}", "unix", "X-Forwarded-For: 64:ff9b:0:0:0:1:c000:207", "64:ff9b::1:c000:207"},
        {"{client_ip}", "unix", "X-Forwarded-For: 64:ff9b:1::c000:207", "64:ff9b:1::c000:207"},
        /* A proxy is trusted by the address that it has. */
        {"{client_ip}", "64:ff9b::127.0.0.1", "X-Forwarded-For: 198.51.100.7", "127.0.0.1"},
        {"{client_ip}", "unix", "X-Forwarded-For: 198.51.100.7, 64:ff9b::10.0.0.1", "10.0.0.1"},
    };
    for (size_t i = 0; i < LENGTH(expected); i++)
        expect_key(&expected[i], "GET", "");
}

static void unreadable_clients_are_missing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        ",",
        "unknown",
        "unix:",
        "localhost",
        "198.51.100.7,",
        "198.51.100.7, ,10.0.0.1",
        "198.51.100.7, x",
        "x, 10.0.0.1",
        "198.51.100",
        "198.51.100.7.1",
        "198.51.100.256",
        "198.51.100.07",
        "0xc6.51.100.7",
        "198.51.100.7:",
        "198.51.100.7:x",
        "198.51.100.7:65536",
        "198.51.100.7 :1",
        "198.51.100.7:1:1",
        "198.51.100.7 198.51.100.8",
        "[198.51.100.7]",
        "[::1",
        "::1]",
        "[]",
        "[",
        "]",
        "[::1]x",
        "[::1]:",
        "[::1]1",
        "[::1]:-1",
        "[[::1]]",
        "[::1]]",
        "[ ::1]",
        ":::",
        "1::2::3",
        "12345::",
        ":",
        "::g",
        "fe80::1%eth0",
        "\"198.51.100.7\"",
        "for=198.51.100.7",
        "198.51.100.7;198.51.100.8",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    for (size_t i = 0; i < LENGTH(bad); i++) {
        struct fields fields = {0};
        add_field(&fields, "X-Forwarded-For", bad[i], strlen(bad[i]));
        const char *key = key_of("{client_ip}", &fields, "GET", "", "127.0.0.1");
        if (key != NULL)
            fail_msg("\"%s\" was read as %s", bad[i], key);
    }
    struct fields nul = {0};
    add_field(&nul, "X-Forwarded-For", "198.51.100.7\0x", 14);
    assert_null(key_of("{client_ip}", &nul, "GET", "", "unix"));
}

static void untrusted_unix_peers_are_nobody(void **state)
{
    (void)state;
    static const char *const trusted[] = {"0.0.0.0/0", "::/0"};
    struct check *check = check_of("{client_ip}", trusted, LENGTH(trusted));
    struct fields fields = {0};
    union peer peer = peer_of("unix");
    char key[KEY_MAX + 1];
    size_t len;
    add_field(&fields, "X-Forwarded-For", "198.51.100.7", 12);
    struct check_request request = {.method = "GET",
                                    .suffix = "",
                                    .peer = &peer.any,
                                    .is_trusted = check_trusts(check, &peer.any),
                                    .fields = pass_fields,
                                    .context = &fields};
    assert_false(check_key(check, &request, key, &len));
    check_free(check);
}

/* A network of one family takes in nobody of the other. */
static void families_are_kept_apart(void **state)
{
    (void)state;
    static const char *const trusted[] = {"::/0"};
    struct check *check = check_of("{client_ip}", trusted, LENGTH(trusted));
    struct fields fields = {0};
    union peer peer = peer_of("192.0.2.1");
    char key[KEY_MAX + 1];
    size_t len;
    add_field(&fields, "X-Forwarded-For", "198.51.100.7", 12);
    struct check_request request = {.method = "GET",
                                    .suffix = "",
                                    .peer = &peer.any,
                                    .is_trusted = check_trusts(check, &peer.any),
                                    .fields = pass_fields,
                                    .context = &fields};
    assert_true(check_key(check, &request, key, &len));
    assert_string_equal(key, "192.0.2.1");
    peer = peer_of("2001:db8::1");
    request.is_trusted = check_trusts(check, request.peer);
    assert_true(check_key(check, &request, key, &len));
    assert_string_equal(key, "198.51.100.7");
    check_free(check);
}

static void addresses_are_cut_to_their_network(void **state)
{
    (void)state;
    static const struct expectation expected[] = {
        {"{client_ip/64}", "2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::"},
        {"{client_ip/32}", "2001:db8:1:2:3:4:5:6", "", "2001:db8::"},
        {"{client_ip/33}", "2001:db8:ffff::", "", "2001:db8:8000::"},
        {"{client_ip/1}", "ffff::1", "", "8000::"},
        {"{client_ip/127}", "::3", "", "::2"},
        {"{client_ip/128}", "::3", "", "::3"},
        {"{client_ip/24}", "192.0.2.255", "", "192.0.2.0"},
        {"{client_ip/24}", "::ffff:192.0.2.255", "", "192.0.2.0"},
        {"{client_ip/31}", "192.0.2.255", "", "192.0.2.254"},
        {"{client_ip/1}", "192.0.2.255", "", "128.0.0.0"},
        {"{client_ip/32}", "192.0.2.255", "", "192.0.2.255"},
        {"{client_ip/64}", "192.0.2.255", "", "192.0.2.255"},
        {"{client_ip/128}", "192.0.2.255", "", "192.0.2.255"},
        {"{client_ip/64}", "unix", "X-Forwarded-For: 2001:db8::1", "2001:db8::"},
        {"{client_ip/64} {client_ip/48}", "2001:db8:1:2::3", "", "2001:db8:1:2:: 2001:db8:1::"},
    };
    for (size_t i = 0; i < LENGTH(expected); i++)
        expect_key(&expected[i], "GET", "");
}

static void hosts_become_keys(void **state)
{
    (void)state;
    static const struct expectation expected[] = {
        {"{host}", "192.0.2.1", "Host: Example.COM", "example.com"},
        {"{host}", "192.0.2.1", "Host: example.com:8080", "example.com"},
        {"{host}", "192.0.2.1", "Host: [2001:DB8::1]:80", "[2001:db8::1]"},
        {"{host}", "192.0.2.1", "Host: [2001:DB8::1]", "[2001:db8::1]"},
        {"{host}", "192.0.2.1", "Host: \xc3\x89", "\xc3\x89"},
        {"{host}", "192.0.2.1", "Host:", NULL},
        {"{host}", "192.0.2.1", "Host: :80", NULL},
        {"{host}", "192.0.2.1", "", NULL},
        {"{host}", "192.0.2.1", "Host: [:80", "["},
        {"{host}", "192.0.2.1", "Host: a]:80", "a]"},
        {"{host}", "192.0.2.1", "Host: a\nX-Forwarded-Host: b", "a"},
        {"{host}", "127.0.0.1", "Host: a\nX-Forwarded-Host: B:443", "b"},
        {"{host}", "127.0.0.1", "X-Forwarded-Host: b", "b"},
        {"{host}", "127.0.0.1", "Host: a\nX-Forwarded-Host:", "a"},
        {"{host}", "127.0.0.1", "Host: a\nX-Forwarded-Host: forged, b", "b"},
        {"{host}", "127.0.0.1", "Host: a\nX-Forwarded-Host: forged\nX-Forwarded-Host: b", "b"},
        {"{host}", "127.0.0.1", "Host: a\nX-Forwarded-Host: b,", NULL},
        /* A final dot is the root of all names, and the same host. */
        {"{host}", "192.0.2.1", "Host: Example.com.", "example.com"},
        {"{host}", "192.0.2.1", "Host: Example.com.:80", "example.com"},
        {"{host}", "192.0.2.1", "Host: example.com..", "example.com."},
        {"{host}", "192.0.2.1", "Host: .", NULL},
        {"{host}", "127.0.0.1", "Host: a\nX-Forwarded-Host: B.", "b"},
        /* An address is itself, however it is spelt. */
        {"{host}", "192.0.2.1", "Host: [2001:0DB8:0:0::0001]", "[2001:db8::1]"},
        {"{host}", "192.0.2.1", "Host: [::1]:10429", "[::1]"},
        {"{host}", "192.0.2.1", "Host: [::FFFF:192.0.2.7]", "192.0.2.7"},
        {"{host}", "192.0.2.1", "Host: 192.0.2.7:80", "192.0.2.7"},
        {"{host}", "192.0.2.1", "Host: [FE80::1%25LO]", "[fe80::1%25lo]"},
        {"{host}", "192.0.2.1", "Host: [2001:DB8::1].", "[2001:db8::1]"},
        {"{host}", "192.0.2.1", "Host: []", "[]"},
    };
    for (size_t i = 0; i < LENGTH(expected); i++)
        expect_key(&expected[i], "GET", "");
}

/* However long a host is: it is made lower-case piece by piece. */
static void long_hosts_become_keys(void **state)
{
    (void)state;
    for (size_t len = 1; len <= KEY_MAX; len++) {
        char host[KEY_MAX + 1], key[KEY_MAX + 1], fields[KEY_MAX + 16];
        for (size_t i = 0; i < len; i++) {
            host[i] = (char)('A' + i % 26);
            key[i] = (char)('a' + i % 26);
        }
        host[len] = key[len] = '\0';
        snprintf(fields, sizeof fields, "Host: %s", host);
        expect_key(&(struct expectation){"{host}", "192.0.2.1", fields, key}, "GET", "");
    }
}

static void methods_become_keys(void **state)
{
    (void)state;
    static const struct expectation expected[] = {
        {"{method}", "192.0.2.1", "", "PUT"},
        {"{method}", "192.0.2.1", "X-Forwarded-Method: POST", "PUT"},
        {"{method}", "127.0.0.1", "X-Forwarded-Method: POST", "POST"},
        {"{method}", "127.0.0.1", "X-Forwarded-Method:", "PUT"},
        {"{method}", "unix", "X-Forwarded-Method: forged\nX-Forwarded-Method: PATCH", "PATCH"},
        /* A method is spelt in one way only (RFC 9110, 9.1). */
        {"{method}", "unix", "X-Forwarded-Method: post", "OTHER"},
        {"{method}", "unix", "X-Forwarded-Method: Get", "OTHER"},
        {"{method}", "unix", "X-Forwarded-Method: OTHER", "OTHER"},
        {"{method}", "unix", "X-Forwarded-Method: POSTS", "OTHER"},
        {"{method}", "unix", "X-Forwarded-Method: POS", "OTHER"},
    };
    for (size_t i = 0; i < LENGTH(expected); i++)
        expect_key(&expected[i], "PUT", "");
}

/* Nobody gets a fresh bucket by a method that nobody has heard of. */
static void unheard_of_methods_share_one_key(void **state)
{
    (void)state;
    static const char *const known[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                        "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    static const char *const unknown[] = {"get", "FOO1", "FOO2", "PROPFIND", "G", "GETX"};
    struct expectation expected = {"{method}", "unix", "", "OTHER"};
    for (size_t i = 0; i < LENGTH(unknown); i++)
        expect_key(&expected, unknown[i], "");
    for (size_t i = 0; i < LENGTH(known); i++) {
        expected.key = known[i];
        expect_key(&expected, known[i], "");
    }
}

static void paths_become_keys(void **state)
{
    (void)state;
    static const struct expectation expected[] = {
        {"{path}", "192.0.2.1", "", "/suffix"},
        {"{path}", "192.0.2.1", "X-Forwarded-Uri: /a\nX-Original-URI: /b", "/suffix"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: /a\nX-Original-URI: /b", "/a"},
        {"{path}", "127.0.0.1", "X-Original-URI: /b", "/b"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri:\nX-Original-URI: /b", "/b"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: /forged\nX-Forwarded-Uri: /a,b", "/a,b"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: /a?b=/c", "/a"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: /a#b?c", "/a"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: ?b", "/"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: /a%2fb%20c%C3%a9%25", "/a/b c\xc3\xa9%"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: /%3Fa%3fb", "/?a?b"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: /%%41%zz%4%", "/%A%zz%4%"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: /a+b", "/a+b"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: http://a.test/b/c?d", "/b/c"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: http://a.test:80", "/"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: http://a.test?b=/c", "/"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: http://", "/"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: /a://b/c", "/a://b/c"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: /a?b=http://c/d", "/a"},
        {"{path}", "127.0.0.1", "X-Forwarded-Uri: *", "*"},
    };
    for (size_t i = 0; i < LENGTH(expected); i++)
        expect_key(&expected[i], "GET", "/suffix");
    expect_key(&(struct expectation){"{path}", "unix", "", "/"}, "GET", "");
    expect_key(&(struct expectation){"{path}", "unix", "", "/a b"}, "GET", "/a%20b");
}

static void queries_become_keys(void **state)
{
    (void)state;
    static const struct expectation expected[] = {
        {"{query:user}", "192.0.2.1", "?user: alice", "alice"},
        {"{query:user}", "192.0.2.1", "?user: al%26ice+b", "al&ice b"},
        {"{query:a b}", "192.0.2.1", "?%61+b: x", "x"},
        {"{query:User}", "192.0.2.1", "?user: alice", NULL},
        {"{query:user}", "192.0.2.1", "", NULL},
        {"{query:user}", "192.0.2.1", "?user:", NULL},
        {"{query:user}", "192.0.2.1", "user: alice", NULL},
        {"{query:user}", "192.0.2.1", "?user: alice\n?user: alice", NULL},
        {"{query:user}", "192.0.2.1", "?user: alice\n?user:", NULL},
        /* A trusted proxy tells the target that it was asked for. */
        {"{query:user}", "unix", "X-Forwarded-Uri: /a?user=al%69ce+b", "alice b"},
        {"{query:user}", "unix", "X-Original-URI: /a?b=c&user=alice#d", "alice"},
        {"{query:user}", "unix", "X-Forwarded-Uri: /a?%75ser=alice", "alice"},
        {"{query:user}", "unix", "X-Forwarded-Uri: /a?user=alice&%75ser=bob", NULL},
        {"{query:user}", "unix", "X-Forwarded-Uri: /a?user=%zz%", "%zz%"},
        {"{query:user}", "unix", "X-Forwarded-Uri: /a?user=\n?user: alice", NULL},
        {"{query:user}", "unix", "X-Forwarded-Uri: /a?user\n?user: alice", NULL},
        {"{query:user}", "unix", "X-Forwarded-Uri: /a\n?user: alice", NULL},
        {"{query:user}", "unix", "X-Forwarded-Uri: /a#?user=alice", NULL},
        {"{query:user}", "192.0.2.1", "X-Forwarded-Uri: /a?user=bob\n?user: alice", "alice"},
    };
    for (size_t i = 0; i < LENGTH(expected); i++)
        expect_key(&expected[i], "GET", "");
}

static void bodies_become_keys(void **state)
{
    (void)state;
    static const struct expectation expected[] = {
        {"{form:ip}", "unix", "=form: ip=192.0.2.7", "192.0.2.7"},
        {"{form:ip}", "unix", "=form: a=b&ip=a%20b%2B+c&d", "a b+ c"},
        {"{form:a b}", "unix", "=form: a+b=1", "1"},
        {"{form:ip}", "unix", "=form: ip=1&ip=2", NULL},
        {"{form:ip}", "unix", "=form: ip=1&%69p", NULL},
        {"{form:ip}", "unix", "=form: ip=", NULL},
        {"{form:ip}", "unix", "=form: ip", NULL},
        {"{form:ip}", "unix", "=form: IP=1", NULL},
        {"{form:ip}", "unix", "=form:", NULL},
        {"{form:ip}", "unix", "", NULL},
        {"{form:ip}", "unix", "?ip: 1", NULL},
        {"imap:{json:remote} {json:login}", "unix", ".remote: ::1\n.login: alice",
         "imap:::1 alice"},
        {"{json:remote} {json:login}", "unix", ".remote: ::1", NULL},
        {"{json:login}", "unix", ".login:", NULL},
        {"{json:login}", "unix", "=form: login=alice", NULL},
    };
    for (size_t i = 0; i < LENGTH(expected); i++)
        expect_key(&expected[i], "POST", "");
}

/* The first part that is there counts, and nothing stays of those that were not. */
static void parts_fall_back(void **state)
{
    (void)state;
    static const struct expectation expected[] = {
        {"{header:X-Api-Key|client_ip}", "192.0.2.1", "X-Api-Key: alice", "alice"},
        {"{header:X-Api-Key|client_ip}", "192.0.2.1", "", "192.0.2.1"},
        {"{header:X-Api-Key|client_ip}", "192.0.2.1", "X-Api-Key:\nX-Api-Key: ", "192.0.2.1"},
        {"{header:X-Api-Key|client_ip}", "unix", "", NULL},
        {"a:{header:A|header:B|header:C}:z", "unix", "C: 3", "a:3:z"},
        {"a:{header:A|header:B|header:C}:z", "unix", "B: 2\nC: 3", "a:2:z"},
        {"a:{header:A|header:B|header:C}:z", "unix", "D: 4", NULL},
        {"{header:A|header:B}{header:C|header:D}", "unix", "B: 2\nD: 4", "24"},
        {"{header:A|header:B}{header:C|header:D}", "unix", "D: 4", NULL},
        {"{header:A|header:B}{header:C|header:D}", "unix", "A: 1", NULL},
        {"{header:A}{header:C|header:D}", "unix", "C: 3", NULL},
        {"{json:user|form:user|query:user}", "unix", "=form: user=alice\n?user: bob", "alice"},
    };
    for (size_t i = 0; i < LENGTH(expected); i++)
        expect_key(&expected[i], "GET", "");
}

/* ---- what is no key ---- */

/* Digests as sha256sum(1) prints them. */
#define DIGEST_OF_256_A "sha256:02d7160d77e18c6447be80c2e355c7ed4388545271702c50253b0914c65ce5fe"
#define DIGEST_OF_A_NUL_B "sha256:59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138"

static void what_is_no_key_is_hashed(void **state)
{
    (void)state;
    char text[KEY_MAX + 1];
    memset(text, 'a', sizeof text);
    for (size_t before = 0; before <= sizeof text; before++) {
        struct fields fields = {0};
        add_field(&fields, "A", text, before);
        add_field(&fields, "B", text, sizeof text - before);
        const char *template = before == 0             ? "{header:B}"
                               : before == sizeof text ? "{header:A}"
                                                       : "{header:A}{header:B}";
        const char *key = key_of(template, &fields, "GET", "", "unix");
        assert_string_equal(key, DIGEST_OF_256_A);
    }
    struct fields longest = {0};
    add_field(&longest, "A", text, KEY_MAX);
    assert_int_equal(strlen(key_of("{header:A}", &longest, "GET", "", "unix")), KEY_MAX);

    struct fields nul = {0};
    add_field(&nul, "A", "a\0b", 3);
    assert_string_equal(key_of("{header:A}", &nul, "GET", "", "unix"), DIGEST_OF_A_NUL_B);
    struct fields none = {0};
    assert_string_equal(key_of("a{path}", &none, "GET", "%00b", "unix"), DIGEST_OF_A_NUL_B);

    static const char *const bad[] = {
        "\n",           "a\r\nb",           "\x7f",  "\xc2\x85", "\xff", "\xc0\x80",
        "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xc3",
    };
    for (size_t i = 0; i < LENGTH(bad); i++) {
        struct fields fields = {0};
        add_field(&fields, "A", bad[i], strlen(bad[i]));
        const char *key = key_of("{header:A}", &fields, "GET", "", "unix");
        assert_int_equal(strncmp(key, "sha256:", 7), 0);
        assert_int_equal(strlen(key), 7 + 64);
        assert_int_equal(strspn(key + 7, "0123456789abcdef"), 64);
    }
}

/* Each byte counts, however long it all is. */
static void long_keys_differ(void **state)
{
    (void)state;
    static char text[10000];
    char first[KEY_MAX + 1];
    struct fields fields = {0};
    memset(text, 'a', sizeof text);
    add_field(&fields, "A", text, sizeof text);
    strcpy(first, key_of("{header:A}", &fields, "GET", "", "unix"));
    text[sizeof text - 1] = 'b';
    assert_string_not_equal(key_of("{header:A}", &fields, "GET", "", "unix"), first);
    text[sizeof text - 1] = 'a';
    assert_string_equal(key_of("{header:A}", &fields, "GET", "", "unix"), first);
}

/* ---- whatever comes ---- */

/* Ten thousand entries, all of them trusted, so that each must be looked at. */
static void long_lists_of_proxies_are_walked(void **state)
{
    (void)state;
    enum { ENTRIES = 10000 };
    static char text[16 * ENTRIES];
    struct fields fields = {0};
    strcpy(text, "198.51.100.7");
    size_t len = strlen(text);
    for (unsigned i = 0; i < ENTRIES; i++, len += 9)
        memcpy(text + len, ",10.0.0.1", 9);
    add_field(&fields, "X-Forwarded-For", text, len);
    assert_string_equal(key_of("{client_ip}", &fields, "GET", "", "unix"), "198.51.100.7");
    fields.field[0].value = text + strlen("198.51.100.7,");
    fields.field[0].len = len - strlen("198.51.100.7,");
    assert_string_equal(key_of("{client_ip}", &fields, "GET", "", "unix"), "10.0.0.1");

    memset(text, ',', sizeof text);
    fields.field[0].value = text;
    fields.field[0].len = sizeof text;
    assert_null(key_of("{client_ip}", &fields, "GET", "", "unix"));
}

/* Or a header that is one field, again and again, would take the square of its length. */
static void many_fields_of_one_name_are_walked_once(void **state)
{
    (void)state;
    static const struct {
        const char *template, *name, *value, *key;
    } parts[] = {
        {"{header:A}", "A", "b", "b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b"},
        {"{header:A}", "A", "", NULL},
        {"{client_ip}", "X-Forwarded-For", "10.0.0.1", "10.0.0.1"},
        {"{client_ip}", "X-Forwarded-For", "nobody", NULL},
        {"{path}", "X-Forwarded-Uri", "/a", "/a"},
        {"{host}", "X-Forwarded-Host", "a", "a"},
    };
    for (size_t i = 0; i < LENGTH(parts); i++) {
        struct fields fields = {0};
        while (fields.count < 20)
            add_field(&fields, parts[i].name, parts[i].value, strlen(parts[i].value));
        walks = 0;
        const char *key = key_of(parts[i].template, &fields, "GET", "", "unix");
        assert_true((key == NULL) == (parts[i].key == NULL));
        if (key != NULL)
            assert_string_equal(key, parts[i].key);
        assert_int_equal(walks, 1);
    }
}

/* Fragments that mean something, and bytes that do not. */
static size_t random_text(struct dice *dice, char *text, size_t capacity)
{
    static const char *const fragments[] = {
        "{",
        "}",
        "{{",
        "}}",
        "{host}",
        "{path}",
        "{method}",
        "{client_ip}",
        "{client_ip/",
        "64",
        "{header:",
        "A",
        "B",
        "127.0.0.1",
        "10.0.0.1",
        "198.51.100.7",
        "::1",
        "::ffff:",
        "[",
        "]",
        ":",
        ",",
        ", ",
        " ",
        "\t",
        "/",
        "%",
        "%2f",
        "%00",
        "?",
        "#",
        "http://",
        "\xc3\xa9",
        "\xf0\x9f",
        "aaaaaaaaaaaaaaaa",
    };
    size_t len = 0, pieces = dice_roll(dice, dice_once_in(dice, 10) ? 100 : 8);
    for (; pieces > 0; pieces--) {
        char byte[2] = {(char)dice_roll(dice, 256)};
        const char *piece =
            dice_once_in(dice, 8) ? byte : fragments[dice_roll(dice, LENGTH(fragments))];
        size_t piece_len = piece == byte ? 1 : strlen(piece);
        if (len + piece_len > capacity)
            break;
        memcpy(text + len, piece, piece_len);
        len += piece_len;
    }
    return len;
}

/* A string: without the NULs. */
static void random_string(struct dice *dice, char *text, size_t capacity)
{
    size_t len = random_text(dice, text, capacity), kept = 0;
    for (size_t i = 0; i < len; i++)
        if (text[i] != '\0')
            text[kept++] = text[i];
    text[kept] = '\0';
}

/* Fields in blocks of just their size, so that a sanitizer sees each byte too far. */
static void random_fields(struct dice *dice, struct fields *fields)
{
    static const char *const names[] = {"A",
                                        "B",
                                        "Host",
                                        "X-Forwarded-For",
                                        "X-Forwarded-Host",
                                        "X-Forwarded-Uri",
                                        "X-Original-URI",
                                        "X-Forwarded-Method"};
    char text[2048];
    fields->count = 0;
    for (uint64_t count = dice_roll(dice, 12); count > 0; count--) {
        size_t len = random_text(dice, text, sizeof text);
        char *value = malloc(len + 1);
        assert_non_null(value);
        memcpy(value, text, len);
        add_field(fields, names[dice_roll(dice, LENGTH(names))], value, len);
    }
}

static void free_fields(struct fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++)
        free((void *)(uintptr_t)fields->field[i].value);
}

/* Every key is valid, and the same again for the same request. */
static void random_requests_get_valid_keys_or_none(void **state)
{
    (void)state;
    static const char *const peers[] = {
        "unix", "127.0.0.1", "192.0.2.1", "2001:db8:f::1", "::ffff:10.0.0.1",
    };
    struct dice dice = dice_new(1);
    unsigned templates = 0, keys = 0;
    for (uint64_t i = dice_repeats("ALLOWD_KEYS", 100000); i > 0; i--) {
        char template[CHECK_TEMPLATE_MAX + 64], method[64], suffix[512], again[KEY_MAX + 1];
        char fault[CHECK_FAULT_MAX] = "";
        random_string(&dice, template, sizeof template - 1);
        if (!check_template_is_valid(template, fault)) {
            assert_true(strlen(fault) > 20);
            continue;
        }
        templates++;
        struct fields fields;
        random_fields(&dice, &fields);
        random_string(&dice, method, sizeof method - 1);
        random_string(&dice, suffix, sizeof suffix - 1);
        const char *peer = peers[dice_roll(&dice, LENGTH(peers))];
        const char *key = key_of(template, &fields, method, suffix, peer);
        if (key != NULL) {
            keys++;
            strcpy(again, key);
            assert_string_equal(key_of(template, &fields, method, suffix, peer), again);
        }
        free_fields(&fields);
    }
    assert_true(templates > 0 && keys > 0 && keys < templates);
}

/* A peer that is not trusted gets the same key, whatever it says about where it comes from. */
static void strangers_choose_no_client(void **state)
{
    (void)state;
    struct dice dice = dice_new(2);
    for (unsigned i = 0; i < 10000; i++) {
        struct fields fields;
        random_fields(&dice, &fields);
        const char *key =
            key_of("{client_ip/64}{method}{path}", &fields, "GET", "/a", "2001:db8::1");
        assert_string_equal(key, "2001:db8::GET/a");
        free_fields(&fields);
    }
}

/* What a client puts in front of what its proxy has added changes nothing. */
static void clients_behind_proxies_choose_nothing_either(void **state)
{
    (void)state;
    static const char added[] = ", 198.51.100.7 , 10.1.2.3";
    struct dice dice = dice_new(3);
    for (unsigned i = 0; i < 10000; i++) {
        char text[1024 + sizeof added];
        struct fields fields = {0};
        size_t len = random_text(&dice, text, 1024);
        memcpy(text + len, added, sizeof added);
        add_field(&fields, "X-Forwarded-For", text, dice_roll(&dice, len + 1));
        add_field(&fields, "X-Forwarded-For", text, len + strlen(added));
        assert_string_equal(key_of("{client_ip}", &fields, "GET", "", "127.0.0.1"), "198.51.100.7");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_templates_are_taken),
        cmocka_unit_test(faulty_templates_are_refused),
        cmocka_unit_test(templates_have_a_longest_length),
        cmocka_unit_test(faults_fit_and_stay_utf8),
        cmocka_unit_test(keys_of_what_clients_write_are_private),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(trusted_proxies_are_checked),
        cmocka_unit_test(terms_are_copied),
        cmocka_unit_test(headers_become_keys),
        cmocka_unit_test(clients_are_found_behind_proxies),
        cmocka_unit_test(clients_behind_nat64_are_their_ipv4),
        cmocka_unit_test(unreadable_clients_are_missing),
        cmocka_unit_test(untrusted_unix_peers_are_nobody),
        cmocka_unit_test(families_are_kept_apart),
        cmocka_unit_test(addresses_are_cut_to_their_network),
        cmocka_unit_test(hosts_become_keys),
        cmocka_unit_test(long_hosts_become_keys),
        cmocka_unit_test(methods_become_keys),
        cmocka_unit_test(unheard_of_methods_share_one_key),
        cmocka_unit_test(paths_become_keys),
        cmocka_unit_test(queries_become_keys),
        cmocka_unit_test(bodies_become_keys),
        cmocka_unit_test(parts_fall_back),
        cmocka_unit_test(what_is_no_key_is_hashed),
        cmocka_unit_test(long_keys_differ),
        cmocka_unit_test(long_lists_of_proxies_are_walked),
        cmocka_unit_test(many_fields_of_one_name_are_walked_once),
        cmocka_unit_test(random_requests_get_valid_keys_or_none),
        cmocka_unit_test(strangers_choose_no_client),
        cmocka_unit_test(clients_behind_proxies_choose_nothing_either),
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
