#include "base/bytes.h"
#include "support/store_model.h"

#include <stdlib.h>
#include <string.h>

enum { CHAINS = 1024 };

/* A name and its value. Its bytes are the name's, and behind them the value's. */
struct entry {
    struct entry *next;
    size_t name_len, len;
    uint64_t end_ms;
    unsigned char bytes[];
};

struct store_model {
    struct entry *chain[CHAINS];
};

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

struct store_model *store_model_new(void)
{
    return must(calloc(1, sizeof(struct store_model)));
}

static struct entry **find(struct store_model *store, const char *name, size_t len)
{
    struct entry **at = &store->chain[bytes_checksum(name, len) % CHAINS];
    while (*at != NULL && ((*at)->name_len != len || memcmp((*at)->bytes, name, len) != 0))
        at = &(*at)->next;
    return at;
}

static void remove_entry(struct entry **at)
{
    struct entry *entry = *at;
    *at = entry->next;
    free(entry);
}

void store_model_forget(struct store_model *store)
{
    for (unsigned i = 0; i < CHAINS; i++)
        while (store->chain[i] != NULL)
            remove_entry(&store->chain[i]);
}

void store_model_free(struct store_model *store)
{
    store_model_forget(store);
    free(store);
}

bool store_model_evict(struct store_model *store, const char *name, size_t len)
{
    struct entry **at = find(store, name, len);
    if (*at == NULL)
        return false;
    remove_entry(at);
    return true;
}

static struct entry *entry_copy(const struct entry *entry)
{
    size_t bytes = sizeof *entry + entry->name_len + entry->len;
    return memcpy(must(malloc(bytes)), entry, bytes);
}

void store_model_restore(struct store_model *store, const struct store_model *from)
{
    store_model_forget(store);
    for (unsigned i = 0; i < CHAINS; i++)
        for (const struct entry *entry = from->chain[i]; entry != NULL; entry = entry->next) {
            struct entry *copy = entry_copy(entry);
            copy->next = store->chain[i];
            store->chain[i] = copy;
        }
}

struct store_model *store_model_copy(const struct store_model *store)
{
    struct store_model *copy = store_model_new();
    store_model_restore(copy, store);
    return copy;
}

bool store_model_get(struct store_model *store, const char *name, size_t len, uint64_t time_ms,
                     struct store_value *value)
{
    struct entry **at = find(store, name, len);
    if (*at == NULL)
        return false;
    if ((*at)->end_ms < time_ms) {
        remove_entry(at);
        return false;
    }
    *value = (struct store_value){(*at)->bytes + len, (*at)->len, (*at)->end_ms};
    return true;
}

void store_model_put(struct store_model *store, const char *name, size_t len,
                     const struct store_value *value)
{
    struct entry *entry = must(malloc(sizeof *entry + len + value->len));
    *entry = (struct entry){.name_len = len, .len = value->len, .end_ms = value->end_ms};
    memcpy(entry->bytes, name, len);
    memcpy(entry->bytes + len, value->bytes, value->len);
    store_model_evict(store, name, len);
    struct entry **at = find(store, name, len);
    entry->next = *at;
    *at = entry;
}
