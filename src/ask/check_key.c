#include "ask/check_parts.h"
#include "ask/forwarded.h"
#include "ask/key_maker.h"
#include "ask/method.h"
#include "base/form.h"

#include <string.h>

/* Making one key. */
struct making {
    const struct check *check;
    const struct check_request *request;
    bool is_trusted; /* the peer is a trusted proxy */
    struct key_maker key;
};

/* Each function below adds one part to the key. false: the part is missing. */

/* Several fields of that name count as one list (RFC 9110, 5.3). */
static bool add_header(struct making *making, const char *name)
{
    bool is_empty = true;
    struct piece value = forwarded_field(making->request, name, 0);
    for (unsigned i = 1; value.bytes != NULL; i++) {
        if (i > 1)
            key_maker_add(&making->key, ", ", 2);
        key_maker_add(&making->key, value.bytes, value.len);
        is_empty = is_empty && value.len == 0;
        value = forwarded_field(making->request, name, i);
    }
    return !is_empty;
}

static bool add_client_ip(struct making *making, unsigned bits)
{
    struct ip ip;
    char text[IP_TEXT_MAX];
    if (!client_ip_find(&making->check->trusted, making->request, &ip))
        return false;
    ip_keep(&ip, bits);
    key_maker_add(&making->key, text, ip_print(&ip, text));
    return true;
}

/* Adds an IPv6 address in brackets as ip_print spells it. false: it is none. */
static bool add_bracketed_ip(struct making *making, struct piece host)
{
    struct ip ip;
    char text[IP_TEXT_MAX];
    if (host.len < 2 || host.bytes[0] != '[' || host.bytes[host.len - 1] != ']' ||
        !ip_parse(host.bytes + 1, host.len - 2, &ip))
        return false;
    size_t len = ip_print(&ip, text);
    bool is_v6 = memchr(text, ':', len) != NULL;
    key_maker_add(&making->key, "[", is_v6);
    key_maker_add(&making->key, text, len);
    key_maker_add(&making->key, "]", is_v6);
    return true;
}

static void add_lower_case(struct making *making, struct piece text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.bytes[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        key_maker_add(&making->key, &c, 1);
    }
}

/* A host has one form: in lower case, without the final dot of a name (RFC 3986, 3.2.2). */
static bool add_host(struct making *making)
{
    struct piece host = forwarded_host(making->request, making->is_trusted);
    if (host.len > 0 && host.bytes[host.len - 1] == '.')
        host.len--;
    if (!add_bracketed_ip(making, host))
        add_lower_case(making, host);
    return host.len > 0;
}

static bool add_method(struct making *making)
{
    const char *method = method_name(forwarded_method(making->request, making->is_trusted));
    key_maker_add(&making->key, method, strlen(method));
    return true;
}

/* Adds the path with escapes decoded. A '%' that begins no escape stays as it is. */
static bool add_path(struct making *making)
{
    struct piece path = forwarded_path(making->request, making->is_trusted);
    for (size_t i = 0; i < path.len;) {
        enum { ESCAPE_LEN = 3 };
        char byte[2] = {path.bytes[i]};
        size_t byte_len = 1;
        bool is_escape =
            byte[0] == '%' && path.len - i >= ESCAPE_LEN &&
            form_decode(path.bytes + i, ESCAPE_LEN, false, byte, 1, &byte_len) == FORM_OK;
        key_maker_add(&making->key, byte, byte_len);
        i += is_escape ? ESCAPE_LEN : 1;
    }
    return true;
}

static bool add_part(struct making *making, const struct part *part)
{
    const char *text = making->check->template.text + part->start;
    switch (part->kind) {
    case PART_LITERAL:
        key_maker_add(&making->key, text, part->len);
        return true;
    case PART_HEADER:
        return add_header(making, text);
    case PART_CLIENT_IP:
        return add_client_ip(making, part->bits);
    case PART_HOST:
        return add_host(making);
    case PART_METHOD:
        return add_method(making);
    case PART_PATH:
        break;
    }
    return add_path(making);
}

bool check_key(const struct check *check, const struct check_request *request,
               char key[KEY_MAX + 1], size_t *key_len)
{
    struct making making = {
        .check = check,
        .request = request,
        .is_trusted = trusted_has_peer(&check->trusted, request->peer),
    };
    key_maker_begin(&making.key, key);
    for (uint32_t i = 0; i < check->template.count; i++)
        if (!add_part(&making, &check->template.parts[i]))
            return false;
    *key_len = key_maker_end(&making.key);
    return true;
}
