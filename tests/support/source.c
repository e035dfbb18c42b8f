#include "support/source.h"

#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

char *source_read(const char *name)
{
    const char *top = getenv("TOP_SRCDIR");
    char *path = NULL, *text = NULL;
    size_t room = 0;
    assert_true(asprintf(&path, "%s/%s", top == NULL ? "." : top, name) > 0);
    FILE *in = fopen(path, "r");
    if (in == NULL)
        fail_msg("%s cannot be read", path);
    assert_true(getdelim(&text, &room, '\0', in) > 0);
    fclose(in);
    free(path);
    return text;
}
