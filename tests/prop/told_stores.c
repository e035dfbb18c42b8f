#include "prop/told_stores.h"

#include <stddef.h>

void (*told_store)(void);

static void stored(void)
{
    if (told_store != NULL)
        told_store();
}

#define __atomic_store_n(place, value, order) (*(place) = (value), stored())
#include "keep/directory.c"
#include "keep/lease_records.c"
#include "keep/share_records.c"
#include "keep/store.c"
#include "table/cells.c"
#include "table/doubt.c"
#include "table/journal.c"
#include "table/table.c"
