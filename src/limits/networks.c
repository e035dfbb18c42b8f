#include "limits/networks.h"

#include "base/quantity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V4_BITS_BEFORE (IP_BITS_MAX - 32) /* of an IPv4 network, in front of its own bits */

/* ---- the keys of overrides ---- */

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Whether an address can begin here: the rest of a name or of a number is none. */
static bool can_begin(const char *key, size_t at)
{
    return at == 0 || (!is_alphanumeric(key[at - 1]) && key[at - 1] != '.');
}

static bool is_v4(const struct ip *ip)
{
    return IN6_IS_ADDR_V4MAPPED(&ip->bytes);
}

/* Finds the address that ends before the last '/'. */
static bool find_address(const char *key, size_t end, size_t *start, struct ip *ip)
{
    size_t at = end < IP_TEXT_MAX ? 0 : end - IP_TEXT_MAX + 1;
    for (; at < end; at++)
        if (can_begin(key, at) && ip_parse(key + at, end - at, ip)) {
            *start = at;
            return true;
        }
    return false;
}

enum network_form network_read(const char *key, struct network_key *read)
{
    const char *slash = strrchr(key, '/');
    struct ip ip;
    size_t start;
    uint64_t bits;
    char text[NETWORK_TEXT_MAX];
    if (slash == NULL || slash[1] == '\0' || slash[1 + strspn(slash + 1, "0123456789")] != '\0' ||
        !find_address(key, (size_t)(slash - key), &start, &ip))
        return NETWORK_NOT;
    read->prefix_len = start;
    bool has_colons = memchr(key + start, ':', (size_t)(slash - key) - start) != NULL;
    unsigned before = has_colons ? 0 : V4_BITS_BEFORE; /* bits that are not counted */
    unsigned least = is_v4(&ip) ? V4_BITS_BEFORE : 0;
    if (quantity_parse_number(slash + 1, strlen(slash + 1), least - before, IP_BITS_MAX - before,
                              &bits) != QUANTITY_OK)
        return NETWORK_NO_LENGTH;
    bits += before;
    read->network = (struct ip_network){.first = ip, .bits = (unsigned)bits};
    ip_keep(&read->network.first, is_v4(&ip) ? (unsigned)bits - V4_BITS_BEFORE : (unsigned)bits);
    network_print(&read->network, text);
    return strcmp(text, key + start) == 0 ? NETWORK_IS : NETWORK_NOT_CANONICAL;
}

bool network_is_misspelt(const char *key)
{
    const char *slash = strrchr(key, '/');
    if (slash == NULL || slash[1] == '\0' || slash[1 + strspn(slash + 1, "0123456789")] != '\0')
        return false;
    size_t end = (size_t)(slash - key), at = end;
    unsigned dots = 0;
    while (at > 0 && strchr("0123456789.", key[at - 1]) != NULL)
        dots += key[--at] == '.';
    return can_begin(key, at) && dots >= 2 && key[at] != '.' && key[end - 1] != '.';
}

void network_print(const struct ip_network *network, char text[NETWORK_TEXT_MAX])
{
    size_t len = ip_print(&network->first, text);
    unsigned bits = is_v4(&network->first) ? network->bits - V4_BITS_BEFORE : network->bits;
    snprintf(text + len, NETWORK_TEXT_MAX - len, "/%u", bits);
}

/* ---- building ---- */

bool networks_init(struct networks *networks, uint32_t capacity)
{
    *networks = (struct networks){0};
    if (capacity == 0)
        return true;
    networks->node = calloc(capacity, sizeof networks->node[0]);
    networks->group = calloc(capacity, sizeof networks->group[0]);
    if (networks->node != NULL && networks->group != NULL)
        return true;
    networks_release(networks);
    return false;
}

void networks_release(struct networks *networks)
{
    free(networks->node);
    free(networks->group);
    *networks = (struct networks){0};
}

void networks_add(struct networks *networks, const char *key, const struct network_key *read,
                  uint32_t override)
{
    networks->node[networks->count++] = (struct network_node){
        .network = read->network,
        .key = key,
        .prefix_len = read->prefix_len,
        .override = override,
    };
}

/* Shorter prefixes first: most that differ do so in length, which is compared at once. */
static int compare_prefix(const char *key, size_t len, const struct network_node *node)
{
    if (len != node->prefix_len)
        return len < node->prefix_len ? -1 : 1;
    return memcmp(key, node->key, len);
}

/* IPv6 networks come before IPv4 ones, so that one may not be around the other. */
static int compare_ip(const struct ip *a, const struct ip *b)
{
    if (is_v4(a) != is_v4(b))
        return is_v4(a) ? 1 : -1;
    return memcmp(a, b, sizeof *a);
}

static int compare_nodes(const void *one, const void *other)
{
    const struct network_node *a = one, *b = other;
    int order = compare_prefix(a->key, a->prefix_len, b);
    if (order == 0)
        order = compare_ip(&a->network.first, &b->network.first);
    if (order == 0)
        order = a->network.bits < b->network.bits ? -1 : a->network.bits > b->network.bits;
    if (order == 0) /* whatever comes later is gone through first */
        order = a->override > b->override ? -1 : a->override < b->override;
    return order;
}

static const struct network_node *node_of(const struct networks *networks, uint32_t number)
{
    return &networks->node[number - 1];
}

/* The number of the narrowest network that an address is in, of one and those around it; or 0. */
static uint32_t narrowest(const struct networks *networks, uint32_t number, const struct ip *ip)
{
    while (number != 0 && !ip_network_has(&node_of(networks, number)->network, ip))
        number = node_of(networks, number)->wider;
    return number;
}

void networks_sort(struct networks *networks)
{
    if (networks->count > 0)
        qsort(networks->node, networks->count, sizeof networks->node[0], compare_nodes);
    for (uint32_t i = 0; i < networks->count; i++) {
        struct network_node *node = &networks->node[i];
        if (i > 0 && compare_prefix(node->key, node->prefix_len, node - 1) == 0) {
            node->wider = narrowest(networks, i, &node->network.first);
        } else {
            networks->group[networks->groups_count].first = i;
            networks->groups_count++;
        }
        networks->group[networks->groups_count - 1].end = i + 1;
    }
}

/* ---- finding ---- */

/* The nodes with the first bytes of a key as their prefix, or NULL. */
static const struct network_group *find_group(const struct networks *networks, const char *key,
                                              size_t prefix_len)
{
    uint32_t low = 0, high = networks->groups_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct network_group *group = &networks->group[middle];
        int order = compare_prefix(key, prefix_len, &networks->node[group->first]);
        if (order == 0)
            return group;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* The number of the narrowest network of a group that an address is in, or 0. All that it is in are
 * around the last one that begins at the address or before. */
static uint32_t find_node(const struct networks *networks, const struct network_group *group,
                          const struct ip *ip)
{
    uint32_t low = group->first, high = group->end;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_ip(&networks->node[middle].network.first, ip) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low == group->first ? 0 : narrowest(networks, low, ip);
}

struct networks_walk networks_walk(const struct networks *networks, const char *key)
{
    size_t len = strlen(key), start = len;
    size_t least = len < IP_TEXT_MAX ? 0 : len - IP_TEXT_MAX + 1;
    while (start > least && strchr("0123456789abcdefABCDEF:.", key[start - 1]) != NULL)
        start--;
    return (struct networks_walk){.networks = networks, .key = key, .start = start, .len = len};
}

int networks_next(struct networks_walk *walk)
{
    const struct networks *networks = walk->networks;
    for (; walk->node == 0 && walk->start < walk->len; walk->start++) {
        const struct network_group *group = find_group(networks, walk->key, walk->start);
        struct ip ip;
        if (group != NULL && ip_parse(walk->key + walk->start, walk->len - walk->start, &ip))
            walk->node = find_node(networks, group, &ip);
    }
    if (walk->node == 0)
        return -1;
    const struct network_node *node = node_of(networks, walk->node);
    walk->node = node->wider;
    return (int)node->override;
}
