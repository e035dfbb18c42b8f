#include "ask/trust_warning.h"

#include "ask/check_parts.h"
#include "ask/forwarded.h"
#include "log/log.h"

#include <strings.h>

static bool has_field(const struct check_request *request, const char *name)
{
    return forwarded_field(request, name).bytes != NULL;
}

/* The first field of a proxy that the request has and the check looks at, or NULL. */
static const char *find_looked_at(const struct check *check, const struct check_request *request)
{
    const struct {
        bool is_looked_at;
        const char *name;
    } fields[] = {
        {check->looks.client_ip, trusted_field(&check->trusted)},
        {check->looks.method, "X-Forwarded-Method"},
        {check->looks.host, "X-Forwarded-Host"},
        {check->looks.target, "X-Forwarded-Uri"},
        {check->looks.target, "X-Original-URI"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].is_looked_at && has_field(request, fields[i].name))
            return fields[i].name;
    return NULL;
}

static const char *name_peer(const struct sockaddr *peer, char text[IP_TEXT_MAX])
{
    struct ip ip;
    if (!ip_of_socket(peer, &ip))
        return "unix";
    ip_print(&ip, text);
    return text;
}

static bool warn_of_stranger(const struct check *check, const struct check_request *request)
{
    const char *name = find_looked_at(check, request);
    char peer[IP_TEXT_MAX];
    if (name == NULL)
        return false;
    if (!atomic_exchange(&check->told->untrusted, true))
        log_warning("check %s: %s from %s is ignored, because that is none of trusted_proxies; if "
                    "it is your proxy, add it there",
                    check->terms.name, name, name_peer(request->peer, peer));
    return true;
}

/* Says once that a trusted proxy tells the address elsewhere. Once one has told it where the check
 * looks, nothing is looked for any more. */
static void warn_of_other_field(const struct check *check, const struct check_request *request)
{
    static const char *const others[] = {
        CLIENT_IP_FIELD_DEFAULT, "X-Real-IP",      CLIENT_IP_FIELD_RFC7239,
        "CF-Connecting-IP",      "True-Client-IP",
    };
    const char *name = trusted_field(&check->trusted);
    char peer[IP_TEXT_MAX];
    if (has_field(request, name)) {
        atomic_store_explicit(&check->told->settled, true, memory_order_relaxed);
        return;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (has_field(request, others[i]) && !atomic_exchange(&check->told->settled, true))
            log_warning("check %s: the trusted proxy %s has sent %s and no %s, so its own address "
                        "counts; if it is right about the client, set client_ip_header: %s",
                        check->terms.name, name_peer(request->peer, peer), others[i], name,
                        others[i]);
}

bool trust_warn(const struct check *check, const struct check_request *request)
{
    if (!check->looks.any)
        return false;
    if (!request->is_trusted)
        return warn_of_stranger(check, request);
    if (check->looks.client_ip &&
        !atomic_load_explicit(&check->told->settled, memory_order_relaxed))
        warn_of_other_field(check, request);
    return false;
}
