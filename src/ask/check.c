#include "ask/check.h"

#include "ask/client_ip.h"
#include "ask/forwarded.h"
#include "ask/key_maker.h"
#include "ask/template.h"
#include "base/form.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct check {
    struct check_terms terms; /* of strings in `strings` */
    const char *trusted_texts[CHECK_TRUSTED_MAX];
    struct trusted trusted;
    struct template template;
    char strings[];
};

bool check_name_is_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";
    size_t len = strspn(name, allowed);
    return name[len] == '\0' && len >= 1 && len <= CHECK_NAME_MAX && name[0] != '.';
}

bool check_template_is_valid(const char *template, char fault[CHECK_FAULT_MAX])
{
    struct template parsed;
    return template_parse(template, &parsed, fault);
}

static size_t room_for(const char *string)
{
    return string == NULL ? 0 : strlen(string) + 1;
}

static size_t room_for_terms(const struct check_terms *terms)
{
    size_t room = room_for(terms->name) + room_for(terms->limit) + room_for(terms->key);
    for (uint32_t i = 0; i < terms->trusted_count; i++)
        room += room_for(terms->trusted[i]);
    return room;
}

/* Copies a string to *at, and moves *at behind it. */
static const char *keep(const char *string, char **at)
{
    if (string == NULL)
        return NULL;
    char *kept = *at;
    *at = stpcpy(kept, string) + 1;
    return kept;
}

struct check *check_new(const struct check_terms *terms)
{
    struct check *check = calloc(1, sizeof *check + room_for_terms(terms));
    char fault[CHECK_FAULT_MAX];
    if (check == NULL)
        return NULL;
    bool is_template = template_parse(terms->key, &check->template, fault);
    assert(is_template && terms->trusted_count <= CHECK_TRUSTED_MAX);
    (void)is_template;

    char *at = check->strings;
    check->terms = *terms;
    check->terms.name = keep(terms->name, &at);
    check->terms.limit = keep(terms->limit, &at);
    check->terms.key = keep(terms->key, &at);
    check->terms.trusted = check->trusted_texts;
    for (uint32_t i = 0; i < terms->trusted_count; i++) {
        check->trusted_texts[i] = keep(terms->trusted[i], &at);
        trusted_add(&check->trusted, terms->trusted[i]);
    }
    return check;
}

void check_free(struct check *check)
{
    free(check);
}

const struct check_terms *check_terms(const struct check *check)
{
    return &check->terms;
}

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

static bool add_host(struct making *making)
{
    struct piece host = forwarded_host(making->request, making->is_trusted);
    for (size_t i = 0; i < host.len; i++) {
        char c = host.bytes[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        key_maker_add(&making->key, &c, 1);
    }
    return host.len > 0;
}

static bool add_method(struct making *making)
{
    struct piece method = forwarded_method(making->request, making->is_trusted);
    key_maker_add(&making->key, method.bytes, method.len);
    return method.len > 0;
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

bool check_key_is_private(const struct check *check)
{
    for (uint32_t i = 0; i < check->template.count; i++)
        if (check->template.parts[i].kind == PART_HEADER)
            return true;
    return false;
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
