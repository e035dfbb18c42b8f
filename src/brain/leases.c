#include "brain/leases.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NIL LEASE_NONE_NUMBER

static_assert(LEASE_ID_BYTES == LEASE_RECORD_ID_BYTES, "an id is an id");
static_assert(LEASES_MAX < NIL / 2, "NIL is no number");

/* ---- memory ---- */

static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static size_t places_for(uint32_t count)
{
    size_t places = 1;
    while (places < count)
        places *= 2;
    return places;
}

/* Lays everything out in one mapping, of which pages are touched only as leases come. */
static bool lay_out(struct leases *leases)
{
    size_t count = leases->records.count, places = places_for(leases->records.count);
    size_t at_node = count * sizeof(struct lease);
    size_t at_by_key = at_node + count * sizeof(struct lease_node);
    size_t at_by_id = at_by_key + places * sizeof(struct lease_key *);
    size_t at_held = at_by_id + places * sizeof(uint32_t);
    size_t at_remembered = at_held + count * sizeof(uint32_t);
    leases->bytes = at_remembered + count * sizeof(uint32_t);
    leases->mask = places - 1;
    unsigned char *memory = map(leases->bytes);
    if (memory == NULL)
        return false;
    leases->lease = (struct lease *)memory;
    leases->node = (struct lease_node *)(memory + at_node);
    leases->by_key = (struct lease_key **)(memory + at_by_key);
    leases->by_id = (uint32_t *)(memory + at_by_id);
    leases->held.number = (uint32_t *)(memory + at_held);
    leases->remembered.number = (uint32_t *)(memory + at_remembered);
    return true;
}
static_assert(sizeof(struct lease) % 8 == 0 && sizeof(struct lease_node) % 8 == 0,
              "what comes behind them is aligned");

bool leases_init(struct leases *leases, void *records, uint32_t max_leases)
{
    void *memory = records != NULL ? records : map(lease_records_bytes(max_leases));
    if (memory == NULL)
        return false;
    *leases = (struct leases){
        .records = lease_records_at(memory, max_leases),
        .owns_records = records == NULL,
        .max_leases = max_leases,
        .free = NIL,
    };
    if (lay_out(leases))
        return true;
    if (leases->owns_records)
        munmap(memory, lease_records_bytes(max_leases));
    return false;
}

void leases_release(struct leases *leases)
{
    for (size_t i = 0; i <= leases->mask; i++)
        for (struct lease_key *key = leases->by_key[i], *next; key != NULL; key = next) {
            next = key->next;
            free(key);
        }
    free(leases->spare);
    munmap(leases->lease, leases->bytes);
    if (leases->owns_records)
        munmap(leases->records.head, lease_records_bytes(leases->max_leases));
}

/* ---- heaps ---- */

static bool is_due_before(const struct leases *leases, uint32_t a, uint32_t b)
{
    return leases->lease[a].due_ns < leases->lease[b].due_ns;
}

static void heap_put(struct leases *leases, struct lease_heap *heap, uint32_t place,
                     uint32_t number)
{
    heap->number[place] = number;
    leases->lease[number].heap_place = place;
}

/* Puts a number where it belongs, from a place on that is free. */
static void heap_rise(struct leases *leases, struct lease_heap *heap, uint32_t place,
                      uint32_t number)
{
    for (; place > 0 && is_due_before(leases, number, heap->number[(place - 1) / 2]);
         place = (place - 1) / 2)
        heap_put(leases, heap, place, heap->number[(place - 1) / 2]);
    heap_put(leases, heap, place, number);
}

static void heap_sink(struct leases *leases, struct lease_heap *heap, uint32_t place,
                      uint32_t number)
{
    for (uint32_t child; (child = 2 * place + 1) < heap->count; place = child) {
        if (child + 1 < heap->count &&
            is_due_before(leases, heap->number[child + 1], heap->number[child]))
            child++;
        if (!is_due_before(leases, heap->number[child], number))
            break;
        heap_put(leases, heap, place, heap->number[child]);
    }
    heap_put(leases, heap, place, number);
}

static void heap_settle(struct leases *leases, struct lease_heap *heap, uint32_t place,
                        uint32_t number)
{
    if (place > 0 && is_due_before(leases, number, heap->number[(place - 1) / 2]))
        heap_rise(leases, heap, place, number);
    else
        heap_sink(leases, heap, place, number);
}

static void heap_add(struct leases *leases, struct lease_heap *heap, uint32_t number)
{
    heap_rise(leases, heap, heap->count++, number);
}

static void heap_remove(struct leases *leases, struct lease_heap *heap, uint32_t number)
{
    uint32_t place = leases->lease[number].heap_place, last = heap->number[--heap->count];
    if (last != number)
        heap_settle(leases, heap, place, last);
}

/* ---- the index by id: ids are random, so any of their bits will do ---- */

static uint32_t *id_place(const struct leases *leases, const struct lease_id *id)
{
    uint64_t bits;
    memcpy(&bits, id->bytes, sizeof bits);
    return &leases->by_id[bits & leases->mask];
}

static void id_add(struct leases *leases, uint32_t number)
{
    uint32_t *place = id_place(leases, &leases->lease[number].id);
    leases->lease[number].next = *place;
    *place = number + 1;
}

static void id_remove(struct leases *leases, uint32_t number)
{
    uint32_t *place = id_place(leases, &leases->lease[number].id);
    while (*place != number + 1)
        place = &leases->lease[*place - 1].next;
    *place = leases->lease[number].next;
}

static bool is_remembered(const struct leases *leases, uint32_t number)
{
    return leases->lease[number].state == LEASE_HELD || !leases_has_ended(leases, number);
}

/* An id is a right, so it is compared whole, however many of its bytes are the same. */
static bool is_same_id(const struct lease_id *a, const struct lease_id *b)
{
    unsigned differ = 0;
    for (size_t i = 0; i < LEASE_ID_BYTES; i++)
        differ |= (unsigned)(a->bytes[i] ^ b->bytes[i]);
    return differ == 0;
}

uint32_t leases_find(const struct leases *leases, const struct lease_id *id)
{
    uint32_t at = *id_place(leases, id);
    while (at != 0 && !is_same_id(&leases->lease[at - 1].id, id))
        at = leases->lease[at - 1].next;
    return at != 0 && is_remembered(leases, at - 1) ? at - 1 : NIL;
}

/* ---- the index by key ---- */

static struct lease_key **key_place(const struct leases *leases, uint64_t hash)
{
    return &leases->by_key[hash & leases->mask];
}

struct lease_key *leases_of_key(const struct leases *leases, uint64_t hash, const char *key,
                                size_t key_len)
{
    struct lease_key *at = *key_place(leases, hash);
    while (at != NULL &&
           (at->hash != hash || at->key_len != key_len || memcmp(at->key, key, key_len) != 0))
        at = at->next;
    return at;
}

struct lease_key *leases_by_hash(const struct leases *leases, uint64_t hash)
{
    struct lease_key *at = *key_place(leases, hash);
    while (at != NULL && at->hash != hash)
        at = at->next;
    return at;
}

bool leases_make_ready(struct leases *leases)
{
    if (leases->spare == NULL)
        leases->spare = malloc(sizeof *leases->spare + KEY_MAX + 1);
    return leases->spare != NULL;
}

/* Gives back what is more than a key of this length needs. */
static void fit(struct lease_key **key, size_t key_len)
{
    struct lease_key *fitting = realloc(*key, sizeof **key + key_len + 1);
    if (fitting != NULL)
        *key = fitting;
}

/* The key of these terms, made if it has no lease yet; NULL: no memory. */
static struct lease_key *take_key(struct leases *leases, const struct lease_terms *terms,
                                  uint64_t hash)
{
    struct lease_key *key = leases_of_key(leases, hash, terms->key, terms->key_len);
    if (key != NULL)
        return key;
    if (!leases_make_ready(leases))
        return NULL;
    key = leases->spare;
    leases->spare = NULL;
    fit(&key, terms->key_len);
    struct lease_key **place = key_place(leases, hash);
    *key = (struct lease_key){
        .next = *place,
        .hash = hash,
        .salt = terms->salt,
        .settled_ns = leases->now_ns,
        .next_end_ns = UINT64_MAX,
        .root = NIL,
        .key_len = terms->key_len,
    };
    memcpy(key->key, terms->key, terms->key_len);
    key->key[terms->key_len] = '\0';
    *place = key;
    return key;
}

static void give_key_back(struct leases *leases, struct lease_key *key)
{
    if (--key->known > 0)
        return;
    struct lease_key **place = key_place(leases, key->hash);
    while (*place != key)
        place = &(*place)->next;
    *place = key->next;
    free(key);
}

static void find_next_end(const struct leases *leases, struct lease_key *key)
{
    key->next_end_ns = lease_tree_next_end_ns(leases->node, key->root, key->settled_ns);
}

/* ---- numbers ---- */

static uint32_t take_number(struct leases *leases)
{
    uint32_t number = leases->free;
    if (number == NIL)
        return leases->used++;
    leases->free = leases->lease[number].next;
    return number;
}

static void give_number_back(struct leases *leases, uint32_t number)
{
    leases->lease[number].state = LEASE_NONE;
    leases->lease[number].next = leases->free;
    leases->free = number;
}

/* ---- entering and leaving ---- */

static uint32_t priority_of(const struct lease_id *id)
{
    uint32_t bits;
    memcpy(&bits, id->bytes + LEASE_ID_BYTES - sizeof bits, sizeof bits);
    return bits * UINT32_C(0x9e3779b1); /* tests count their ids */
}

/* Enters a lease, in any state, under a number that is free. false: no memory. */
static bool enter(struct leases *leases, uint32_t number, const struct lease_terms *terms,
                  uint64_t hash)
{
    struct lease_key *key = take_key(leases, terms, hash);
    if (key == NULL)
        return false;
    key->known++;
    struct lease *lease = &leases->lease[number];
    *lease = (struct lease){.key = key, .ttl_ms = terms->ttl_ms};
    memcpy(lease->id.bytes, terms->id, sizeof lease->id.bytes);
    leases->node[number] = (struct lease_node){
        .tokens = terms->tokens,
        .slots = terms->slots,
        .priority = priority_of(&lease->id),
    };
    id_add(leases, number);
    return true;
}

static void hold(struct leases *leases, uint32_t number, uint64_t end_ns)
{
    struct lease *lease = &leases->lease[number];
    lease->state = LEASE_HELD;
    lease->due_ns = leases->node[number].end_ns = end_ns;
    lease->key->held++;
    lease_tree_add(leases->node, &lease->key->root, number);
    find_next_end(leases, lease->key);
    heap_add(leases, &leases->held, number);
}

static void hold_no_more(struct leases *leases, uint32_t number)
{
    struct lease_key *key = leases->lease[number].key;
    heap_remove(leases, &leases->held, number);
    lease_tree_remove(leases->node, &key->root, number);
    key->held--;
    find_next_end(leases, key);
}

static void forget(struct leases *leases, uint32_t number)
{
    lease_record_free(&leases->records, number);
    heap_remove(leases, &leases->remembered, number);
    id_remove(leases, number);
    give_key_back(leases, leases->lease[number].key);
    give_number_back(leases, number);
}

/* Call it before one more record says that it is to be remembered: records are never more than they
 * have room for, whenever the process ends. */
static void make_room(struct leases *leases)
{
    if (leases->remembered.count >= leases->max_leases)
        forget(leases, lease_heap_top(&leases->remembered));
}

static void remember(struct leases *leases, uint32_t number, enum lease_state state,
                     uint64_t until_ns)
{
    leases->lease[number].state = state;
    leases->lease[number].due_ns = until_ns;
    heap_add(leases, &leases->remembered, number);
}

static uint64_t ttl_ns(const struct lease *lease)
{
    return lease->ttl_ms * (uint64_t)NS_PER_MS;
}

/* ---- changes ---- */

void leases_hold(struct leases *leases, const struct lease_terms *terms, uint64_t hash,
                 uint64_t end_ns)
{
    assert(!leases_are_full(leases) && end_ns > leases->now_ns);
    uint32_t number = take_number(leases);
    bool is_in = enter(leases, number, terms, hash);
    assert(is_in);
    (void)is_in;
    lease_record_hold(&leases->records, number, terms, end_ns);
    hold(leases, number, end_ns);
}

void leases_renew(struct leases *leases, uint32_t number, uint64_t end_ns)
{
    assert(!leases_has_ended(leases, number) && end_ns > leases->now_ns);
    lease_record_renew(&leases->records, number, end_ns);
    hold_no_more(leases, number);
    hold(leases, number, end_ns);
}

/* How the record of one that was let go calls its state. */
static enum lease_record_state record_state(enum lease_state state)
{
    assert(state == LEASE_RELEASED || state == LEASE_LOST_LIMIT);
    return state == LEASE_RELEASED ? LEASE_RECORD_RELEASED : LEASE_RECORD_LOST;
}

void leases_let_go(struct leases *leases, uint32_t number, enum lease_state state,
                   const struct lease_outcome *outcome)
{
    struct lease *lease = &leases->lease[number];
    make_room(leases);
    lease->outcome = *outcome;
    lease->outcome.until_ns += leases->now_ns + ttl_ns(lease);
    lease_record_release(&leases->records, number, record_state(state), &lease->outcome);
    hold_no_more(leases, number);
    remember(leases, number, state, lease->outcome.until_ns);
}

void leases_expire(struct leases *leases, uint32_t number)
{
    struct lease *lease = &leases->lease[number];
    make_room(leases);
    lease_record_expire(&leases->records, number);
    hold_no_more(leases, number);
    remember(leases, number, LEASE_EXPIRED, lease->due_ns + ttl_ns(lease));
}

bool leases_forget(struct leases *leases)
{
    uint32_t first = lease_heap_top(&leases->remembered);
    if (first == NIL || !leases_has_ended(leases, first))
        return false;
    forget(leases, first);
    return true;
}

/* ---- the leases of a key ---- */

static struct lease_sum out_now(const struct leases *leases, const struct lease_key *key)
{
    return lease_tree_between(leases->node, key->root, leases->now_ns, UINT64_MAX);
}

uint64_t leases_key_slots(const struct leases *leases, const struct lease_key *key)
{
    return out_now(leases, key).slots;
}

uint32_t leases_key_held(const struct leases *leases, const struct lease_key *key)
{
    return out_now(leases, key).count;
}

uint64_t leases_key_next_slots_ns(const struct leases *leases, const struct lease_key *key)
{
    return lease_tree_next_slots_ns(leases->node, key->root, leases->now_ns);
}

uint64_t leases_key_last_slots_ns(const struct leases *leases, const struct lease_key *key)
{
    return lease_tree_last_slots_ns(leases->node, key->root);
}

uint64_t leases_key_settle(const struct leases *leases, struct lease_key *key)
{
    struct lease_sum ended =
        lease_tree_between(leases->node, key->root, key->settled_ns, leases->now_ns);
    key->settled_ns = leases->now_ns;
    find_next_end(leases, key);
    return ended.tokens;
}

/* ---- from one process to the next, and from one memory to another ---- */

/* No lease lasts longer, whatever damage made of its end. */
static uint64_t latest_end_ns(const struct leases *leases)
{
    return leases->now_ns + LEASE_TTL_MAX_MS * (uint64_t)NS_PER_MS;
}

/* Takes up what is in a record. false: no memory. */
static bool adopt_record(struct leases *leases, uint32_t number, const struct table *table,
                         uint32_t *damaged)
{
    struct lease_terms terms;
    struct lease_outcome outcome = {0};
    uint64_t end_ns;
    enum lease_record_state state =
        lease_record_read(&leases->records, number, &terms, &end_ns, &outcome);
    if (state == LEASE_RECORD_FREE || state == LEASE_RECORD_DAMAGED) {
        *damaged += state == LEASE_RECORD_DAMAGED;
        lease_record_free(&leases->records, number);
        give_number_back(leases, number);
        return true;
    }
    if (!enter(leases, number, &terms, table_hash(table, terms.key, terms.key_len) ^ terms.salt))
        return false;
    struct lease *lease = &leases->lease[number];
    lease->outcome = outcome;
    if (state != LEASE_RECORD_HELD)
        make_room(leases);
    if (state == LEASE_RECORD_HELD)
        hold(leases, number, end_ns < latest_end_ns(leases) ? end_ns : latest_end_ns(leases));
    else if (state == LEASE_RECORD_EXPIRED)
        remember(leases, number, LEASE_EXPIRED, end_ns + ttl_ns(lease));
    else
        remember(leases, number, state == LEASE_RECORD_RELEASED ? LEASE_RELEASED : LEASE_LOST_LIMIT,
                 outcome.until_ns);
    return true;
}

bool leases_adopt(struct leases *leases, void *records, uint32_t max_leases,
                  const struct table *table, uint64_t settled_ns, uint32_t *damaged)
{
    *damaged = 0;
    if (!leases_init(leases, records, max_leases))
        return false;
    leases->now_ns = settled_ns;
    leases->used = lease_records_used(&leases->records);
    for (uint32_t number = leases->used; number-- > 0;)
        if (!adopt_record(leases, number, table, damaged)) {
            leases_release(leases);
            return false;
        }
    return true;
}

static struct lease_terms terms_of(const struct leases *leases, uint32_t number)
{
    const struct lease *lease = &leases->lease[number];
    const struct lease_node *node = &leases->node[number];
    struct lease_terms terms = {
        .salt = lease->key->salt,
        .tokens = node->tokens,
        .slots = node->slots,
        .ttl_ms = lease->ttl_ms,
        .key_len = lease->key->key_len,
    };
    memcpy(terms.id, lease->id.bytes, sizeof terms.id);
    memcpy(terms.key, lease->key->key, terms.key_len);
    return terms;
}

/* Writes a record as the lease of a number is, which may be one in other records. */
static void write_record(const struct lease_records *records, uint32_t at,
                         const struct leases *leases, uint32_t number)
{
    const struct lease *lease = &leases->lease[number];
    const struct lease_terms terms = terms_of(leases, number);
    lease_record_free(records, at);
    lease_record_hold(records, at, &terms, leases->node[number].end_ns);
    if (lease->state == LEASE_EXPIRED)
        lease_record_expire(records, at);
    else if (lease->state != LEASE_HELD)
        lease_record_release(records, at, record_state(lease->state), &lease->outcome);
}

void leases_write_anew(struct leases *leases)
{
    for (uint32_t number = 0; number < leases->used; number++) {
        if (leases->lease[number].state == LEASE_NONE)
            lease_record_free(&leases->records, number);
        else
            write_record(&leases->records, number, leases, number);
    }
}

/* The same lease under another number, in other records. false: no memory. */
static bool move_one(const struct leases *from, uint32_t old, struct leases *to)
{
    const struct lease *lease = &from->lease[old];
    const struct lease_terms terms = terms_of(from, old);
    uint32_t number = take_number(to);
    if (!enter(to, number, &terms, lease->key->hash))
        return false;
    struct lease *moved = &to->lease[number];
    moved->outcome = lease->outcome;
    moved->key->settled_ns = lease->key->settled_ns;
    write_record(&to->records, number, from, old);
    if (lease->state == LEASE_HELD)
        hold(to, number, from->node[old].end_ns);
    else
        remember(to, number, lease->state, lease->due_ns);
    return true;
}

/* Takes what a heap has out of it, in order, and moves all but the first `dropped`. */
static bool move_heap(struct leases *from, struct lease_heap *heap, uint32_t dropped,
                      struct leases *to)
{
    while (heap->count > 0) {
        uint32_t number = lease_heap_top(heap);
        heap_remove(from, heap, number);
        if (dropped > 0)
            dropped--;
        else if (!move_one(from, number, to))
            return false;
    }
    return true;
}

static uint32_t beyond(uint32_t count, uint32_t room)
{
    return count > room ? count - room : 0;
}

bool leases_move(struct leases *leases, void *records, uint32_t max_leases, uint32_t *dropped)
{
    struct leases next;
    if (!leases_init(&next, records, max_leases))
        return false;
    next.now_ns = leases->now_ns;
    *dropped = beyond(leases->held.count, max_leases);
    uint32_t not_remembered = beyond(leases->remembered.count, max_leases);
    bool is_whole = move_heap(leases, &leases->held, *dropped, &next) &&
                    move_heap(leases, &leases->remembered, not_remembered, &next);
    leases_release(leases);
    *leases = next;
    return is_whole;
}
