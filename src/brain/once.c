#include "brain/once.h"

#include <assert.h>
#include <string.h>

static_assert(ONCE_ANSWERS_MAX < UINT16_MAX, "each has a number");
static_assert(sizeof(struct once) <= (size_t)8 << 20, "SECURITY.md says so");

static struct once_entry *entry_of(struct once *once, uint16_t number)
{
    return &once->entries[number - 1];
}

/* ---- lists and index ---- */

static void list_add(struct once *once, struct once_list *list, uint16_t number)
{
    struct once_entry *entry = entry_of(once, number);
    entry->newer = 0;
    entry->older = list->newest;
    if (list->newest == 0)
        list->oldest = number;
    else
        entry_of(once, list->newest)->newer = number;
    list->newest = number;
}

static void list_remove(struct once *once, struct once_list *list, uint16_t number)
{
    const struct once_entry *entry = entry_of(once, number);
    if (entry->older == 0)
        list->oldest = entry->newer;
    else
        entry_of(once, entry->older)->newer = entry->newer;
    if (entry->newer == 0)
        list->newest = entry->older;
    else
        entry_of(once, entry->newer)->older = entry->older;
}

static struct once_list *list_of(struct once *once, const struct once_entry *entry)
{
    return entry->waiting != NULL ? &once->waiting : &once->answered;
}

static uint16_t *index_at(struct once *once, uint64_t hash)
{
    return &once->index[hash % ONCE_INDEX_SIZE];
}

static uint16_t find(struct once *once, uint64_t hash, const char *name, size_t name_len)
{
    uint16_t number = *index_at(once, hash);
    for (; number != 0; number = entry_of(once, number)->next) {
        const struct once_entry *entry = entry_of(once, number);
        if (entry->hash == hash && entry->name_len == name_len &&
            memcmp(entry->name, name, name_len) == 0)
            break;
    }
    return number;
}

static void forget(struct once *once, uint16_t number)
{
    struct once_entry *entry = entry_of(once, number);
    uint16_t *at = index_at(once, entry->hash);
    while (*at != number)
        at = &entry_of(once, *at)->next;
    *at = entry->next;
    list_remove(once, list_of(once, entry), number);
    limits_release(entry->limits);
    entry->limits = NULL;
    entry->next = once->free;
    once->free = number;
}

static uint16_t make_room(struct once *once)
{
    if (once->free == 0 && once->used < ONCE_ANSWERS_MAX)
        return (uint16_t)++once->used;
    if (once->free == 0)
        forget(once, once->answered.oldest != 0 ? once->answered.oldest : once->waiting.oldest);
    uint16_t number = once->free;
    once->free = entry_of(once, number)->next;
    return number;
}

void once_release(struct once *once)
{
    while (once->answered.oldest != 0)
        forget(once, once->answered.oldest);
    while (once->waiting.oldest != 0)
        forget(once, once->waiting.oldest);
}

void once_advance(struct once *once, uint64_t now_ns)
{
    while (once->answered.oldest != 0 &&
           now_ns - entry_of(once, once->answered.oldest)->answered_ns >= ONCE_KEPT_S * NS_PER_S)
        forget(once, once->answered.oldest);
}

/* ---- questions ---- */

static char *add_text(char *at, const char *text, size_t len)
{
    *at++ = (char)len;
    memcpy(at, text, len);
    return at + len;
}
static_assert(KEY_MAX <= UINT8_MAX && LIMIT_NAME_MAX <= UINT8_MAX && ONCE_MAX <= UINT8_MAX,
              "a byte holds each length");

/* A limit's name is never empty, so none is not mistaken for one. */
static size_t write_name(const struct message *message, char name[ONCE_NAME_MAX])
{
    const struct bucket_question *ask = &message->ask.bucket;
    char *at = name;
    *at++ = (char)message->kind;
    at = add_text(at, ask->key, ask->key_len);
    at = add_text(at, ask->limit_name != NULL ? ask->limit_name : "",
                  ask->limit_name != NULL ? ask->limit_name_len : 0);
    at = add_text(at, message->once->token, message->once->token_len);
    return (size_t)(at - name);
}

static struct once_terms terms_of(const struct message *message)
{
    struct once_terms terms = {.tokens = message->ask.bucket.tokens,
                               .wait_ms = message->ask.bucket.wait_ms};
    if (message->kind == MESSAGE_ACQUIRE) {
        terms.slots = message->ask.acquire.slots;
        terms.ttl_ms = message->ask.acquire.ttl_ms;
    }
    return terms;
}

static bool are_same(const struct once_terms *one, const struct once_terms *other)
{
    return one->tokens == other->tokens && one->wait_ms == other->wait_ms &&
           one->slots == other->slots && one->ttl_ms == other->ttl_ms;
}

/* The first answer was logged if it was to be. */
static void answer_as_before(struct once_entry *entry, struct message *message)
{
    message->answer.bucket = entry->answer;
    message->answer.bucket.sample = (struct sample){0};
    message_hold(message, entry->limits);
    message->once->is_repeated = true;
    if (message->kind == MESSAGE_ACQUIRE) {
        message->ask.acquire.id = entry->id;
        entry->claims++;
    }
}

static void begin(struct once *once, const struct message *message, const char *name,
                  size_t name_len)
{
    uint16_t number = make_room(once);
    struct once_entry *entry = entry_of(once, number);
    entry->hash = message->once->hash;
    entry->name_len = (uint16_t)name_len;
    memcpy(entry->name, name, name_len);
    entry->terms = terms_of(message);
    entry->claims = 1;
    entry->waiting = message;
    entry->next = *index_at(once, entry->hash);
    *index_at(once, entry->hash) = number;
    list_add(once, &once->waiting, number);
}

bool once_repeats(struct once *once, const struct table *table, struct message *message,
                  uint64_t now_ns)
{
    char name[ONCE_NAME_MAX];
    size_t name_len = write_name(message, name);
    uint64_t hash = message->once->hash = table_hash(table, name, name_len);
    message->once->is_repeated = false;
    once_advance(once, now_ns);
    uint16_t number = find(once, hash, name, name_len);
    if (number == 0) {
        begin(once, message, name, name_len);
        return false;
    }
    struct once_entry *entry = entry_of(once, number);
    const struct once_terms terms = terms_of(message);
    if (!are_same(&entry->terms, &terms))
        message->answer.bucket.result = BUCKET_ONCE_DIFFERS;
    else if (entry->waiting != NULL)
        message->answer.bucket.result = BUCKET_ONCE_WAITS;
    else
        answer_as_before(entry, message);
    return true;
}

/* Whether an answer is to be remembered. */
static bool is_to_last(const struct message *message)
{
    switch (message->answer.bucket.result) {
    case BUCKET_TABLE_FULL:
        return message->kind != MESSAGE_CHARGE;
    case BUCKET_ALLOWED:
    case BUCKET_DENIED:
    case BUCKET_EXCEEDS_BURST:
    case BUCKET_UNCOUNTED:
    case BUCKET_ALWAYS:
    case BUCKET_NEVER:
    case BUCKET_WAIT_OVER:
    case BUCKET_TOO_MANY_WAITING:
    case BUCKET_TOO_MANY_LEASES:
        return true;
    case BUCKET_HELD_BACK:
    case BUCKET_LEFT:
    case BUCKET_NEEDS_LEASE:
    case BUCKET_SLOTS_ONLY:
    case BUCKET_NO_LEASES:
    case BUCKET_ONCE_DIFFERS:
    case BUCKET_ONCE_WAITS:
    case BUCKET_NO_SUCH_LIMIT:
        break;
    }
    return false;
}

void once_end(struct once *once, struct message *message, struct limits *limits, uint64_t now_ns)
{
    uint16_t number = *index_at(once, message->once->hash);
    while (number != 0 && entry_of(once, number)->waiting != message)
        number = entry_of(once, number)->next;
    if (number == 0)
        return; /* it had to make room for others */
    if (!is_to_last(message)) {
        forget(once, number);
        return;
    }
    struct once_entry *entry = entry_of(once, number);
    list_remove(once, &once->waiting, number);
    entry->waiting = NULL;
    entry->answered_ns = now_ns;
    entry->answer = message->answer.bucket;
    entry->limits = limits_retain(limits);
    if (message->kind == MESSAGE_ACQUIRE)
        entry->id = message->ask.acquire.id;
    list_add(once, &once->answered, number);
}

bool once_unclaim(struct once *once, const struct once_question *question,
                  const struct lease_id *id)
{
    uint16_t number = *index_at(once, question->hash);
    for (; number != 0; number = entry_of(once, number)->next) {
        const struct once_entry *entry = entry_of(once, number);
        if (entry->hash == question->hash && entry->name[0] == MESSAGE_ACQUIRE &&
            entry->waiting == NULL && memcmp(&entry->id, id, sizeof *id) == 0)
            break;
    }
    if (number == 0) /* it has been forgotten meanwhile: then whoever was first may hold it */
        return !question->is_repeated;
    if (--entry_of(once, number)->claims > 0)
        return false;
    forget(once, number);
    return true;
}
