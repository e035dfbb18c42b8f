#include "migrate/exceptions.h"

#include "base/quantity.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum outcome { NOT_LIMITED, LIMITED, UNKNOWN };

/* What is found, before it is known whether all of it can be an override. */
struct search {
    const struct directive
        *map; /* that makes the key; its texts are addresses, or what `geo` makes of them */
    const struct directive *geo; /* or NULL */
    size_t count;
    struct key_exception found[KEY_EXCEPTIONS_MAX];
};

static bool is_address(const char *text)
{
    struct piece piece[PIECES_MAX];
    return variables_split(text, piece) == 1 &&
           (piece_is(piece, "remote_addr") || piece_is(piece, "binary_remote_addr"));
}

/* The key that a map makes of a text: none, the address, or another one. */
static enum outcome outcome_of(const struct directive *map, const char *text)
{
    const char *key = variables_map(map, text);
    if (key == NULL)
        return UNKNOWN;
    return key[0] == '\0' ? NOT_LIMITED : is_address(key) ? LIMITED : UNKNOWN;
}

/* Reads an address, or one with the number of its leading bits; the others are cleared, as nginx does. */
static bool read_network(const char *text, struct key_exception *exception)
{
    const char *slash = strchr(text, '/');
    struct ip ip;
    char address[IP_TEXT_MAX];
    uint64_t bits;
    if (!ip_parse(text, slash == NULL ? strlen(text) : (size_t)(slash - text), &ip))
        return false;
    bool is_v6 = strchr(text, ':') != NULL;
    unsigned most = is_v6 ? 128 : 32;
    if (slash == NULL)
        bits = most;
    else if (quantity_parse_number(slash + 1, strlen(slash + 1), 0, most, &bits) != QUANTITY_OK)
        return false;
    ip_keep(&ip, (unsigned)bits);
    ip_print(&ip, address);
    if (is_v6 && strchr(address, ':') == NULL)
        return false; /* an IPv4 address in IPv6's clothes */
    if (bits == most)
        snprintf(exception->text, sizeof exception->text, "%s", address);
    else
        snprintf(exception->text, sizeof exception->text, "%s/%u", address, (unsigned)bits);
    return ip_network_parse(exception->text, &exception->network);
}

/* The last line of a geo for a network counts. A map compares texts: 10.0.0.0/8 is no address's, and nginx never finds it. */
static bool add(struct search *search, const char *network, enum outcome outcome)
{
    struct key_exception seen;
    size_t at = 0;
    if (outcome == UNKNOWN || !read_network(network, &seen))
        return false;
    if (search->geo == NULL &&
        (strcasecmp(seen.text, network) != 0 || strchr(network, '/') != NULL))
        return false;
    seen.is_limited = outcome == LIMITED;
    while (at < search->count && strcmp(search->found[at].text, seen.text) != 0)
        at++;
    if (at == KEY_EXCEPTIONS_MAX)
        return false;
    search->found[at] = seen;
    search->count += at == search->count;
    return true;
}

/* Takes the entries of a geo, or of a map of addresses. *otherwise: what becomes of all other addresses. */
static bool take_entries(struct search *search, enum outcome *otherwise)
{
    const struct directive *of = search->geo != NULL ? search->geo : search->map;
    *otherwise = outcome_of(search->map, "");
    for (const struct directive *entry = of->block; entry != NULL; entry = entry->next) {
        if (search->geo == NULL && directive_is(entry, "volatile", 1))
            continue;
        if (entry->has_block || entry->words != 2)
            return false;
        const char *text = search->geo != NULL ? entry->word[1] : entry->word[0];
        if (strcmp(entry->word[0], "default") == 0)
            *otherwise = outcome_of(search->map, search->geo != NULL ? text : "");
        else if (!add(search, entry->word[0], outcome_of(search->map, text)))
            return false;
    }
    return *otherwise != UNKNOWN;
}

/* Finds the geo that a map looks at; a map of addresses has none. false: it looks at something else. */
static bool find_source(const struct tree *tree, struct search *search)
{
    struct piece piece[PIECES_MAX];
    const char *source = search->map->word[1];
    if (strcmp(search->map->word[0], "map") != 0)
        return false;
    if (strcmp(source, "$remote_addr") == 0)
        return true;
    if (variables_split(source, piece) != 1 || !piece[0].is_variable)
        return false;
    search->geo = variables_maker(tree, &piece[0]);
    return search->geo != NULL && strcmp(search->geo->word[0], "geo") == 0 &&
           (search->geo->words == 2 || strcmp(search->geo->word[1], "$remote_addr") == 0);
}

static bool lies_in_one_not_limited(const struct search *search, const struct key_exception *inner)
{
    for (size_t i = 0; i < search->count; i++)
        if (!search->found[i].is_limited && search->found[i].network.bits < inner->network.bits &&
            ip_network_has(&search->found[i].network, &inner->network.first))
            return true;
    return false;
}

static bool has(const struct search *search, const char *network)
{
    for (size_t i = 0; i < search->count; i++)
        if (strcmp(search->found[i].text, network) == 0)
            return true;
    return false;
}

static void keep(const struct search *search, enum outcome otherwise, struct key *key)
{
    static const struct key_exception all[] = {{.text = "0.0.0.0/0"}, {.text = "::/0"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (otherwise == NOT_LIMITED && !has(search, all[i].text))
            key->exception[key->exceptions++] = all[i];
    for (size_t i = 0; i < search->count; i++)
        if (!search->found[i].is_limited || otherwise == NOT_LIMITED ||
            lies_in_one_not_limited(search, &search->found[i]))
            key->exception[key->exceptions++] = search->found[i];
}

bool exceptions_find(const struct tree *tree, const struct piece *variable, struct key *key)
{
    enum outcome otherwise = UNKNOWN;
    struct search search = {.map = variable->is_variable ? variables_maker(tree, variable) : NULL};
    if (search.map == NULL || !find_source(tree, &search) || !take_entries(&search, &otherwise))
        return false;
    keep(&search, otherwise, key);
    key->map = key->text;
    key->map_line = search.map;
    return true;
}
