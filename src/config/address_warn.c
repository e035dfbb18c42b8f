#include "config/address_warn.h"

#include "ask/template.h"
#include "base/glob.h"
#include "base/ip.h"
#include "config/text.h"
#include "limits/key.h"
#include "limits/limits.h"
#include "limits/networks.h"

#include <stdio.h>
#include <string.h>

/* What a check makes of a key that is written in an override. */
enum made {
    MADE_SO,        /* it can make exactly this key, or it is hard to say */
    MADE_OTHERWISE, /* it makes another key of this address */
    MADE_NEVER,     /* the key has not the form of the check's keys */
};

/* Whether the keys of a template are an address between two literal texts; which. */
static bool is_simple(const struct template *template, uint32_t *address)
{
    uint32_t addresses = 0;
    for (uint32_t i = 0; i < template->count; i++) {
        const struct part *part = &template->parts[i];
        if (part->falls_back || (part->kind != PART_LITERAL && part->kind != PART_CLIENT_IP))
            return false;
        if (part->kind == PART_CLIENT_IP) {
            addresses++;
            *address = i;
        }
    }
    return addresses == 1;
}

/* Takes the literal texts at both ends of a key away. false: it has others. */
static bool take_literals(const struct template *template, uint32_t address, const char **key,
                          size_t *len)
{
    for (uint32_t i = 0; i < template->count; i++) {
        const struct part *part = &template->parts[i];
        const char *literal = template->text + part->start;
        if (i == address)
            continue;
        if (part->len > *len)
            return false;
        const char *at = i < address ? *key : *key + *len - part->len;
        if (memcmp(at, literal, part->len) != 0)
            return false;
        *key += i < address ? part->len : 0;
        *len -= part->len;
    }
    return true;
}

/* What a template makes of the address in a key; if it is another key, which, and how many bits of
 * the address it keeps. */
static enum made make(const struct template *template, const char *key, char other[KEY_MAX + 1],
                      unsigned *bits)
{
    uint32_t address = 0;
    const char *at = key;
    size_t len = strlen(key);
    struct ip ip;
    if (!is_simple(template, &address))
        return MADE_SO;
    if (!take_literals(template, address, &at, &len) || !ip_parse(at, len, &ip))
        return MADE_NEVER;
    char text[IP_TEXT_MAX];
    *bits = template->parts[address].bits;
    ip_leave_nat64(&ip);
    ip_keep(&ip, *bits);
    ip_print(&ip, text);
    int written = snprintf(other, KEY_MAX + 1, "%.*s%s%s", (int)(at - key), key, text, at + len);
    return written > KEY_MAX || strcmp(other, key) == 0 ? MADE_SO : MADE_OTHERWISE;
}

/* Whether the keys of a check can come to a limit. */
static bool uses(const struct raw_check *check, const struct raw_limit *limit)
{
    if (check->limit != NULL)
        return scalar_has_text(limit->name, scalar_placed(check->limit).text);
    return limit->match != NULL || scalar_has_text(limit->name, LIMIT_DEFAULT_NAME);
}

bool config_address_warn(const struct raw_config *raw, const struct raw_limit *limit,
                         struct placed key, struct faults *faults)
{
    char other[KEY_MAX + 1], wanted[KEY_MAX + 1] = "", fault[CHECK_FAULT_MAX];
    const struct raw_check *by = NULL; /* the one that keeps most of the address */
    unsigned bits = 0, most_bits = 0;
    if (text_is_glob(key.text))
        return false;
    for (uint32_t i = 0; i < raw->checks_count; i++) {
        struct template template;
        if (!uses(&raw->checks[i], limit) ||
            !template_parse(scalar_placed(raw->checks[i].key).text, &template, fault))
            continue;
        enum made made = make(&template, key.text, other, &bits);
        if (made == MADE_SO)
            return false;
        if (made == MADE_OTHERWISE && (by == NULL || bits > most_bits)) {
            most_bits = bits;
            by = &raw->checks[i];
            strcpy(wanted, other);
        }
    }
    if (by == NULL)
        return false;
    char shortened[CONFIG_SHORT_MAX];
    faults_warn(faults, key.line, key.column,
                "key \"%s\" is none that a check makes; the check \"%s\" makes \"%s\" of this "
                "address, so write that",
                config_shorten(key.text, shortened), scalar_placed(by->name).text, wanted);
    return true;
}

/* ---- networks ---- */

/* The literal text before the address of a template; false: there is one behind it as well. */
static bool prefix_of(const struct template *template, uint32_t address, char prefix[KEY_MAX + 1])
{
    size_t len = 0;
    for (uint32_t i = 0; i < address; i++) {
        const struct part *part = &template->parts[i];
        if (len + part->len > KEY_MAX)
            return false;
        memcpy(prefix + len, template->text + part->start, part->len);
        len += part->len;
    }
    prefix[len] = '\0';
    return address + 1 == template->count;
}

bool config_network_warn(const struct raw_config *raw, const struct raw_limit *limit,
                         struct placed key, struct faults *faults)
{
    struct network_key read;
    char prefix[KEY_MAX + 1], wanted[KEY_MAX + 1] = "", fault[CHECK_FAULT_MAX];
    const struct raw_check *by = NULL;
    if (text_is_glob(key.text) || network_read(key.text, &read) != NETWORK_IS)
        return false;
    for (uint32_t i = 0; i < raw->checks_count; i++) {
        struct template template;
        uint32_t address = 0;
        if (!uses(&raw->checks[i], limit) ||
            !template_parse(scalar_placed(raw->checks[i].key).text, &template, fault))
            continue;
        if (!is_simple(&template, &address))
            return true; /* it is hard to say what comes of it */
        bool ends_there = prefix_of(&template, address, prefix);
        if (ends_there && strlen(prefix) == read.prefix_len &&
            strncmp(prefix, key.text, read.prefix_len) == 0)
            return true;
        if (by != NULL)
            continue;
        by = &raw->checks[i];
        if (ends_there)
            snprintf(wanted, sizeof wanted, "%s%s", prefix, key.text + read.prefix_len);
    }
    char shortened[CONFIG_SHORT_MAX], other[CONFIG_SHORT_MAX];
    config_shorten(key.text, shortened);
    if (by != NULL && wanted[0] != '\0')
        faults_warn(faults, key.line, key.column,
                    "key \"%s\" is for no key that a check makes; those of the check \"%s\" are in "
                    "\"%s\", so write that",
                    shortened, scalar_placed(by->name).text, config_shorten(wanted, other));
    else if (by != NULL)
        faults_warn(faults, key.line, key.column,
                    "key \"%s\" is for no key that a check makes; those of the check \"%s\" go on "
                    "behind the address, and no network matches them",
                    shortened, scalar_placed(by->name).text);
    return true;
}
