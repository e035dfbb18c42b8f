#include "ctl/token_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_visible(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return len > 0;
}

static const char *take(const char *bytes, size_t len, char token[TOKEN_MAX + 1])
{
    static const char blanks[] = " \t\r\n";
    while (len > 0 && memchr(blanks, bytes[len - 1], sizeof blanks - 1) != NULL)
        len--;
    while (len > 0 && memchr(blanks, bytes[0], sizeof blanks - 1) != NULL) {
        bytes++;
        len--;
    }
    if (len > TOKEN_MAX || !is_visible(bytes, len))
        return "holds no token: that is one word of at most 512 visible ASCII characters";
    memcpy(token, bytes, len);
    token[len] = '\0';
    return NULL;
}

const char *token_file_read(const char *path, char token[TOKEN_MAX + 1])
{
    char bytes[4096];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return strerror(errno);
    setvbuf(file, NULL, _IONBF, 0);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    const char *fault = ferror(file)          ? strerror(errno)
                        : len == sizeof bytes ? "is larger than any token is; name a file with the "
                                                "token and nothing else"
                                              : take(bytes, len, token);
    explicit_bzero(bytes, sizeof bytes);
    fclose(file);
    return fault;
}
