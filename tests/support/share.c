#include "support/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct share {
    unsigned which, of; /* 1/1: all */
};

static struct share read_share(void)
{
    struct share share = {1, 1};
    const char *text = getenv("ALLOWD_SHARE");
    char rest;
    if (text == NULL || strcmp(text, "all") == 0)
        return share;
    if (sscanf(text, "%u/%u%c", &share.which, &share.of, &rest) != 2 || share.which < 1 ||
        share.which > share.of) {
        fprintf(stderr, "ALLOWD_SHARE is no share, such as 3/8: %s\n", text);
        exit(2);
    }
    return share;
}

bool share_has(uint64_t index)
{
    static struct share share;
    if (share.of == 0)
        share = read_share();
    return index % share.of == share.which - 1;
}
