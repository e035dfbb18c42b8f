#include "fleet/refusal.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct refusal refusals[] = {
    {"ERR", REFUSAL_STAY, "it refuses"}, /* the first: that of words that are not here */
    {"ASK", REFUSAL_ASK, "it is a node of a cluster: its store is cluster://HOST:PORT"},
    {"BUSY", REFUSAL_STAY, "it is busy with somebody's long script"},
    {"CLUSTERDOWN", REFUSAL_STAY, "its cluster is down"},
    {"CROSSSLOT", REFUSAL_LEAVE, "it is a node of a cluster: its store is cluster://HOST:PORT"},
    {"DENIED", REFUSAL_LEAVE, "it is in protected mode, and serves its own machine only"},
    {"LOADING", REFUSAL_STAY, "it is loading its data"},
    {"MASTERDOWN", REFUSAL_LEAVE, "it is a replica, and its master is away"},
    {"MISCONF", REFUSAL_STAY, "it cannot save its data, and refuses to write"},
    {"MOVED", REFUSAL_MOVED, "it is a node of a cluster: its store is cluster://HOST:PORT"},
    {"NOAUTH", REFUSAL_LEAVE, "it wants a password"},
    {"NOPERM", REFUSAL_STAY, "the user has not all rights that are needed"},
    {"NOREPLICAS", REFUSAL_STAY, "it has not as many replicas as it wants, and refuses to write"},
    {"NOSCRIPT", REFUSAL_LOAD, "it has lost the script"},
    {"OOM", REFUSAL_STAY, "it has no memory left, and refuses to write"},
    {"READONLY", REFUSAL_LEAVE, "it is a replica, which refuses to write"},
    {"TRYAGAIN", REFUSAL_STAY, "its cluster is moving slots"},
    {"UNKILLABLE", REFUSAL_STAY, "it is busy with somebody's long script"},
    {"WRONGPASS", REFUSAL_LEAVE, "it does not take this user and password"},
};
#define REFUSALS (sizeof refusals / sizeof refusals[0])

static size_t word_len(const char *text, size_t len)
{
    size_t word = 0;
    while (word < len && text[word] != ' ' && text[word] != '\r' && text[word] != '\n')
        word++;
    return word;
}

const struct refusal *refusal_of(const char *text, size_t len)
{
    size_t word = word_len(text, len);
    for (size_t i = 0; i < REFUSALS; i++) {
        if (strlen(refusals[i].word) == word && memcmp(refusals[i].word, text, word) == 0)
            return &refusals[i];
    }
    return &refusals[0];
}

void refusal_tell(const char *text, size_t len, bool is_secret, char *told, size_t size)
{
    size_t shown = is_secret ? word_len(text, len) : len;
    int at = snprintf(told, size, "%s: \"%.*s\"", refusal_of(text, len)->means,
                      (int)(shown > 100 ? 100 : shown), text);
    for (int i = 0; i < at && (size_t)i + 1 < size; i++) {
        bool is_plain = told[i] >= ' ' && told[i] <= '~';
        if (!is_plain)
            told[i] = '?';
    }
}
