#include "base/ip.h"

#include "base/quantity.h"

#include <string.h>

#define MAPPED_BITS 96 /* in front of an IPv4 address in its mapped form */

static bool is_v4(const struct ip *ip)
{
    return IN6_IS_ADDR_V4MAPPED(&ip->bytes);
}

static struct ip of_v4(const struct in_addr *v4)
{
    struct ip ip = {.bytes.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(ip.bytes.s6_addr + MAPPED_BITS / 8, v4, sizeof *v4);
    return ip;
}

bool ip_parse(const char *text, size_t len, struct ip *ip)
{
    char copy[IP_TEXT_MAX];
    struct in_addr v4;
    struct in6_addr v6;
    if (len >= sizeof copy || memchr(text, '\0', len) != NULL)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (inet_pton(AF_INET, copy, &v4) == 1)
        *ip = of_v4(&v4);
    else if (inet_pton(AF_INET6, copy, &v6) == 1)
        ip->bytes = v6;
    else
        return false;
    return true;
}

bool ip_of_socket(const struct sockaddr *socket, struct ip *ip)
{
    if (socket->sa_family == AF_INET)
        *ip = of_v4(&((const struct sockaddr_in *)socket)->sin_addr);
    else if (socket->sa_family == AF_INET6)
        ip->bytes = ((const struct sockaddr_in6 *)socket)->sin6_addr;
    else
        return false;
    return true;
}

void ip_leave_nat64(struct ip *ip)
{
    static const uint8_t prefix[MAPPED_BITS / 8] = {0x00, 0x64, 0xff, 0x9b};
    struct in_addr v4;
    if (memcmp(ip->bytes.s6_addr, prefix, sizeof prefix) != 0)
        return;
    memcpy(&v4, ip->bytes.s6_addr + sizeof prefix, sizeof v4);
    *ip = of_v4(&v4);
}

static void keep_bits(struct ip *ip, unsigned bits)
{
    for (unsigned i = 0; i < sizeof ip->bytes.s6_addr; i++) {
        unsigned kept = bits < 8 * i ? 0 : bits - 8 * i;
        if (kept < 8)
            ip->bytes.s6_addr[i] &= (uint8_t)(0xff00u >> kept);
    }
}

void ip_keep(struct ip *ip, unsigned bits)
{
    keep_bits(ip, is_v4(ip) ? MAPPED_BITS + bits : bits);
}

size_t ip_print(const struct ip *ip, char text[IP_TEXT_MAX])
{
    if (is_v4(ip))
        inet_ntop(AF_INET, ip->bytes.s6_addr + MAPPED_BITS / 8, text, IP_TEXT_MAX);
    else
        inet_ntop(AF_INET6, &ip->bytes, text, IP_TEXT_MAX);
    return strlen(text);
}

static bool has_prefix(const struct ip *ip, unsigned bits, const struct ip *prefix)
{
    struct ip kept = *ip;
    keep_bits(&kept, bits);
    return memcmp(&kept, prefix, sizeof kept) == 0;
}

bool ip_network_parse(const char *text, struct ip_network *network)
{
    size_t len = strcspn(text, "/");
    struct ip first;
    uint64_t bits = IP_BITS_MAX;
    if (!ip_parse(text, len, &first))
        return false;
    if (text[len] == '/') {
        /* "10.0.0.0/8" counts bits of 32, "::ffff:10.0.0.0/104" counts bits of 128. */
        unsigned before = memchr(text, ':', len) == NULL ? MAPPED_BITS : 0;
        if (quantity_parse_number(text + len + 1, strlen(text + len + 1), 0, IP_BITS_MAX - before,
                                  &bits) != QUANTITY_OK)
            return false;
        bits += before;
    }
    if (!has_prefix(&first, (unsigned)bits, &first))
        return false;
    *network = (struct ip_network){.first = first, .bits = (unsigned)bits};
    return true;
}

/* "::/0" is every IPv6 address, and no IPv4 address. */
bool ip_network_has(const struct ip_network *network, const struct ip *ip)
{
    return is_v4(ip) == is_v4(&network->first) && has_prefix(ip, network->bits, &network->first);
}

bool ip_network_is_all(const struct ip_network *network)
{
    return network->bits == (is_v4(&network->first) ? MAPPED_BITS : 0);
}
