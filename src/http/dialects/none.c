/* No fields at all. */
#include "http/dialects/table.h"

static void add(struct reply *reply, const struct message *message, const struct serving *serving)
{
    (void)reply;
    (void)message;
    (void)serving;
}

const struct dialect dialect_none = {.add = add};
