#include "ask/check_parts.h"
#include "ask/forwarded.h"
#include "ask/key_maker.h"
#include "ask/method.h"
#include "base/form.h"
#include "base/text.h"

#include <string.h>

/* Making one key. */
struct making {
    const struct check *check;
    const struct check_request *request;
    struct key_maker key;
};

/* Each function below adds one part to the key. false: the part is missing, and nothing was
 * added. */

/* Adding the fields of one name. */
struct adding {
    struct key_maker *key;
    bool is_there;   /* one of them is not empty */
    unsigned commas; /* to write before the next one that is not empty */
};

static bool add_field(void *context, struct piece value)
{
    struct adding *adding = context;
    adding->is_there |= value.len > 0;
    for (; adding->is_there && adding->commas > 0; adding->commas--)
        key_maker_add(adding->key, ", ", 2);
    key_maker_add(adding->key, value.bytes, value.len);
    adding->commas++;
    return true;
}

/* Several fields of that name count as one list (RFC 9110, 5.3). */
static bool add_header(struct making *making, const char *name)
{
    struct adding adding = {.key = &making->key};
    forwarded_fields(making->request, name, add_field, &adding);
    return adding.is_there;
}

/* Whether an escaped name of a form is this one. */
static bool is_name(const struct form_pair *pair, const char *name)
{
    char decoded[CHECK_TEMPLATE_MAX + 1];
    size_t len = 0;
    return form_decode(pair->name, pair->name_len, true, decoded, CHECK_TEMPLATE_MAX, &len) ==
               FORM_OK &&
           text_is(decoded, len, name);
}

/* Adds a text with its escapes decoded. A '%' that begins no escape stays as it is. */
static void add_decoded(struct making *making, struct piece text, bool plus_is_space)
{
    size_t added = 0; /* what is not escaped is added as a whole */
    for (size_t i = 0; i < text.len;) {
        char byte = text.bytes[i];
        if (byte != '%' && !(byte == '+' && plus_is_space)) {
            i++;
            continue;
        }
        key_maker_add(&making->key, text.bytes + added, i - added);
        i += form_decode_byte(text.bytes + i, text.len - i, plus_is_space, &byte);
        key_maker_add(&making->key, &byte, 1);
        added = i;
    }
    key_maker_add(&making->key, text.bytes + added, text.len - added);
}

/* Looking for a parameter. */
struct parameter_search {
    const char *name;
    unsigned count;
    struct piece value; /* of the last one of that name */
};

static void take_parameter(void *context, const struct form_pair *pair)
{
    struct parameter_search *search = context;
    if (!is_name(pair, search->name))
        return;
    search->value = (struct piece){pair->value, pair->value_len};
    search->count++;
}

/* Adds the parameter that was found. One that is there twice is missing: whoever asks may have put
 * its own beside one that its client wrote, and nobody can tell which. */
static bool add_found(struct making *making, const struct parameter_search *search)
{
    if (search->count != 1 || search->value.len == 0)
        return false;
    add_decoded(making, search->value, true);
    return true;
}

static bool add_parameter(struct making *making, struct piece form, const char *name)
{
    struct parameter_search search = {.name = name};
    struct form_pair pair;
    while (form_next(&form.bytes, &form.len, &pair))
        take_parameter(&search, &pair);
    return add_found(making, &search);
}

static bool add_query(struct making *making, const char *name)
{
    const struct check_request *request = making->request;
    struct piece query = forwarded_query(request);
    struct parameter_search search = {.name = name};
    if (query.bytes != NULL)
        return add_parameter(making, query, name);
    request->parameters(request->context, take_parameter, &search);
    return add_found(making, &search);
}

static bool add_form(struct making *making, const char *name)
{
    const struct check_request *request = making->request;
    return request->form != NULL &&
           add_parameter(making, (struct piece){request->form, request->form_len}, name);
}

static bool add_json(struct making *making, const char *name)
{
    const struct check_request *request = making->request;
    if (request->json_context == NULL)
        return false;
    size_t len = 0;
    const char *value = request->json(request->json_context, name, &len);
    if (value == NULL || len == 0)
        return false;
    key_maker_add(&making->key, value, len);
    return true;
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
    char lower[64];
    for (size_t i = 0, len = 0; i < text.len; i++) {
        char c = text.bytes[i];
        lower[len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if (len == sizeof lower || i + 1 == text.len) {
            key_maker_add(&making->key, lower, len);
            len = 0;
        }
    }
}

/* A host has one form: in lower case, without the final dot of a name (RFC 3986, 3.2.2). */
static bool add_host(struct making *making)
{
    struct piece host = forwarded_host(making->request);
    if (host.len > 0 && host.bytes[host.len - 1] == '.')
        host.len--;
    if (!add_bracketed_ip(making, host))
        add_lower_case(making, host);
    return host.len > 0;
}

static bool add_method(struct making *making)
{
    const char *method = method_names[method_number(forwarded_method(making->request))];
    key_maker_add(&making->key, method, strlen(method));
    return true;
}

static bool add_path(struct making *making)
{
    add_decoded(making, forwarded_path(making->request), false);
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
    case PART_QUERY:
        return add_query(making, text);
    case PART_FORM:
        return add_form(making, text);
    case PART_JSON:
        return add_json(making, text);
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
    struct making making = {.check = check, .request = request};
    key_maker_begin(&making.key, key);
    bool is_there = true;
    for (uint32_t i = 0; i < check->template.count; i++) {
        const struct part *part = &check->template.parts[i];
        if (!part->falls_back && !is_there)
            return false;
        if (!part->falls_back || !is_there)
            is_there = add_part(&making, part);
    }
    *key_len = is_there ? key_maker_end(&making.key) : 0;
    return is_there;
}
