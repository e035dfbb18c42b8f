#include "base/heap.h"

#include <malloc.h>

void heap_keep_memory(void)
{
#ifdef M_TRIM_THRESHOLD
    mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_MAX);
    mallopt(M_MMAP_THRESHOLD, HEAP_KEPT_MAX / 2);
#endif
}
