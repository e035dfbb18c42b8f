#include "fleet/login.h"

#include "base/secret.h"
#include "fleet/call.h"
#include "fleet/name.h"
#include "fleet/refusal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PROBES_MAX 4

/* It ends: NODE_DOWN follows, once all is told that stays without an answer. */
__attribute__((format(printf, 2, 3))) static enum node_event fail(struct node *node,
                                                                  const char *format, ...)
{
    char why[NODE_WHY_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    node_fail(node, why);
    return NODE_NOTHING;
}

/* ---- what is asked ---- */

static bool send_auth(struct node *node, uint64_t now_ns)
{
    const struct fleet_settings *settings = node->settings;
    struct resp_arg words[3] = {resp_string("AUTH")};
    size_t count = 1;
    if (settings->user[0] != '\0')
        words[count++] = resp_string(settings->user);
    words[count++] = resp_string(settings->password);
    return node_send(node, NODE_AUTH, count, words, now_ns);
}

static bool send_hello(struct node *node, uint64_t now_ns)
{
    struct resp_arg words[] = {resp_string("HELLO"), resp_string("2")};
    return node_send(node, NODE_HELLO, 2, words, now_ns);
}

static bool send_role(struct node *node, uint64_t now_ns)
{
    struct resp_arg word = resp_string("ROLE");
    return node_send(node, NODE_ROLE, 1, &word, now_ns);
}

static bool send_config(struct node *node, uint64_t now_ns)
{
    struct resp_arg words[] = {resp_string("CONFIG"), resp_string("GET"),
                               resp_string("maxmemory-policy"),
                               resp_string("min-replicas-to-write")};
    return node_send(node, NODE_CONFIG, 4, words, now_ns);
}

/* ---- the trial call ---- */

static void make_probe(struct order *probe)
{
    *probe = (struct order){
        .flags = ORDER_PROBE | ORDER_RELEASE,
        .buckets = 1,
        .seq = 1,
        .terms = {{.burst_tokens = 1, .token_units = 1, .step_units = 1, .outstanding_tokens = 1}},
    };
    secret_draw(&probe->session, sizeof probe->session);
    probe->session |= 1;
}

static bool send_probe(struct node *node, uint64_t now_ns)
{
    static const struct call_terms terms = {.ttl_ms = 1000, .grace_ms = 1000};
    char record[FLEET_RECORD_NAME_MAX], epoch[FLEET_RECORD_NAME_MAX];
    unsigned char args[CALL_BYTES_MAX];
    struct order *probe = &node->probe;
    if (node->probes == 0)
        make_probe(probe);
    struct resp_arg keys[] = {
        {record, fleet_probe_name(node->settings->name, record)},
        {epoch, fleet_probe_epoch_name(node->settings->name, epoch)},
    };
    struct resp_arg arg = {args, call_write(probe, &terms, 0, args)};
    node->probes++;
    return node_call(node, &(struct link_call){.kind = NODE_PROBE}, 1, keys, &arg, now_ns);
}

/* ---- logging in: a command after the other ---- */

typedef bool send_step(struct node *node, uint64_t now_ns);
static send_step *const send_steps[] = {
    [NODE_AUTH] = send_auth, [NODE_HELLO] = send_hello, [NODE_ROLE] = send_role,
    [NODE_LOAD] = node_load, [NODE_PROBE] = send_probe, [NODE_CONFIG] = send_config,
};

static bool is_wanted(const struct node *node, enum node_call step)
{
    if (step == NODE_AUTH)
        return node->settings->password[0] != '\0';
    if (step == NODE_ROLE)
        return node->kind == NODE_OF_SENTINEL;
    return step == NODE_HELLO || node->kind != NODE_SEED;
}

/* Takes this step, or the next one that is wanted; after the last it is up. */
static enum node_event go_on(struct node *node, enum node_call step, uint64_t now_ns)
{
    while (step <= NODE_CONFIG && !is_wanted(node, step))
        step++;
    if (step > NODE_CONFIG) {
        node->state = NODE_UP;
        return NODE_IS_UP;
    }
    node->step = step;
    return send_steps[step](node, now_ns) ? NODE_NOTHING
                                          : fail(node, "there is no memory to ask it anything");
}

static bool is_error(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR;
}

static enum node_event fail_by(struct node *node, const redisReply *reply)
{
    char told[NODE_WHY_MAX];
    refusal_tell(reply->str, reply->len, node->step == NODE_AUTH, told, sizeof told);
    return fail(node, "%s", told);
}

static enum node_event fail_strange(struct node *node)
{
    return fail(node, "what answers there is no Redis, Valkey or Redict: it says something else "
                      "than they do");
}

/* ---- what it answers ---- */

static enum node_event take_auth(struct node *node, const redisReply *reply, uint64_t now_ns)
{
    if (is_error(reply) && strcmp(refusal_of(reply->str, reply->len)->word, "ERR") == 0)
        return fail(node, "it does not take the password: it has none perhaps, or wants a user");
    if (is_error(reply))
        return fail_by(node, reply);
    if (reply->type != REDIS_REPLY_STATUS)
        return fail_strange(node);
    return go_on(node, NODE_HELLO, now_ns);
}

/* Finds the string behind a name in a list of names and values; "" if it is not there. */
static const char *value_of(const redisReply *reply, const char *name)
{
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const redisReply *key = reply->element[i], *value = reply->element[i + 1];
        if (key->type == REDIS_REPLY_STRING && value->type == REDIS_REPLY_STRING &&
            strcmp(key->str, name) == 0)
            return value->str;
    }
    return "";
}

/* The name and version of a server, in plain ASCII. */
static void tell_server(struct node *node, const redisReply *reply)
{
    const char *name = value_of(reply, "server"), *version = value_of(reply, "version");
    snprintf(node->server, sizeof node->server, "%.30s %.30s", name[0] == '\0' ? "?" : name,
             version);
    for (char *at = node->server; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~')
            *at = '?';
    }
}

/* One that does not know HELLO is told by its name no more; whether it will do shows with the script. */
static enum node_event take_hello(struct node *node, const redisReply *reply, uint64_t now_ns)
{
    if (is_error(reply)) {
        if (refusal_of(reply->str, reply->len)->act == REFUSAL_LEAVE)
            return fail_by(node, reply);
        strcpy(node->server, "unknown server");
        refusal_tell(reply->str, reply->len, false, node->refused, sizeof node->refused);
    } else if (reply->type == REDIS_REPLY_ARRAY) {
        tell_server(node, reply);
    } else {
        return fail_strange(node);
    }
    if (!is_error(reply) && node->kind < NODE_OF_CLUSTER &&
        strcmp(value_of(reply, "mode"), "cluster") == 0)
        return fail(node, "it is a node of a cluster: its store is cluster://HOST:PORT");
    return go_on(node, NODE_ROLE, now_ns);
}

/* Whoever may not ask for it finds out with the first write. */
static enum node_event take_role(struct node *node, const redisReply *reply, uint64_t now_ns)
{
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
        reply->element[0]->type == REDIS_REPLY_STRING &&
        strcmp(reply->element[0]->str, "master") != 0)
        return fail(node, "it is no master, though the sentinel says so: its role is \"%.20s\"",
                    reply->element[0]->str);
    return go_on(node, NODE_LOAD, now_ns);
}

static bool is_sha(const redisReply *reply)
{
    return (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS) &&
           reply->len == NODE_SHA_LEN && strspn(reply->str, "0123456789abcdef") == NODE_SHA_LEN;
}

/* Servers before Redis 7.0 take the script's first line for an error. */
static enum node_event fail_script(struct node *node, const redisReply *reply)
{
    if (strcmp(refusal_of(reply->str, reply->len)->word, "ERR") != 0)
        return fail_by(node, reply);
    return fail(node,
                "%s does not take the script: Redis 7.0, Valkey 7.2 or Redict 7.3 is needed, "
                "or a later one: \"%.100s\"",
                node->server, reply->str);
}

static enum node_event take_load(struct node *node, const redisReply *reply, uint64_t now_ns)
{
    node->loads = 0;
    if (is_error(reply))
        return fail_script(node, reply);
    if (!is_sha(reply))
        return fail_strange(node);
    memcpy(node->sha, reply->str, NODE_SHA_LEN + 1);
    return node->state == NODE_UP ? NODE_NOTHING : go_on(node, NODE_PROBE, now_ns);
}

/* What it refuses now it may do later: then it is up, and each call is refused until it does. In a cluster
 * the trial record is another node's, which finds out. */
static enum node_event take_refused_probe(struct node *node, const redisReply *reply,
                                          uint64_t now_ns)
{
    const struct refusal *refusal = refusal_of(reply->str, reply->len);
    if (refusal->act == REFUSAL_MOVED && node->kind == NODE_OF_CLUSTER)
        return go_on(node, NODE_CONFIG, now_ns);
    if (strcmp(refusal->word, "ERR") == 0)
        return fail(node,
                    "the trial call has failed; the user needs the rights to evalsha, script|load, "
                    "time, mget and set: \"%.100s\"",
                    reply->str);
    if (refusal->act != REFUSAL_STAY || strcmp(refusal->word, "NOPERM") == 0)
        return fail_by(node, reply);
    refusal_tell(reply->str, reply->len, false, node->warning, sizeof node->warning);
    node->is_refusing = true;
    return go_on(node, NODE_CONFIG, now_ns);
}

/* An array of one answer, which call_read takes. */
static enum node_event take_probe(struct node *node, const redisReply *reply, uint64_t now_ns)
{
    struct order *probe = &node->probe;
    if (is_error(reply))
        return take_refused_probe(node, reply, now_ns);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        !call_read(probe, (const unsigned char *)reply->element[0]->str, reply->element[0]->len))
        return fail_strange(node);
    if (probe->result == ORDER_AGAIN && node->probes < PROBES_MAX) {
        probe->epoch_ms = probe->answered_epoch_ms;
        return go_on(node, NODE_PROBE, now_ns);
    }
    if (probe->result == ORDER_VERSION) {
        strcpy(node->warning, "its records are of another version of allowd's script");
        node->is_refusing = true;
    }
    return go_on(node, NODE_CONFIG, now_ns);
}

/* Whoever may not read its settings hears of none. */
static enum node_event take_config(struct node *node, const redisReply *reply, uint64_t now_ns)
{
    const char *policy = "", *replicas = "";
    if (reply->type == REDIS_REPLY_ARRAY) {
        policy = value_of(reply, "maxmemory-policy");
        replicas = value_of(reply, "min-replicas-to-write");
    }
    if (node->is_refusing)
        ; /* that is worse */
    else if (policy[0] != '\0' && strcmp(policy, "noeviction") != 0)
        snprintf(node->warning, sizeof node->warning,
                 "its maxmemory-policy is %.30s, by which records may be evicted: keys then begin "
                 "empty; set noeviction",
                 policy);
    else if (node->kind == NODE_OF_SENTINEL && strcmp(replicas, "0") == 0)
        strcpy(node->warning, "its min-replicas-to-write is 0: in a failover two masters grant at "
                              "the same time; set 1, and min-replicas-max-lag 1");
    return go_on(node, NODE_CONFIG + 1, now_ns);
}

typedef enum node_event take_step(struct node *node, const redisReply *reply, uint64_t now_ns);
static take_step *const take_steps[] = {
    [NODE_AUTH] = take_auth, [NODE_HELLO] = take_hello, [NODE_ROLE] = take_role,
    [NODE_LOAD] = take_load, [NODE_PROBE] = take_probe, [NODE_CONFIG] = take_config,
};

enum node_event login_begin(struct node *node, uint64_t now_ns)
{
    return go_on(node, NODE_AUTH, now_ns);
}

enum node_event login_take(struct node *node, enum node_call call, const redisReply *reply,
                           uint64_t now_ns)
{
    return take_steps[call](node, reply, now_ns);
}
