#include "ask/client_ip.h"

#include "ask/forwarded.h"
#include "ask/rfc7239.h"
#include "base/quantity.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#define UNIX_SOCKETS "unix"

bool check_trusted_is_valid(const char *text)
{
    struct ip_network network;
    return strcmp(text, UNIX_SOCKETS) == 0 || ip_network_parse(text, &network);
}

bool check_trusted_is_everybody(const char *text)
{
    struct ip_network network;
    return strcmp(text, UNIX_SOCKETS) != 0 && ip_network_parse(text, &network) &&
           ip_network_is_all(&network);
}

void trusted_add(struct trusted *trusted, const char *text)
{
    if (strcmp(text, UNIX_SOCKETS) == 0) {
        trusted->unix_sockets = true;
        return;
    }
    assert(trusted->networks_count < CHECK_TRUSTED_MAX);
    bool is_network = ip_network_parse(text, &trusted->networks[trusted->networks_count++]);
    assert(is_network);
    (void)is_network;
}

static bool has_ip(const struct trusted *trusted, const struct ip *ip)
{
    for (uint32_t i = 0; i < trusted->networks_count; i++)
        if (ip_network_has(&trusted->networks[i], ip))
            return true;
    return false;
}

bool trusted_has_peer(const struct trusted *trusted, const struct sockaddr *peer)
{
    struct ip ip;
    if (peer->sa_family == AF_UNIX)
        return trusted->unix_sockets;
    return ip_of_socket(peer, &ip) && has_ip(trusted, &ip);
}

/* Whether a text is a colon and a port. */
static bool is_port(const char *begin, const char *end)
{
    uint64_t port;
    return begin[0] == ':' && quantity_parse_number(begin + 1, (size_t)(end - begin - 1), 0, 65535,
                                                    &port) == QUANTITY_OK;
}

/* Reads one entry: an address, with or without a port. An IPv6 address with a port has brackets. */
static bool parse_entry(struct piece entry, struct ip *ip)
{
    const char *begin = entry.bytes, *end = entry.bytes + entry.len;
    const char *close = memchr(begin, ']', entry.len);
    if (close != NULL && begin[0] == '[')
        return memchr(begin, ':', (size_t)(close - begin)) != NULL &&
               (close + 1 == end || is_port(close + 1, end)) &&
               ip_parse(begin + 1, (size_t)(close - begin - 1), ip);
    const char *colon = memchr(begin, ':', entry.len);
    bool has_port = colon != NULL && colon == memrchr(begin, ':', entry.len);
    return (!has_port || is_port(colon, end)) &&
           ip_parse(begin, (size_t)((has_port ? colon : end) - begin), ip);
}

/* Takes the last entry off a field, which becomes shorter. *is_first: there was no other in front
 * of it. false: it cannot be read. */
static bool take_last(struct piece *field, bool *is_first, struct ip *ip)
{
    const char *comma = memrchr(field->bytes, ',', field->len);
    struct piece entry =
        piece_trimmed(comma == NULL ? field->bytes : comma + 1, field->bytes + field->len);
    *is_first = comma == NULL;
    field->len = comma == NULL ? 0 : (size_t)(comma - field->bytes);
    return parse_entry(entry, ip);
}

/* Walks one field from the right: to the first address that is not trusted (*is_decided), or to the
 * left end. false: an entry on the way cannot be read. */
static bool walk(const struct trusted *trusted, struct piece field, struct ip *ip, bool *is_decided)
{
    for (bool is_first = false; !is_first && !*is_decided;) {
        if (!take_last(&field, &is_first, ip))
            return false;
        *is_decided = !has_ip(trusted, ip);
    }
    return true;
}

const char *trusted_field(const struct trusted *trusted)
{
    return trusted->field != NULL ? trusted->field : CLIENT_IP_FIELD_DEFAULT;
}

/* Finding the right-most address that is not trusted, in one field after the other. */
struct finding {
    const struct trusted *trusted;
    bool has_begun; /* there was a field */
    bool is_known;
    struct ip ip; /* if it is known */
};

/* What is trusted, all of it, leaves what was found in front; what cannot be read hides it. */
static bool find_listed(void *context, struct piece field)
{
    struct finding *finding = context;
    bool is_decided = false;
    struct ip ip;
    if (!walk(finding->trusted, field, &ip, &is_decided)) {
        finding->is_known = false;
    } else if (is_decided || !finding->has_begun) {
        finding->ip = ip;
        finding->is_known = true;
    }
    finding->has_begun = true;
    return true;
}

/* The same in Forwarded, whose quoted strings can be read from the left only. */
static bool find_in_forwarded(void *context, struct piece field)
{
    struct finding *finding = context;
    for (struct piece element; rfc7239_next(&field, &element); finding->has_begun = true) {
        char node[RFC7239_NODE_MAX];
        struct ip ip;
        size_t len;
        if (!rfc7239_for(element, node, &len) || !parse_entry((struct piece){node, len}, &ip)) {
            finding->is_known = false;
        } else if (!finding->has_begun || !has_ip(finding->trusted, &ip)) {
            finding->ip = ip;
            finding->is_known = true;
        }
    }
    return true;
}

bool client_ip_find(const struct trusted *trusted, const struct check_request *request,
                    struct ip *ip)
{
    const char *name = trusted_field(trusted);
    bool is_rfc7239 = strcasecmp(name, CLIENT_IP_FIELD_RFC7239) == 0;
    struct finding finding = {.trusted = trusted};
    if (request->is_trusted)
        forwarded_fields(request, name, is_rfc7239 ? find_in_forwarded : find_listed, &finding);
    if (!finding.has_begun)
        finding.is_known = ip_of_socket(request->peer, &finding.ip);
    if (!finding.is_known)
        return false;
    ip_leave_nat64(&finding.ip);
    *ip = finding.ip;
    return true;
}
