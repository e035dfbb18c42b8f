/* Access: verdicts on fields as the gate lets them pass. */
#include "http/access.h"
#include "support/unit.h"

#include <string.h>

#define TOKEN "0123456789abcdef"

static const struct route asks = {.path = "/asks"};
static const struct route changes = {.path = "/changes", .changes_state = true};
static const struct route admin = {.path = "/admin", .is_admin = true};
static const struct route page = {.path = "/", .is_admin = true, .is_tokenless = true};

/* Fields as "NAME: VALUE" lines, each borrowed for as long as the access is used. */
static enum access_verdict judge(const char *const lines[], const struct route *route,
                                 bool is_admin, bool admin_apart, bool has_token)
{
    struct access access = {0};
    struct contract contract = {0};
    if (has_token)
        contract.admin_token = secret_of(TOKEN, strlen(TOKEN));
    for (; *lines != NULL; lines++) {
        const char *colon = strchr(*lines, ':'), *value = colon + 2;
        access_field(&access, *lines, (size_t)(colon - *lines), value, strlen(value));
    }
    return access_judge(&access, route, METHOD_POST, is_admin, admin_apart, &contract);
}

static void listeners_decide_what_is_for_admins(void **state)
{
    (void)state;
    static const char *const bare[] = {"Host: h", NULL};
    assert_int_equal(judge(bare, &admin, false, false, false), ACCESS_GRANTED);
    assert_int_equal(judge(bare, &admin, false, true, false), ACCESS_ADMIN_APART);
    assert_int_equal(judge(bare, &admin, true, true, false), ACCESS_GRANTED);
    assert_int_equal(judge(bare, &asks, false, true, true), ACCESS_GRANTED);
    assert_int_equal(judge(bare, &changes, false, true, true), ACCESS_GRANTED);
}

static void what_tells_nothing_asks_for_no_token(void **state)
{
    (void)state;
    static const char *const bare[] = {"Host: h", NULL};
    static const char *const wrong[] = {"Authorization: Bearer wrong", NULL};
    assert_int_equal(judge(bare, &page, false, false, true), ACCESS_GRANTED);
    assert_int_equal(judge(wrong, &page, true, true, true), ACCESS_GRANTED);
    assert_int_equal(judge(bare, &page, false, true, true), ACCESS_ADMIN_APART);
}

static void tokens_are_told_from_others(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        enum access_verdict verdict;
    } cases[] = {
        {"Authorization: Bearer " TOKEN, ACCESS_GRANTED},
        {"authorization: bEARER  " TOKEN " \t", ACCESS_GRANTED},
        {"Authorization: Bearer " TOKEN "0", ACCESS_WRONG_TOKEN},
        {"Authorization: Bearer 0123456789abcde", ACCESS_WRONG_TOKEN},
        {"Authorization: Bearer 0123456789ABCDEF", ACCESS_WRONG_TOKEN},
        {"Authorization: Bearer  ", ACCESS_WRONG_TOKEN},
        {"Authorization: Bearer ", ACCESS_NO_TOKEN},
        {"Authorization: ", ACCESS_NO_TOKEN},
        {"Authorization: Basic " TOKEN, ACCESS_NO_TOKEN},
        {"Authorization: " TOKEN, ACCESS_NO_TOKEN},
        {"Authorizatio: Bearer " TOKEN, ACCESS_NO_TOKEN},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *const lines[] = {"Host: h", cases[i].field, NULL};
        if (judge(lines, &admin, true, true, true) != cases[i].verdict)
            fail_msg("%s", cases[i].field);
    }
    static const char *const twice[] = {"Authorization: Bearer " TOKEN,
                                        "Authorization: Bearer " TOKEN, NULL};
    assert_int_equal(judge(twice, &admin, true, true, true), ACCESS_NO_TOKEN);
}

static void other_origins_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        bool is_own;
    } cases[] = {
        {"Origin: http://h:1", true},
        {"Origin: HTTPS://H:1", true},
        {"Origin: http://h", false},
        {"Origin: http://h:1/", false},
        {"Origin: http://h:11", false},
        {"Origin: h:1", false},
        {"Origin: //h:1", false},
        {"Origin: null", false},
        {"Origin: ", false},
        {"Sec-Fetch-Site: none", true},
        {"Sec-Fetch-Site: same-origin", true},
        {"Sec-Fetch-Site: same-site", false},
        {"Sec-Fetch-Site: cross-site", false},
        {"Sec-Fetch-Site: same-origin-as-if", false},
        {"Sec-Fetch-Site: ", false},
        {"Sec-Fetch-Mode: cors", true},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *const lines[] = {cases[i].field, "Host: h:1", NULL};
        enum access_verdict verdict = judge(lines, &changes, false, false, false);
        if (verdict != (cases[i].is_own ? ACCESS_GRANTED : ACCESS_OTHER_ORIGIN))
            fail_msg("%s", cases[i].field);
        assert_int_equal(judge(lines, &asks, false, false, false), ACCESS_GRANTED);
    }
}

/* As HTTP/1.0 may come. */
static void without_a_host_no_origin_is_the_own_one(void **state)
{
    (void)state;
    static const char *const origins[] = {"Origin: http://", "Origin: http://h:1", "Origin: ://"};
    for (size_t i = 0; i < LENGTH(origins); i++) {
        const char *const lines[] = {origins[i], NULL};
        assert_int_equal(judge(lines, &changes, false, false, false), ACCESS_OTHER_ORIGIN);
    }
    static const char *const program[] = {"User-Agent: a", NULL};
    assert_int_equal(judge(program, &changes, false, false, false), ACCESS_GRANTED);
}

static enum access_verdict judge_host(const char *host, const struct route *route, bool is_tcp)
{
    struct access access = {.is_tcp = is_tcp};
    struct contract contract = {.hosts_count = 2, .hosts = {"allowd.example.net", "other_one"}};
    if (host != NULL)
        access_field(&access, "Host", 4, host, strlen(host));
    return access_judge(&access, route, METHOD_POST, false, false, &contract);
}

/* What a browser can be made to send there it does not send under any of these names. */
static void admins_call_by_address_or_by_a_name_that_is_listed(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool is_own;
    } cases[] = {
        {"127.0.0.1", true},
        {"127.0.0.1:10429", true},
        {"192.0.2.1:1", true},
        {"[::1]", true},
        {"[2001:db8::1]:10429", true},
        {"localhost", true},
        {"LOCALhost:80", true},
        {"localhost.", true},
        {"localhost.:80", true},
        {"localhost:", true},
        {"allowd.example.net", true},
        {"Allowd.Example.NET.:8080", true},
        {"other_one:1", true},
        {NULL, true}, /* of HTTP/1.0; no browser sends it */
        {"", false},
        {":80", false},
        {".", false},
        {"localhost..", false},
        {"localhost.evil.example", false},
        {"evil-localhost", false},
        {"evil.example", false},
        {"127.0.0.1.evil.example", false},
        {"127.0.0.1.nip.io:10429", false},
        {"127.1", false},
        {"2130706433", false},
        {"0x7f000001", false},
        {"127.0.0.1:80:80", true}, /* the gate lets no such host pass */
        {"allowd.example.ne", false},
        {"allowd.example.nett", false},
        {"example.net", false},
        {"x.allowd.example.net", false},
        {"other-one", false},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        enum access_verdict verdict = cases[i].is_own ? ACCESS_GRANTED : ACCESS_OTHER_HOST;
        if (judge_host(cases[i].host, &admin, true) != verdict ||
            judge_host(cases[i].host, &page, true) != verdict)
            fail_msg("%s", cases[i].host == NULL ? "no host" : cases[i].host);
        assert_int_equal(judge_host(cases[i].host, &admin, false), ACCESS_GRANTED);
        assert_int_equal(judge_host(cases[i].host, &asks, true), ACCESS_GRANTED);
        assert_int_equal(judge_host(cases[i].host, &changes, true), ACCESS_GRANTED);
    }
}

static void verdicts_can_be_told(void **state)
{
    (void)state;
    for (int verdict = ACCESS_GRANTED + 1; verdict <= ACCESS_WRONG_TOKEN; verdict++) {
        unsigned status = access_status((enum access_verdict)verdict);
        assert_true(status == 401 || status == 403 ||
                    (status == 421 && verdict == ACCESS_OTHER_HOST));
        assert_non_null(access_detail((enum access_verdict)verdict));
        assert_int_equal(access_challenge((enum access_verdict)verdict) != NULL, status == 401);
    }
}

static void secrets_have_a_length_and_an_alphabet(void **state)
{
    (void)state;
    char long_one[SECRET_MAX + 1];
    memset(long_one, 'x', sizeof long_one);
    assert_true(secret_is_valid(long_one, SECRET_MIN));
    assert_true(secret_is_valid(long_one, SECRET_MAX));
    assert_false(secret_is_valid(long_one, SECRET_MIN - 1));
    assert_false(secret_is_valid(long_one, SECRET_MAX + 1));
    for (int c = -128; c < 128; c++) {
        long_one[7] = (char)c;
        assert_int_equal(secret_is_valid(long_one, SECRET_MIN), c > ' ' && c < 0x7f);
    }
    struct secret none = {0};
    assert_false(secret_matches(&none, "", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listeners_decide_what_is_for_admins),
        cmocka_unit_test(what_tells_nothing_asks_for_no_token),
        cmocka_unit_test(tokens_are_told_from_others),
        cmocka_unit_test(other_origins_change_nothing),
        cmocka_unit_test(without_a_host_no_origin_is_the_own_one),
        cmocka_unit_test(admins_call_by_address_or_by_a_name_that_is_listed),
        cmocka_unit_test(verdicts_can_be_told),
        cmocka_unit_test(secrets_have_a_length_and_an_alphabet),
    };
    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
