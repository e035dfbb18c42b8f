#include "prop/told_stores.h"

#include <stddef.h>

void (*told_store)(void);

static void stored(void)
{
    if (told_store != NULL)
        told_store();
}

#define __atomic_store_n(place, value, order) (*(place) = (value), stored())
#include "brain/store.c"
#include "pure/table.c"
#include "pure/table_cells.c"
#include "pure/table_doubt.c"
#include "pure/table_journal.c"
