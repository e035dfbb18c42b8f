/* Numbers, durations, rates, dates, addresses and networks: there is one way to read each, and
 * what was read is written in a form that reads the same. */
#include "base/address.h"
#include "base/date.h"
#include "base/ip.h"
#include "fuzz/fuzz.h"
#include "limits/credit.h"

#include <inttypes.h>
#include <string.h>

const struct fuzz_target fuzz_target = {.name = "quantity", .size_max = 140, .runs = 200000};

enum { TEXT_MAX = 256 };

static void check_number(const char *text, size_t len)
{
    uint64_t number;
    char printed[24];
    if (quantity_parse_number(text, len, 0, UINT64_MAX, &number) == QUANTITY_OK) {
        int printed_len = snprintf(printed, sizeof printed, "%" PRIu64, number);
        FUZZ_REQUIRE((size_t)printed_len == len && memcmp(printed, text, len) == 0);
    }
    uint64_t bounded = UINT64_MAX;
    if (quantity_parse_number(text, len, 5, 99, &bounded) == QUANTITY_OK)
        FUZZ_REQUIRE(bounded >= 5 && bounded <= 99 && len <= 2);
    else
        FUZZ_REQUIRE(bounded == UINT64_MAX);
}

static void check_duration(const char *text, size_t len)
{
    uint64_t ms, again;
    char printed[QUANTITY_TEXT_MAX];
    if (quantity_parse_duration(text, len, 0, UINT64_MAX, &ms) != QUANTITY_OK)
        return;
    quantity_print_duration(ms, printed);
    FUZZ_REQUIRE(quantity_parse_duration(printed, strlen(printed), 0, UINT64_MAX, &again) ==
                 QUANTITY_OK);
    FUZZ_REQUIRE(again == ms);
}

/* A line that a burst, a rate and a tick make keeps what credit.h promises of it. */
static void check_line(uint64_t burst, struct rate rate, uint64_t tick_ms)
{
    struct credit_line line;
    char explained[CREDIT_EXPLAIN_MAX];
    enum credit_fault fault = credit_line_init(&line, burst, rate, tick_ms);
    if (fault != CREDIT_OK) {
        credit_explain(fault, burst, rate, tick_ms, explained);
        FUZZ_REQUIRE(strnlen(explained, sizeof explained) < sizeof explained);
        return;
    }
    FUZZ_REQUIRE(line.step_units >= 1 && line.step_units <= line.cap_units);
    FUZZ_REQUIRE(line.cap_units / burst == line.token_units && line.credit_units == line.cap_units);
    FUZZ_REQUIRE((unsigned __int128)line.step_units * rate.period_ms ==
                 (unsigned __int128)line.token_units * rate.tokens * tick_ms);
    uint64_t spent = credit_full_mark(&line);
    FUZZ_REQUIRE(credit_take(&line, burst, &spent) && credit_level(&line, spent) == 0);
    FUZZ_REQUIRE(!credit_holds(&line, 1, spent));
    uint64_t ticks = credit_ticks_until(&line, 0, line.cap_units);
    if (ticks > CREDIT_LIFETIME_MIN_MS / tick_ms)
        return; /* it may end before it is full */
    credit_line_advance(&line, ticks - 1);
    FUZZ_REQUIRE(!credit_is_full(&line, spent));
    credit_line_advance(&line, 1);
    FUZZ_REQUIRE(credit_is_full(&line, spent));
    credit_line_advance(&line, UINT64_MAX);
    FUZZ_REQUIRE(credit_level(&line, spent) == (int64_t)line.cap_units);
}

static void check_rate(const char *text, size_t len)
{
    static const uint64_t ticks_ms[] = {1, 7, 100, 10000};
    struct rate rate, again;
    char printed[QUANTITY_TEXT_MAX];
    if (quantity_parse_rate(text, len, &rate) != QUANTITY_OK)
        return;
    FUZZ_REQUIRE(rate.tokens >= 1 && rate.tokens <= TOKENS_MAX);
    FUZZ_REQUIRE(rate.period_ms >= 1 && rate.period_ms <= PERIOD_MAX_MS);
    quantity_print_rate(&rate, printed);
    FUZZ_REQUIRE(quantity_parse_rate(printed, strlen(printed), &again) == QUANTITY_OK);
    FUZZ_REQUIRE(again.tokens == rate.tokens && again.period_ms == rate.period_ms);
    for (size_t i = 0; i < sizeof ticks_ms / sizeof ticks_ms[0]; i++) {
        check_line(1, rate, ticks_ms[i]);
        check_line(rate.tokens, rate, ticks_ms[i]);
        check_line(TOKENS_MAX, rate, ticks_ms[i]);
    }
}

static void check_date(const char *text)
{
    int64_t unix_s, again;
    char printed[DATE_TEXT_MAX];
    if (date_parse(text, &unix_s) != DATE_OK)
        return;
    date_print(unix_s, printed);
    FUZZ_REQUIRE(date_parse(printed, &again) == DATE_OK && again == unix_s);
    /* What is as long as a printed one, and has the T and the Z, is written in one way only. */
    bool is_plain = strlen(text) == strlen(printed) && strchr(text, 'T') != NULL &&
                    text[strlen(text) - 1] == 'Z';
    FUZZ_REQUIRE(!is_plain || strcmp(text, printed) == 0);
}

static void check_address(const char *text)
{
    struct address address, again;
    char printed[ADDRESS_TEXT_MAX];
    if (!address_parse(text, &address))
        return;
    address_print(&address, printed);
    FUZZ_REQUIRE(strnlen(printed, sizeof printed) < sizeof printed);
    FUZZ_REQUIRE(address_parse(printed, &again) && address_equal(&address, &again));
}

static void check_ip(const char *text, size_t len)
{
    struct ip ip, again;
    struct ip_network network;
    char printed[IP_TEXT_MAX];
    if (ip_parse(text, len, &ip)) {
        size_t printed_len = ip_print(&ip, printed);
        FUZZ_REQUIRE(printed_len == strlen(printed) && ip_parse(printed, printed_len, &again));
        FUZZ_REQUIRE(memcmp(&ip, &again, sizeof ip) == 0);
        FUZZ_REQUIRE(ip_network_parse(printed, &network) && ip_network_has(&network, &ip));
    }
    if (ip_network_parse(text, &network))
        FUZZ_REQUIRE(network.bits <= IP_BITS_MAX && ip_network_has(&network, &network.first));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX];
    if (size >= sizeof text)
        return 0;
    check_number((const char *)data, size);
    check_duration((const char *)data, size);
    check_rate((const char *)data, size);
    memcpy(text, data, size);
    text[size] = '\0';
    check_date(text);
    check_address(text);
    check_ip(text, strlen(text));
    return 0;
}
