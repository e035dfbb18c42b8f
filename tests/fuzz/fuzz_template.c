/*
 * Templates and the requests they are filled from: whatever is sent, the key is
 * a valid one or none, and a stranger's X-Forwarded fields change nothing.
 *
 * An input is lines: a byte of flags and the template, the method, the path, then "NAME:VALUE"
 * fields, which are the query's parameters and the body's members too. The path is a form as well.
 */
#include "ask/check.h"
#include "ask/client_ip.h"
#include "ask/template.h"
#include "fuzz/fuzz.h"
#include "support/fields.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

const struct fuzz_target fuzz_target = {.name = "template", .size_max = 1200, .runs = 40000};

enum {
    PEER_MASK = 3, /* of the flags */
    TRUSTS = 4,    /* the peer */
    FIELDS_MAX = 24,
    INPUT_MAX = 4096,
};

struct fields {
    bool hide_forwarded;
    unsigned count;
    struct {
        const char *name, *value;
    } field[FIELDS_MAX];
};

static const char *find_field(void *context, const char *name, unsigned index, size_t *len)
{
    const struct fields *fields = context;
    if (fields->hide_forwarded && strncasecmp(name, "X-Forwarded-", 12) == 0)
        return NULL;
    for (unsigned i = 0; i < fields->count; i++) {
        if (strcasecmp(fields->field[i].name, name) != 0 || index-- > 0)
            continue;
        *len = strlen(fields->field[i].value);
        return fields->field[i].value;
    }
    return NULL;
}

static void pass_fields(void *context, const char *name,
                        bool (*take)(void *taker, const char *value, size_t len), void *taker)
{
    pass_found(find_field, context, name, take, taker);
}

static void pass_parameters(void *context, void (*take)(void *, const struct form_pair *),
                            void *taker)
{
    const struct fields *fields = context;
    for (unsigned i = 0; i < fields->count; i++) {
        const char *name = fields->field[i].name, *value = fields->field[i].value;
        take(taker, &(struct form_pair){name, value, strlen(name), strlen(value)});
    }
}

static const char *find_member(void *context, const char *name, size_t *len)
{
    return find_field(context, name, 0, len);
}

/* Takes a line off the text. */
static char *next_line(char **text)
{
    char *line = *text, *end = line + strcspn(line, "\n");
    *text = *end == '\0' ? end : end + 1;
    *end = '\0';
    return line;
}

static struct fields read_fields(char *text)
{
    struct fields fields = {0};
    while (*text != '\0' && fields.count < FIELDS_MAX) {
        char *line = next_line(&text), *colon = line + strcspn(line, ":");
        fields.field[fields.count].name = line;
        fields.field[fields.count++].value = *colon == '\0' ? colon : colon + 1;
        *colon = '\0';
    }
    return fields;
}

union peer {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static union peer peer_of(uint8_t flags)
{
    union peer peer = {.any.sa_family = AF_UNIX};
    if ((flags & PEER_MASK) == 1)
        peer.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(0x0a000001)}};
    else if ((flags & PEER_MASK) == 2)
        peer.in6 =
            (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    return peer;
}

/* Whether there is a key; two askings give the same one. */
static bool find_key(const struct check *check, const struct check_request *request,
                     char key[KEY_MAX + 1])
{
    char again[KEY_MAX + 1];
    size_t len = 0, again_len = 0;
    bool found = check_key(check, request, key, &len);
    FUZZ_REQUIRE(check_key(check, request, again, &again_len) == found);
    if (!found)
        return false;
    FUZZ_REQUIRE(key_check(key, len) == KEY_OK && strlen(key) == len);
    FUZZ_REQUIRE(again_len == len && memcmp(key, again, len) == 0);
    return true;
}

static void check_request(const struct check *check, uint8_t flags, char *text, bool asks_clients)
{
    union peer peer = peer_of(flags);
    struct check_request request = {.method = next_line(&text), .peer = &peer.any};
    request.is_trusted = check_trusts(check, request.peer);
    request.suffix = next_line(&text);
    if (request.suffix[0] != '/')
        request.suffix = "";
    struct fields fields = read_fields(text);
    request.fields = pass_fields;
    request.parameters = pass_parameters;
    request.context = request.json_context = &fields;
    request.json = find_member;
    request.form = request.suffix;
    request.form_len = strlen(request.form);

    char key[KEY_MAX + 1], without[KEY_MAX + 1];
    bool found = find_key(check, &request, key);
    if ((flags & TRUSTS) != 0 || asks_clients)
        return;
    fields.hide_forwarded = true;
    FUZZ_REQUIRE(find_key(check, &request, without) == found);
    FUZZ_REQUIRE(!found || strcmp(key, without) == 0);
}

/* The parts of a template lie in its text, one behind the other. */
static void check_parts(const char *text)
{
    struct template template;
    char fault[CHECK_FAULT_MAX] = "";
    if (!template_parse(text, &template, fault)) {
        FUZZ_REQUIRE(fault[0] != '\0' && strnlen(fault, sizeof fault) < sizeof fault);
        return;
    }
    FUZZ_REQUIRE(template.count >= 1 && template.count <= CHECK_PARTS_MAX);
    uint32_t end = 0;
    for (uint32_t i = 0; i < template.count; i++) {
        const struct part *part = &template.parts[i];
        FUZZ_REQUIRE(part->start == end && part->len < sizeof template.text - part->start);
        FUZZ_REQUIRE(strlen(template.text + part->start) == part->len);
        end += part->len + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const trusted[] = {"unix", "10.0.0.0/8", "::1", "192.0.2.0/24"};
    char text[INPUT_MAX], *at = text, fault[CHECK_FAULT_MAX];
    if (size == 0 || size > sizeof text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    char *template = next_line(&at);
    check_parts(template);
    if (!check_template_is_valid(template, fault))
        return 0;
    const struct check_terms terms = {
        .name = "fuzzed",
        .key = template,
        .deny_status = CHECK_DENY_STATUS_DEFAULT,
        .trusted = trusted,
        .trusted_count = (data[0] & TRUSTS) != 0 ? sizeof trusted / sizeof trusted[0] : 0,
    };
    struct check *check = check_new(&terms);
    FUZZ_REQUIRE(check != NULL);
    check_request(check, data[0], at, check_key_is_private(check));
    check_free(check);
    return 0;
}
