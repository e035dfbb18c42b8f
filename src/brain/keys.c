#include "brain/keys.h"

#include "brain/core.h"
#include "brain/decide.h"
#include "brain/share_lists.h"
#include "brain/share_places.h"
#include "brain/shares.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- cursors ----
 *
 * A cursor is the tag from which the walk goes on, and half of that tag's keyed hash. So a cursor
 * that somebody made up, or that is of a process that is gone, is recognised.
 */

static uint64_t cursor_of(const struct table *table, uint32_t tag)
{
    return (uint64_t)tag << 32 |
           (uint32_t)table_hash(
               table,
               (const char[4]){(char)(tag >> 24), (char)(tag >> 16), (char)(tag >> 8), (char)tag},
               4);
}

static uint32_t tag_of_cursor(uint64_t cursor)
{
    return (uint32_t)(cursor >> 32);
}

static bool cursor_is_good(const struct table *table, uint64_t cursor)
{
    return cursor == KEYS_CURSOR_BEGIN || cursor == cursor_of(table, tag_of_cursor(cursor));
}

static uint32_t home_of(const struct table *table, uint32_t tag)
{
    return table_home(table, (uint64_t)tag << 32);
}

/* As many tags there are. */
#define TAGS (UINT64_C(1) << 32)

/* The first tag that belongs to a slot. */
static uint32_t first_tag(const struct table *table, uint32_t slot)
{
    return (uint32_t)((slot * TAGS + table->slots - 1) / table->slots);
}

/* ---- entries of the answer ---- */

struct search {
    struct brain *brain;
    const struct keys_question *ask;
    struct keys_answer *answer;
    int limit; /* the only one to show, or -1 */
};

static bool is_asked_for(const struct search *search, const char *key, size_t key_len)
{
    const struct keys_question *ask = search->ask;
    return key_len >= ask->prefix_len && memcmp(key, ask->prefix, ask->prefix_len) == 0;
}

static void fill_in(struct keys_entry *entry, const char *key, size_t key_len,
                    const struct bucket_answer *state, struct hitters_count denied)
{
    strcpy(entry->limit_name, state->limit->name);
    entry->shadow = state->limit->shadow;
    entry->active = state->active;
    entry->key_len = (uint8_t)key_len;
    memcpy(entry->key, key, key_len);
    entry->remaining_tokens = state->remaining_tokens;
    entry->owed_tokens = state->owed_tokens;
    entry->burst = allowance_shown_burst(state->allowance);
    entry->full_after_ms = state->full_after_ms;
    entry->denied = denied.count;
    entry->denied_error = denied.error;
}

static uint64_t hash_of(const struct brain *brain, uint32_t limit, const char *key, size_t key_len)
{
    return table_hash(&brain->buckets.table, key, key_len) ^ brain->buckets.salt[limit];
}

static struct hitters_count denials_of(const struct brain *brain, uint32_t limit, const char *key,
                                       size_t key_len)
{
    return hitters_look(&brain->denied, hash_of(brain, limit, key, key_len), key, key_len,
                        (uint16_t)limit);
}

static void fill_in_leases(const struct brain *brain, uint32_t limit, bool has_slots,
                           struct keys_entry *entry)
{
    entry->leases = 0;
    entry->slots = 0;
    if (brain->leases.held.count == 0)
        return;
    uint64_t hash = hash_of(brain, limit, entry->key, entry->key_len);
    const struct lease_key *key = leases_of_key(&brain->leases, hash, entry->key, entry->key_len);
    if (key == NULL)
        return;
    entry->leases = leases_key_held(&brain->leases, key);
    entry->slots = has_slots ? leases_key_slots(&brain->leases, key) : 0;
}

/* ---- the keys with the fewest tokens: a heap in `order`, the fullest of them on top ---- */

/* Whether an entry is fuller than a bucket with so many tokens, that owes so many and is full after so
 * long. */
static bool is_fuller(const struct keys_entry *entry, uint64_t remaining_tokens,
                      uint64_t owed_tokens, uint64_t full_after_ms)
{
    if (entry->remaining_tokens != remaining_tokens)
        return entry->remaining_tokens > remaining_tokens;
    if (entry->owed_tokens != owed_tokens)
        return entry->owed_tokens < owed_tokens;
    return entry->full_after_ms < full_after_ms;
}

static bool is_fuller_than(const struct keys_entry *entry, const struct keys_entry *other)
{
    return is_fuller(entry, other->remaining_tokens, other->owed_tokens, other->full_after_ms);
}

static bool is_fuller_at(const struct keys_answer *answer, uint32_t a, uint32_t b)
{
    return is_fuller_than(&answer->entry[answer->order[a]], &answer->entry[answer->order[b]]);
}

static void swap(struct keys_answer *answer, uint32_t a, uint32_t b)
{
    uint16_t kept = answer->order[a];
    answer->order[a] = answer->order[b];
    answer->order[b] = kept;
}

static void rise(struct keys_answer *answer, uint32_t at)
{
    for (; at > 0 && is_fuller_at(answer, at, (at - 1) / 2); at = (at - 1) / 2)
        swap(answer, at, (at - 1) / 2);
}

static void sink(struct keys_answer *answer)
{
    for (uint32_t at = 0, child; (child = 2 * at + 1) < answer->found; at = child) {
        if (child + 1 < answer->found && is_fuller_at(answer, child + 1, child))
            child++;
        if (!is_fuller_at(answer, child, at))
            return;
        swap(answer, at, child);
    }
}

/* The entry to fill in for a bucket of so many tokens; NULL: it is fuller than those there are. */
static struct keys_entry *make_room(const struct search *search, const struct bucket_answer *state)
{
    struct keys_answer *answer = search->answer;
    if (search->ask->sort != KEYS_BY_REMAINING || answer->found < search->ask->count) {
        answer->order[answer->found] = (uint16_t)answer->found;
        return &answer->entry[answer->found++];
    }
    struct keys_entry *fullest = &answer->entry[answer->order[0]];
    bool is_emptier =
        is_fuller(fullest, state->remaining_tokens, state->owed_tokens, state->full_after_ms);
    return is_emptier ? fullest : NULL;
}

static void show(const struct search *search, uint32_t limit, const char *key, size_t key_len,
                 const struct bucket_answer *state)
{
    struct keys_answer *answer = search->answer;
    uint32_t found = answer->found;
    struct keys_entry *entry = make_room(search, state);
    if (entry == NULL)
        return;
    fill_in(entry, key, key_len, state, denials_of(search->brain, limit, key, key_len));
    fill_in_leases(search->brain, limit, state->allowance->slots > 0, entry);
    if (search->ask->sort != KEYS_BY_REMAINING)
        return;
    if (answer->found > found)
        rise(answer, found);
    else
        sink(answer);
}

/* ---- the walk ---- */

/* The place of an entry, given the line in force for it and that line's owner. */
static struct place place_of(const struct brain *brain, uint16_t owner, uint16_t line)
{
    const struct lines *lines = &brain->buckets.lines;
    return (struct place){
        .limit = (int)lines->edition[owner].limit,
        .override = lines->line[line].index - 1,
        .owner = owner,
        .line = line,
        .denied_until_s = OVERRIDE_FOR_EVER,
    };
}

/* Shows a slot's entry if it is asked for and not full. It changes nothing: carrying entries over
 * and dropping idle ones is left to the sweep. */
static void look_at_entry(const struct search *search, uint32_t slot)
{
    const struct brain *brain = search->brain;
    const struct lines *lines = &brain->buckets.lines;
    const struct table *table = &brain->buckets.table;
    uint16_t line = table_line(table, slot), owner = lines->owners[line];
    search->answer->looked_at++;
    if (owner == EDITION_NONE || (search->limit >= 0 && owner != lines->of_limit[search->limit]))
        return;

    char key[KEY_MAX + 1];
    size_t key_len = table_key(table, slot, key);
    if (!is_asked_for(search, key, key_len))
        return;
    uint64_t marks[BUCKETS_MAX];
    for (unsigned i = 0; i < lines->line[line].count; i++)
        marks[i] = credit_unseal(table_spent(table, slot, i));
    if (!lines_is_in_force(lines, line))
        line = lines_carry(lines, line, key, marks);
    struct place place = place_of(brain, owner, line);
    if (brain->buckets.holdings.count > 0 || brain->leases.held.count > 0)
        place.hash = hash_of(brain, (uint32_t)place.limit, key, key_len);
    buckets_count_slots(&brain->buckets, &lines->line[line], place.hash, key, key_len, marks);
    struct bucket_answer state;
    decide_describe(brain, &place, buckets_holding(&brain->buckets, &place, key, key_len),
                    (struct demand){0, 0}, BUCKET_ALLOWED, marks, &state);
    if (state.active)
        show(search, (uint32_t)place.limit, key, key_len, &state);
}

/* The same of a share, if it is asked for and not full as far as is known. */
static void look_at_share(const struct search *search, const struct share *share)
{
    const struct bucket_question ask = {.key = share->key, .key_len = share->key_len};
    struct bucket_answer state;
    struct place place;
    search->answer->looked_at++;
    if (!is_asked_for(search, share->key, share->key_len) ||
        !share_place(search->brain, share, &place) ||
        (search->limit >= 0 && place.limit != search->limit))
        return;
    share_foresee(search->brain, MESSAGE_STATUS, &place, &ask, &state);
    if (state.active)
        show(search, (uint32_t)place.limit, share->key, share->key_len, &state);
}

/* What belongs to a slot: an entry of the table, or a share. */
struct tagged {
    uint32_t tag, slot;
    const struct share *share; /* NULL: an entry */
};

static void look_at(const struct search *search, const struct tagged *tagged)
{
    if (tagged->share == NULL)
        look_at_entry(search, tagged->slot);
    else
        look_at_share(search, tagged->share);
}

/* Puts it among those found, by tag. Returns how many there are then. */
static unsigned put_in(struct tagged found[KEYS_PLACE_MAX], unsigned count, struct tagged one)
{
    unsigned at = count;
    if (count == KEYS_PLACE_MAX)
        return count;
    for (; at > 0 && found[at - 1].tag > one.tag; at--)
        found[at] = found[at - 1];
    found[at] = one;
    return count + 1;
}

/* The shares whose keys would belong to a slot of the table, likewise. */
static unsigned collect_shares(const struct brain *brain, uint32_t home, uint32_t from_tag,
                               struct tagged found[KEYS_PLACE_MAX], unsigned count)
{
    const struct table *table = &brain->buckets.table;
    const struct shares *shares = &brain->shares;
    uint64_t first = (uint64_t)first_tag(table, home) << 32;
    uint64_t last =
        home + 1 == table->slots ? UINT64_MAX : ((uint64_t)first_tag(table, home + 1) << 32) - 1;
    if (shares->count == 0)
        return count;
    for (uint64_t slot = share_book_slot(shares, first); slot <= share_book_slot(shares, last);
         slot++)
        for (const struct share *share = shares->index[slot]; share != NULL; share = share->next) {
            uint32_t tag = (uint32_t)(share->hash >> 32);
            if (home_of(table, tag) == home && tag >= from_tag)
                count = put_in(found, count, (struct tagged){tag, 0, share});
        }
    return count;
}

/* Checks what another process left up to the next empty slot, before any of it is looked at:
 * checking may move entries. */
static void settle_all(struct table *table, uint32_t home)
{
    uint32_t tag, slot = home;
    for (uint32_t left = table->slots; left > 0 && table_look(table, slot, &tag); left--)
        slot = slot + 1 == table->slots ? 0 : slot + 1;
}

/* The entries that belong to a slot, from a tag on, sorted by tag. With a keyed hash and a table
 * two thirds full, the probability that more than KEYS_PLACE_MAX belong to a slot is 10^-41. */
static unsigned collect(struct table *table, uint32_t home, uint32_t from_tag,
                        struct tagged found[KEYS_PLACE_MAX], uint32_t *slots)
{
    unsigned count = 0;
    uint32_t tag;
    if (table_is_in_doubt(table))
        settle_all(table, home);
    for (uint32_t slot = home; table_look(table, slot, &tag);
         slot = slot + 1 == table->slots ? 0 : slot + 1) {
        ++*slots;
        if (home_of(table, tag) == home && tag >= from_tag)
            count = put_in(found, count, (struct tagged){tag, slot, NULL});
    }
    ++*slots;
    return count;
}

/* Shows the entries that belong to a slot. false: there is no room for those from *from_tag on.
 * Entries of the same tag are shown together, because no cursor can point between them: if the
 * page is still empty, they may go beyond its count. */
static bool look_at_home(const struct search *search, uint32_t home, uint32_t *from_tag,
                         uint32_t *slots)
{
    struct tagged tagged[KEYS_PLACE_MAX];
    struct keys_answer *answer = search->answer;
    unsigned count = collect(&search->brain->buckets.table, home, *from_tag, tagged, slots);
    count = collect_shares(search->brain, home, *from_tag, tagged, count);
    for (unsigned i = 0, next; i < count; i = next) {
        uint32_t found = answer->found, looked_at = (uint32_t)answer->looked_at;
        *from_tag = tagged[i].tag;
        if (search->ask->sort == KEYS_IN_TABLE && found >= search->ask->count)
            return false;
        for (next = i; next < count && tagged[next].tag == tagged[i].tag; next++)
            look_at(search, &tagged[next]);
        if (answer->found > search->ask->count && found > 0) {
            answer->found = found;
            answer->looked_at = looked_at;
            return false;
        }
    }
    return true;
}

static void stop_at(const struct search *search, enum keys_result result, uint32_t tag)
{
    search->answer->result = result;
    search->answer->cursor = cursor_of(&search->brain->buckets.table, tag);
}

static void walk(const struct search *search)
{
    const struct table *table = &search->brain->buckets.table;
    struct keys_answer *answer = search->answer;
    uint32_t tag = tag_of_cursor(answer->cursor), slots = 0;
    uint64_t enough = answer->looked_at + KEYS_LOOK_ENTRIES;
    for (uint32_t home = home_of(table, tag); home < table->slots; home++) {
        if (slots >= KEYS_LOOK_SLOTS || answer->looked_at >= enough) {
            stop_at(search, KEYS_GOES_ON, first_tag(table, home));
            return;
        }
        if (!look_at_home(search, home, &tag, &slots)) {
            stop_at(search, KEYS_FULL, tag);
            return;
        }
    }
    answer->result = KEYS_ENDED;
}

/* ---- the denied ---- */

/* Shows a key as STATUS would, whether it is in the table or not. */
static void show_denied(const struct search *search, const struct hitters_counter *counter)
{
    struct brain *brain = search->brain;
    char key[KEY_MAX + 1];
    memcpy(key, counter->key, counter->key_len);
    key[counter->key_len] = '\0';
    const char *name = brain->limits->limit[counter->label].name;
    const struct bucket_question status = {
        .key = key,
        .key_len = counter->key_len,
        .limit_name = name,
        .limit_name_len = strlen(name),
    };
    struct place place = buckets_place(&brain->buckets, brain->limits, &status);
    struct bucket_answer state;
    if (shares_concern(brain, &place)) {
        share_foresee(brain, MESSAGE_STATUS, &place, &status, &state);
        show(search, counter->label, key, counter->key_len, &state);
        return;
    }
    uint32_t slot = buckets_find(&brain->buckets, &place, &status);
    uint64_t marks[BUCKETS_MAX];
    buckets_marks(&brain->buckets, &place, &status, slot, marks);
    decide_describe(brain, &place, buckets_holding(&brain->buckets, &place, key, counter->key_len),
                    (struct demand){0, 0}, BUCKET_ALLOWED, marks, &state);
    show(search, counter->label, key, counter->key_len, &state);
}

static void list_denied(const struct search *search)
{
    struct hitters_listed listed[HITTERS_LISTED_MAX];
    size_t count = hitters_list(&search->brain->denied, listed);
    search->answer->looked_at = count;
    for (size_t i = 0; i < count && search->answer->found < search->ask->count; i++) {
        const struct hitters_counter *counter = listed[i].counter;
        bool is_of_limit = search->limit < 0 || counter->label == search->limit;
        if (is_of_limit && is_asked_for(search, counter->key, counter->key_len))
            show_denied(search, counter);
    }
    search->answer->result = KEYS_ENDED;
}

/* ---- the whole ---- */

static uint64_t denied_over_ms(const struct brain *brain)
{
    uint64_t over_ns = brain->now_ns - brain->denied.began_ns +
                       (HITTERS_WINDOWS - 1) * (HITTERS_WINDOW_S * NS_PER_S);
    uint64_t uptime_ns = brain->now_ns - brain->started_ns;
    return (over_ns < uptime_ns ? over_ns : uptime_ns) / NS_PER_MS;
}

void keys_answer(struct brain *brain, const struct keys_question *ask, struct keys_answer *answer)
{
    struct search search = {brain, ask, answer, .limit = -1};
    if (!cursor_is_good(&brain->buckets.table, answer->cursor)) {
        answer->result = KEYS_BAD_CURSOR;
        return;
    }
    if (ask->limit_name != NULL) {
        search.limit = limits_find(brain->limits, ask->limit_name, ask->limit_name_len);
        if (search.limit < 0) {
            answer->result = KEYS_NO_SUCH_LIMIT;
            return;
        }
    }
    hitters_advance(&brain->denied, brain->now_ns);
    answer->looks++;
    answer->tracked = brain->buckets.table.keys + brain->shares.count;
    answer->denied_over_ms = denied_over_ms(brain);
    if (ask->sort == KEYS_BY_DENIED)
        list_denied(&search);
    else
        walk(&search);
}

/* ---- the asker's ---- */

size_t keys_answer_bytes(uint32_t count)
{
    return sizeof(struct keys_answer) +
           (count + (size_t)KEYS_PLACE_MAX) * sizeof(struct keys_entry);
}

void keys_answer_begin(struct keys_answer *answer, uint64_t cursor)
{
    answer->looks = 0;
    answer->looked_at = 0;
    answer->found = 0;
    answer->cursor = cursor;
}

bool keys_wants_more(const struct keys_question *ask, const struct keys_answer *answer)
{
    return answer->result == KEYS_GOES_ON && answer->looks < KEYS_LOOKS_MAX &&
           (ask->sort == KEYS_BY_REMAINING || answer->found < ask->count);
}

static int compare_fullness(const void *left, const void *right, void *entries)
{
    const struct keys_entry *a = (const struct keys_entry *)entries + *(const uint16_t *)left;
    const struct keys_entry *b = (const struct keys_entry *)entries + *(const uint16_t *)right;
    if (is_fuller_than(a, b))
        return 1;
    return is_fuller_than(b, a) ? -1 : 0;
}

void keys_arrange(const struct keys_question *ask, struct keys_answer *answer)
{
    if (ask->sort == KEYS_BY_REMAINING)
        qsort_r(answer->order, answer->found, sizeof answer->order[0], compare_fullness,
                answer->entry);
}
