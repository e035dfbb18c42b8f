#include "brain/message.h"

const char *const when_full_names[WHEN_FULL_COUNT] = {
    [WHEN_FULL_EVICT] = "evict",
    [WHEN_FULL_DENY] = "deny",
    [WHEN_FULL_ALLOW] = "allow",
};
