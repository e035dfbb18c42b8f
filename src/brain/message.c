#include "brain/message.h"

#include <assert.h>

const char *const when_full_names[WHEN_FULL_COUNT] = {
    [WHEN_FULL_EVICT] = "evict",
    [WHEN_FULL_DENY] = "deny",
    [WHEN_FULL_ALLOW] = "allow",
};

/* Every result is named, so that a new one is not forgotten here and in bucket_result_allows. */
bool bucket_result_denies(enum bucket_result result)
{
    switch (result) {
    case BUCKET_DENIED:
    case BUCKET_EXCEEDS_BURST:
    case BUCKET_TABLE_FULL:
    case BUCKET_NEVER:
    case BUCKET_WAIT_OVER:
    case BUCKET_TOO_MANY_WAITING:
    case BUCKET_TOO_MANY_LEASES:
        return true;
    case BUCKET_ALLOWED:
    case BUCKET_UNCOUNTED:
    case BUCKET_ALWAYS:
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

void message_hold(struct message *message, struct limits *limits)
{
    if (message->limits == limits)
        return;
    limits_release(message->limits);
    message->limits = limits == NULL ? NULL : limits_retain(limits);
}

static_assert(offsetof(struct message, letter) == 0, "message_of says so");
