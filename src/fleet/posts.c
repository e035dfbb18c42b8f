#include "fleet/posts.h"

#include "base/clock.h"
#include "base/quantity.h"
#include "fleet/refusal.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_PAUSE_NS (500 * NS_PER_MS) /* between two times that the slots are asked for */

/* ---- life ---- */

static bool add_post(struct posts *posts, enum node_kind kind, const char *words)
{
    struct post *post = calloc(1, sizeof *post);
    const struct fleet_settings *settings = posts->settings;
    if (post == NULL)
        return false;
    if (words != NULL)
        strncpy(post->words, words, sizeof post->words - 1);
    posts->random += UINT64_C(0x9e3779b97f4a7c15);
    station_init(&post->station, kind, settings, words == NULL ? settings->stores : &post->words,
                 words == NULL ? settings->stores_count : 1, posts->random);
    posts->post[posts->count++] = post;
    return true;
}

static enum node_kind kind_of(const struct fleet_settings *settings)
{
    struct store store;
    if (!store_read(settings->stores[0], &store))
        return NODE_ALONE;
    if (store.kind == STORE_CLUSTER)
        return NODE_SEED;
    return store.kind == STORE_SENTINEL ? NODE_OF_SENTINEL : NODE_ALONE;
}

bool posts_init(struct posts *posts, const struct fleet_settings *settings, uint64_t random)
{
    enum node_kind kind = kind_of(settings);
    *posts = (struct posts){.settings = settings, .random = random};
    posts->is_cluster = kind == NODE_SEED;
    return add_post(posts, kind, NULL);
}

void posts_release(struct posts *posts)
{
    for (unsigned i = 0; i < posts->count; i++) {
        station_release(&posts->post[i]->station);
        free(posts->post[i]);
    }
    posts->count = 0;
}

/* ---- which station ---- */

struct station *posts_of(const struct posts *posts, uint8_t shard)
{
    if (!posts->is_cluster)
        return &posts->post[0]->station;
    uint8_t at = posts->of_shard[shard];
    return at == 0 ? NULL : &posts->post[at]->station;
}

struct station *posts_at(const struct posts *posts, const char *words)
{
    for (unsigned i = 1; i < posts->count; i++) {
        if (strcmp(posts->post[i]->words, words) == 0)
            return &posts->post[i]->station;
    }
    return NULL;
}

bool posts_is_ready(const struct posts *posts, const struct station *station, uint64_t now_ns)
{
    uint64_t timeout_ns = posts->settings->op_timeout_ms * NS_PER_MS;
    uint64_t since_ns = now_ns > timeout_ns ? now_ns - timeout_ns : 0;
    return station->state == STATION_UP && node_is_ready(&station->node, since_ns);
}

bool posts_are_up(const struct posts *posts)
{
    if (!posts->is_cluster)
        return posts->post[0]->station.state == STATION_UP;
    for (unsigned shard = 0; shard < CLUSTER_SHARDS; shard++) {
        const struct station *station = posts_of(posts, (uint8_t)shard);
        if (station == NULL || station->state != STATION_UP)
            return false;
    }
    return true;
}

bool posts_are_connecting(const struct posts *posts)
{
    for (unsigned i = 0; i < posts->count; i++) {
        if (posts->post[i]->station.state >= STATION_SEEKS)
            return true;
    }
    return false;
}

/* ---- polls and times ---- */

unsigned posts_poll(const struct posts *posts, struct pollfd polls[POSTS_POLLS_MAX])
{
    for (unsigned i = 0; i < posts->count; i++)
        station_poll(&posts->post[i]->station, polls + (size_t)STATION_POLLS * i);
    return STATION_POLLS * posts->count;
}

uint64_t posts_due_ns(const struct posts *posts)
{
    uint64_t due_ns = posts->is_stale ? posts->slots_due_ns : CLOCK_NEVER;
    for (unsigned i = 0; i < posts->count; i++) {
        uint64_t its_ns = station_due_ns(&posts->post[i]->station);
        due_ns = its_ns < due_ns ? its_ns : due_ns;
    }
    return due_ns;
}

/* ---- slots of a cluster ---- */

/* Whether some shard is this post's. */
static bool is_used(const struct posts *posts, unsigned post)
{
    return memchr(posts->of_shard, (int)post, sizeof posts->of_shard) != NULL;
}

/* The post of a node, which gets one if it has none; 0: there is no room. */
static uint8_t post_at(struct posts *posts, const char *words)
{
    for (unsigned i = 1; i < posts->count; i++) {
        if (strcmp(posts->post[i]->words, words) == 0)
            return (uint8_t)i;
    }
    if (posts->count == POSTS_MAX || !add_post(posts, NODE_OF_CLUSTER, words))
        return 0;
    return (uint8_t)(posts->count - 1);
}

struct station *posts_meet(struct posts *posts, const char *words)
{
    uint8_t at = post_at(posts, words);
    if (at == 0)
        return NULL;
    posts->post[at]->is_asked = true;
    return &posts->post[at]->station;
}

/* Posts that have no shard any more, nor get one, go; the last one takes the place of each. */
static void drop_unused(struct posts *posts)
{
    posts->has_new_map = false;
    for (unsigned i = 1; i < posts->count;) {
        if (is_used(posts, i) || posts->post[i]->is_asked) {
            posts->post[i]->is_asked = false;
            i++;
            continue;
        }
        unsigned last = --posts->count;
        station_release(&posts->post[i]->station);
        free(posts->post[i]);
        posts->post[i] = posts->post[last];
        for (unsigned shard = 0; shard < CLUSTER_SHARDS; shard++) {
            if (posts->of_shard[shard] == last)
                posts->of_shard[shard] = (uint8_t)i;
        }
    }
}

static void take_map(struct posts *posts, const struct cluster_map *map)
{
    uint8_t its_post[CLUSTER_NODES_MAX] = {0};
    for (unsigned i = 0; i < map->nodes_count; i++)
        its_post[i] = post_at(posts, map->nodes[i]);
    for (unsigned shard = 0; shard < CLUSTER_SHARDS; shard++) {
        uint8_t node = map->of_shard[shard];
        posts->of_shard[shard] = node == CLUSTER_NOBODY ? 0 : its_post[node];
    }
    posts->is_stale = !posts_are_up(posts);
    posts->has_new_map = true;
}

void posts_take_slots(struct posts *posts, struct station *station, const redisReply *reply)
{
    struct cluster_map map;
    char told[STATION_TROUBLE_MAX];
    if (cluster_read(reply, station->seek.at.host, &map)) {
        take_map(posts, &map);
        return;
    }
    if (reply->type != REDIS_REPLY_ERROR) {
        station_fail(station, "it tells no slots of a cluster");
        return;
    }
    refusal_tell(reply->str, reply->len, false, told, sizeof told);
    station_fail(station, told);
}

/* Asks a station that is up, the seed if it is; not too often. */
static void ask_for_slots(struct posts *posts, uint64_t now_ns)
{
    if (!posts->is_stale || now_ns < posts->slots_due_ns)
        return;
    posts->slots_due_ns = now_ns + SLOTS_PAUSE_NS;
    for (unsigned i = 0; i < posts->count; i++) {
        struct station *station = &posts->post[i]->station;
        if (posts_is_ready(posts, station, now_ns) && node_ask_slots(&station->node, now_ns))
            return;
    }
}

void posts_are_stale(struct posts *posts)
{
    posts->is_stale = posts->is_cluster;
}

void posts_turn(struct posts *posts, uint64_t now_ns)
{
    if (posts->has_new_map)
        drop_unused(posts);
    ask_for_slots(posts, now_ns);
}
