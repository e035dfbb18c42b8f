#include "brain/buckets.h"

#include <string.h>

enum { EVICTION_PROBES = 16 }; /* entries compared to find the one to give away */

bool buckets_init(struct buckets *buckets, uint32_t max_keys, const uint8_t seed[TABLE_SEED_BYTES],
                  struct brain_counters *counters)
{
    lines_init(&buckets->lines);
    buckets->counters = counters;
    return table_init(&buckets->table, max_keys, seed, buckets->lines.owners);
}

void buckets_create(struct buckets *buckets, void *arena, uint32_t max_keys,
                    const uint8_t seed[TABLE_SEED_BYTES], struct brain_counters *counters)
{
    lines_init(&buckets->lines);
    buckets->counters = counters;
    table_create(&buckets->table, arena, max_keys, seed, buckets->lines.owners);
}

void buckets_release(struct buckets *buckets)
{
    holdings_release(&buckets->holdings);
    table_release(&buckets->table);
    lines_release(&buckets->lines);
}

/* ---- salts ---- */

/* The hash of a NUL, a limit's name, and the number of limits that have begun. No key holds a NUL,
 * so it is no key's hash. Number 0 is left out: version 0.1.0 made its salts of the name alone. */
static uint64_t make_salt(const struct table *table, const char *name, uint32_t number)
{
    char bytes[1 + LIMIT_NAME_MAX + 1 + sizeof number];
    size_t len = 1 + strlen(name);
    bytes[0] = '\0';
    strcpy(bytes + 1, name);
    if (number > 0) {
        memcpy(bytes + len + 1, &number, sizeof number);
        len += 1 + sizeof number;
    }
    uint64_t salt = table_hash(table, bytes, len);
    return salt == 0 ? 1 : salt;
}

/* Editions that 0.1.0 left have no salt in the state. */
static void salt_as_before(struct buckets *buckets)
{
    for (uint16_t i = 0; i < buckets->lines.editions_used; i++) {
        struct edition *edition = &buckets->lines.edition[i];
        if (edition_is_in_use(edition) && edition->salt == 0)
            edition->salt = make_salt(&buckets->table, edition_limit(edition)->name, 0);
    }
}

static uint64_t salt_of_line(const struct lines *lines, uint16_t line)
{
    return lines->edition[lines->line[line].edition].salt;
}

/* ---- what the table may believe of an entry that another process left ---- */

static bool can_be_on(const void *context, uint16_t number, unsigned *marks, uint64_t *salt)
{
    const struct buckets *buckets = context;
    const struct lines *lines = &buckets->lines;
    if (number >= LINES_MAX || lines->line[number].count == 0)
        return false;
    *marks = lines->line[number].count;
    *salt = salt_of_line(lines, number);
    return true;
}

/* A mark can be believed if it is sealed and no further ahead of the line's credit than a bucket may
 * owe. */
static bool can_have_mark(const void *context, uint16_t number, unsigned mark, uint64_t spent_mark)
{
    const struct buckets *buckets = context;
    return credit_is_sealed(spent_mark) &&
           credit_unseal(spent_mark) <= credit_last_mark(&buckets->lines.line[number].credit[mark]);
}

static uint64_t empty_mark(const void *context, uint16_t number, unsigned mark)
{
    const struct buckets *buckets = context;
    return credit_seal(buckets->lines.line[number].credit[mark].credit_units);
}

static enum table_adoption adopt(struct buckets *buckets, void *arena, uint32_t max_keys,
                                 const uint8_t seed[TABLE_SEED_BYTES])
{
    buckets->user = (struct table_user){
        .context = buckets,
        .line = can_be_on,
        .believes = can_have_mark,
        .empty_mark = empty_mark,
    };
    return table_adopt(&buckets->table, arena, max_keys, seed, buckets->lines.owners,
                       &buckets->user);
}

enum table_adoption buckets_adopt(struct buckets *buckets, void *arena, uint32_t max_keys,
                                  const uint8_t seed[TABLE_SEED_BYTES],
                                  struct brain_counters *counters)
{
    buckets->counters = counters;
    enum table_adoption adoption = adopt(buckets, arena, max_keys, seed);
    if (adoption == TABLE_ADOPTED)
        salt_as_before(buckets);
    return adoption;
}

void buckets_doubt(struct buckets *buckets)
{
    struct table before = buckets->table;
    if (before.has_own_arena)
        return; /* the last time an empty table took its place: no damage can reach this one */
    if (adopt(buckets, before.index, before.max_keys, before.seed) != TABLE_ADOPTED &&
        !table_init(&buckets->table, before.max_keys, before.seed, before.owners))
        return; /* no memory: go on with the table as it is */
    buckets->table.damage = before.damage;
    table_release(&before);
}

bool buckets_install(struct buckets *buckets, const struct limits *prior, struct limits *next,
                     int64_t date_s)
{
    if (!lines_install(&buckets->lines, prior, next, date_s))
        return false;
    for (uint32_t i = 0; i < next->count; i++) {
        struct edition *edition = &buckets->lines.edition[buckets->lines.of_limit[i]];
        if (edition->salt == 0)
            edition->salt = make_salt(&buckets->table, next->limit[i].name, ++buckets->lines.begun);
        buckets->salt[i] = edition->salt;
    }
    if (buckets_are_none(buckets))
        lines_emptied(&buckets->lines);
    return true;
}

/* ---- places ---- */

/* All of a place but its hash; limit: the index of its limit. Made anew for each who calls it: a decision on one key
 * pays for no call. */
static inline __attribute__((always_inline)) void put_terms(const struct buckets *buckets,
                                                            const struct limits *limits,
                                                            uint32_t limit, const char *key,
                                                            struct place *place)
{
    place->limit = (int)limit;
    place->override = lines_override(&buckets->lines, limit, key);
    place->denied_until_s =
        place->override >= 0 &&
                limits->limit[limit].overrides[place->override].action == OVERRIDE_DENY
            ? lines_denied_until_s(&buckets->lines, limit, key)
            : 0;
    place->owner = buckets->lines.of_limit[limit];
    place->line = lines_line(&buckets->lines, limit, place->override);
}

/* false: there is no such limit. */
static inline __attribute__((always_inline)) bool find_terms(const struct buckets *buckets,
                                                             const struct limits *limits,
                                                             const struct bucket_question *ask,
                                                             struct place *place)
{
    int limit = ask->limit_name == NULL ? (int)limits_match(limits, ask->key)
                                        : limits_find(limits, ask->limit_name, ask->limit_name_len);
    if (limit < 0)
        *place = (struct place){.limit = -1};
    else
        put_terms(buckets, limits, (uint32_t)limit, ask->key, place);
    return limit >= 0;
}

void buckets_place_at(const struct buckets *buckets, const struct limits *limits,
                      const struct bucket_question *ask, struct place *place)
{
    if (find_terms(buckets, limits, ask, place))
        place->hash =
            table_hash(&buckets->table, ask->key, ask->key_len) ^ buckets->salt[place->limit];
}

/* Hashes the keys of so many calls at once, TABLE_HASHES at most. */
static void hash_keys(const struct buckets *buckets, const struct bucket_call *calls,
                      uint32_t count, struct place *places)
{
    const char *key[TABLE_HASHES];
    size_t key_len[TABLE_HASHES];
    uint64_t hash[TABLE_HASHES];
    for (uint32_t i = 0; i < TABLE_HASHES; i++) {
        const struct bucket_question *ask = &calls[i < count ? i : 0].ask;
        key[i] = ask->key;
        key_len[i] = ask->key_len;
    }
    table_hash_four(&buckets->table, key, key_len, hash);
    for (uint32_t i = 0; i < count; i++)
        places[i].hash = hash[i] ^ buckets->salt[places[i].limit];
}

/* The place of all keys without a limit's name, where these have the same terms, but for its hash. Not inline, so that
 * copies of it are made as a whole. */
__attribute__((noinline)) static void put_common(const struct buckets *buckets,
                                                 const struct limits *limits, struct place *place)
{
    put_terms(buckets, limits, limits->fallback, "", place);
}

uint32_t buckets_places_at(const struct buckets *buckets, const struct limits *limits,
                           const struct bucket_call *calls, uint32_t count, struct place *places)
{
    struct place common; /* of all keys without a limit's name, where these have the same terms */
    bool has_common = limits->matching == 0 && limits->limit[limits->fallback].overrides_count == 0;
    if (has_common)
        put_common(buckets, limits, &common);
    for (uint32_t i = 0; i < count; i++) {
        if (has_common && calls[i].ask.limit_name == NULL)
            places[i] = common;
        else if (!find_terms(buckets, limits, &calls[i].ask, &places[i]))
            return i;
    }
    for (uint32_t i = 0; i < count; i += TABLE_HASHES)
        hash_keys(buckets, &calls[i], count - i < TABLE_HASHES ? count - i : TABLE_HASHES,
                  &places[i]);
    return count;
}

/* ---- entries ---- */

static const struct line *line_of(const struct buckets *buckets, uint32_t slot)
{
    return &buckets->lines.line[table_line(&buckets->table, slot)];
}

static uint64_t mark_of(const struct buckets *buckets, uint32_t slot, unsigned mark)
{
    return credit_unseal(table_spent(&buckets->table, slot, mark));
}

static void seal_marks(const uint64_t marks[BUCKETS_MAX], unsigned count,
                       uint64_t sealed[BUCKETS_MAX])
{
    for (unsigned i = 0; i < count; i++)
        sealed[i] = credit_seal(marks[i]);
}

static void key_and_marks(const struct buckets *buckets, uint32_t slot, char key[KEY_MAX + 1],
                          uint64_t marks[BUCKETS_MAX])
{
    table_key(&buckets->table, slot, key);
    for (unsigned i = 0; i < line_of(buckets, slot)->count; i++)
        marks[i] = mark_of(buckets, slot, i);
}

/* The marks of an entry, carried over to the line in force. Returns the number of that line. */
static uint16_t carried_marks(const struct buckets *buckets, uint32_t slot,
                              uint64_t marks[BUCKETS_MAX])
{
    char key[KEY_MAX + 1];
    key_and_marks(buckets, slot, key, marks);
    return lines_carry(&buckets->lines, table_line(&buckets->table, slot), key, marks);
}

/* Puts an entry on another line. false: damage has left no cell for that, and the entry was given
 * away. */
static bool put_on(struct buckets *buckets, uint32_t slot, uint16_t line,
                   const uint64_t sealed[BUCKETS_MAX])
{
    if (table_replace(&buckets->table, slot, line, sealed, buckets->lines.line[line].count))
        return true;
    buckets_drop(buckets, slot);
    buckets->counters->evicted++;
    return false;
}

/* Drops an entry whose limit is gone. */
static void forget(struct buckets *buckets, uint32_t slot)
{
    char key[KEY_MAX + 1];
    uint64_t marks[BUCKETS_MAX];
    uint16_t line = table_line(&buckets->table, slot);
    if (line < LINES_MAX && buckets->lines.line[line].count > 0) { /* damage can put it elsewhere */
        key_and_marks(buckets, slot, key, marks);
        lines_forget(&buckets->lines, line, key, marks);
    }
    buckets_drop(buckets, slot);
    buckets->counters->dropped_unlimited++;
}

static bool bring_up_to_date(struct buckets *buckets, uint32_t slot)
{
    uint16_t before = table_line(&buckets->table, slot);
    if (lines_is_in_force(&buckets->lines, before))
        return true;
    uint64_t marks[BUCKETS_MAX], sealed[BUCKETS_MAX];
    uint16_t now = carried_marks(buckets, slot, marks);
    seal_marks(marks, buckets->lines.line[now].count, sealed);
    return put_on(buckets, slot, now, sealed);
}

/* If an entry is on another line than its key's, damage has put it there. Then it moves to the
 * right line, and its buckets are taken to be empty. */
static bool put_where_it_belongs(struct buckets *buckets, uint32_t slot, const struct place *place)
{
    if (table_line(&buckets->table, slot) == place->line)
        return true;
    uint64_t sealed[BUCKETS_MAX];
    for (unsigned i = 0; i < buckets->lines.line[place->line].count; i++)
        sealed[i] = empty_mark(buckets, place->line, i);
    buckets->table.damage.emptied++;
    return put_on(buckets, slot, place->line, sealed);
}

/* The line at a place is in force, so only an entry on another one is not up to date. */
uint32_t buckets_carry(struct buckets *buckets, uint32_t slot, const struct place *place)
{
    return bring_up_to_date(buckets, slot) && put_where_it_belongs(buckets, slot, place)
               ? slot
               : TABLE_NONE;
}

/* ---- slots ---- */

static bool line_has_slots(const struct line *line)
{
    for (unsigned i = 0; i < line->count; i++)
        if (credit_has_slots(&line->credit[i]))
            return true;
    return false;
}

static uint64_t slots_out(const struct buckets *buckets, uint64_t hash, const char *key,
                          size_t key_len)
{
    const struct lease_key *found = leases_of_key(buckets->leases, hash, key, key_len);
    return found == NULL ? 0 : leases_key_slots(buckets->leases, found);
}

void buckets_count_slots(const struct buckets *buckets, const struct line *line, uint64_t hash,
                         const char *key, size_t key_len, uint64_t marks[BUCKETS_MAX])
{
    if (!line_has_slots(line))
        return;
    uint64_t taken = slots_out(buckets, hash, key, key_len);
    for (unsigned i = 0; i < line->count; i++)
        if (credit_has_slots(&line->credit[i]))
            marks[i] = credit_slots_mark(&line->credit[i], taken);
}

/* Whether leases have slots out of the key of an entry, of this table or of the one before. */
static bool has_slots_out(const struct buckets *buckets, const struct table *table, uint32_t slot)
{
    uint16_t line = table_line(table, slot);
    if (!line_has_slots(&buckets->lines.line[line]))
        return false;
    char key[KEY_MAX + 1];
    size_t key_len = table_key(table, slot, key);
    uint64_t hash = table_hash(table, key, key_len) ^ salt_of_line(&buckets->lines, line);
    return slots_out(buckets, hash, key, key_len) > 0;
}

/* ---- marks ---- */

void buckets_peek(const struct buckets *buckets, const struct place *place,
                  const struct bucket_question *ask, uint64_t marks[BUCKETS_MAX])
{
    uint32_t slot = table_find(&buckets->table, place->hash, ask->key, ask->key_len, place->owner);
    if (slot == TABLE_NONE) {
        buckets_marks(buckets, place, ask, slot, marks);
        return;
    }
    const struct line *line = &buckets->lines.line[carried_marks(buckets, slot, marks)];
    buckets_count_slots(buckets, line, place->hash, ask->key, ask->key_len, marks);
}

void buckets_add(struct buckets *buckets, const struct place *place,
                 const struct bucket_question *ask, const uint64_t marks[BUCKETS_MAX])
{
    unsigned count = buckets_line(buckets, place)->count;
    uint64_t sealed[BUCKETS_MAX];
    seal_marks(marks, count, sealed);
    buckets_settle(buckets, place, ask);
    while (!table_insert(&buckets->table, place->hash, ask->key, ask->key_len, place->line, sealed,
                         count)) {
        uint32_t slot =
            table_next_occupied(&buckets->table, table_home(&buckets->table, place->hash));
        if (slot == TABLE_NONE)
            return; /* damage has left the table no cells at all */
        buckets_drop(buckets, slot);
        buckets->counters->evicted++;
    }
}

void buckets_drop(struct buckets *buckets, uint32_t slot)
{
    table_remove(&buckets->table, slot);
}

static bool is_idle(const struct buckets *buckets, uint32_t slot)
{
    const struct line *line = line_of(buckets, slot);
    for (unsigned i = 0; i < line->count; i++)
        if (!credit_has_slots(&line->credit[i]) &&
            !credit_is_full(&line->credit[i], mark_of(buckets, slot, i)))
            return false;
    return !has_slots_out(buckets, &buckets->table, slot);
}

/* Whether the key of an entry, of this table or of the one before, has a holding. */
static bool is_held(const struct buckets *buckets, const struct table *table, uint32_t slot)
{
    if (buckets->holdings.count == 0)
        return false;
    char key[KEY_MAX + 1];
    size_t key_len = table_key(table, slot, key);
    uint64_t salt = salt_of_line(&buckets->lines, table_line(table, slot));
    uint64_t hash = table_hash(table, key, key_len) ^ salt;
    return holdings_find(&buckets->holdings, hash, salt, key, key_len) != NULL;
}

/* Whether buckets_drop_if_idle would drop an entry. */
static bool would_drop(struct buckets *buckets, uint32_t slot)
{
    return buckets->lines.owners[table_line(&buckets->table, slot)] == EDITION_NONE ||
           !bring_up_to_date(buckets, slot) ||
           (is_idle(buckets, slot) && !is_held(buckets, &buckets->table, slot));
}

bool buckets_drop_if_idle(struct buckets *buckets, uint32_t slot)
{
    if (buckets->lines.owners[table_line(&buckets->table, slot)] == EDITION_NONE) {
        forget(buckets, slot);
        return true;
    }
    if (!bring_up_to_date(buckets, slot))
        return true;
    if (!is_idle(buckets, slot) || is_held(buckets, &buckets->table, slot))
        return false;
    buckets_drop(buckets, slot);
    buckets->counters->dropped_full++;
    return true;
}

void buckets_sweep(struct buckets *buckets, uint32_t slots)
{
    struct table *table = &buckets->table;
    for (uint32_t left = slots; left > 0 && !buckets_are_none(buckets); left--) {
        uint64_t laps = table->laps;
        uint32_t slot = table_sweep_look(table);
        if (slot != TABLE_NONE && !buckets_drop_if_idle(buckets, slot))
            table_sweep_keep(table);
        if (table->laps > laps)
            lines_swept(&buckets->lines);
    }
    if (buckets_are_none(buckets))
        lines_emptied(&buckets->lines);
}

/* ---- making room ---- */

/* Tokens, as an exact fraction. */
struct lack {
    uint64_t units, token_units;
};

static bool lacks_less(struct lack a, struct lack b)
{
    return (unsigned __int128)a.units * b.token_units < (unsigned __int128)b.units * a.token_units;
}

/* What forgetting an entry gives away: the most that one of its buckets lacks to be full. false: the
 * entry is pinned, because a bucket owes, and a debt must not be forgotten; or somebody waits, or
 * leases have slots out. */
static bool can_be_given_away(const struct buckets *buckets, uint32_t slot, struct lack *most)
{
    const struct line *line = line_of(buckets, slot);
    *most = (struct lack){0, 1};
    for (unsigned i = 0; i < line->count; i++) {
        const struct credit_line *credit = &line->credit[i];
        int64_t level = credit_level(credit, mark_of(buckets, slot, i));
        if (credit_has_slots(credit))
            continue;
        if (level < 0)
            return false;
        struct lack lack = {credit->cap_units - (uint64_t)level, credit->token_units};
        if (lacks_less(*most, lack))
            *most = lack;
    }
    return !is_held(buckets, &buckets->table, slot) &&
           !has_slots_out(buckets, &buckets->table, slot);
}

/* The entries that it looks at are those from the newcomer's own slot on. The keyed hash makes
 * that a random choice. */
bool buckets_make_room(struct buckets *buckets, uint64_t hash, uint32_t reserved, bool may_evict)
{
    struct table *table = &buckets->table;
    if (table->keys + reserved < table->max_keys)
        return true;

    struct lack least = {0, 0};
    uint32_t best = TABLE_NONE, probes = table->keys;
    if (probes > EVICTION_PROBES)
        probes = EVICTION_PROBES;
    for (uint32_t slot = table_home(table, hash); probes > 0; probes--) {
        slot = table_next_occupied(table, slot);
        if (slot == TABLE_NONE) { /* there are no keys, though damage had made it seem so */
            table->keys = 0;
            return reserved < table->max_keys;
        }
        if (buckets_drop_if_idle(buckets, slot))
            return true;
        struct lack lack;
        if (can_be_given_away(buckets, slot, &lack) &&
            (best == TABLE_NONE || lacks_less(lack, least))) {
            best = slot;
            least = lack;
        }
        slot = slot + 1 == table->slots ? 0 : slot + 1;
    }
    if (!may_evict || best == TABLE_NONE)
        return false;
    buckets_drop(buckets, best);
    buckets->counters->evicted++;
    return true;
}

/* The same walk: an entry that could go is room. */
bool buckets_have_room(struct buckets *buckets, uint64_t hash, bool may_evict)
{
    struct table *table = &buckets->table;
    struct lack lack;
    uint32_t probes = table->keys < EVICTION_PROBES ? table->keys : EVICTION_PROBES;
    if (table->keys < table->max_keys)
        return true;
    for (uint32_t slot = table_home(table, hash); probes > 0; probes--) {
        slot = table_next_occupied(table, slot);
        if (slot == TABLE_NONE || would_drop(buckets, slot) ||
            (may_evict && can_be_given_away(buckets, slot, &lack)))
            return true;
        slot = slot + 1 == table->slots ? 0 : slot + 1;
    }
    return false;
}

/* ---- another table ---- */

static void put(struct buckets *buckets, const struct table *from, uint32_t slot)
{
    char key[KEY_MAX + 1];
    uint64_t marks[BUCKETS_MAX];
    size_t key_len = table_key(from, slot, key);
    uint16_t number = table_line(from, slot);
    const struct line *line = &buckets->lines.line[number];
    uint64_t hash = table_hash(from, key, key_len) ^ salt_of_line(&buckets->lines, number);
    for (unsigned i = 0; i < line->count; i++)
        marks[i] = table_spent(from, slot, i);
    if (buckets_make_room(buckets, hash, 0, true))
        table_insert(&buckets->table, hash, key, key_len, number, marks, line->count);
    else
        buckets->counters->evicted++;
}

static bool is_pinned(const struct buckets *buckets, const struct table *table, uint32_t slot)
{
    const struct line *line = &buckets->lines.line[table_line(table, slot)];
    for (unsigned i = 0; i < line->count; i++)
        if (credit_level(&line->credit[i], credit_unseal(table_spent(table, slot, i))) < 0)
            return true;
    return is_held(buckets, table, slot) || has_slots_out(buckets, table, slot);
}

/* Puts the entries that are pinned, or those that are not. */
static void put_all(struct buckets *buckets, struct table *from, bool pinned)
{
    for (uint32_t at = 0, slot; at < from->slots; at = slot + 1) {
        slot = table_next_occupied(from, at);
        if (slot == TABLE_NONE || slot < at)
            break; /* there is no entry from here to the end */
        if (is_pinned(buckets, from, slot) == pinned)
            put(buckets, from, slot);
    }
}

void buckets_move(struct buckets *buckets, void *arena, uint32_t max_keys)
{
    uint64_t laps = buckets->table.laps;
    do
        buckets_sweep(buckets, buckets->table.slots);
    while (buckets->table.laps == laps && !buckets_are_none(buckets));
    struct table from = buckets->table;
    table_create(&buckets->table, arena, max_keys, from.seed, buckets->lines.owners);
    buckets->table.damage = from.damage;
    put_all(buckets, &from, true);
    put_all(buckets, &from, false);
    table_release(&from);
}
