#include "base/histogram.h"

void histogram_add(struct histogram *histogram, const struct histogram_bounds *bounds,
                   uint64_t whole, uint64_t parts)
{
    size_t i = 0;
    if (parts == 0)
        return;
    while (i < bounds->count && whole > (unsigned __int128)bounds->bound[i] * parts)
        i++;
    histogram->count[i] += parts;
    histogram->sum += whole;
}
