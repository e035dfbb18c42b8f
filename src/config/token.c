#include "config/token.h"

#include "config/file.h"
#include "config/scalar.h"
#include "config/text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 4096 };

/* Reports a fault of the file that the value names. */
static void refuse(struct faults *faults, struct placed path, const char *what, const char *detail)
{
    char shortened[CONFIG_SHORT_MAX];
    faults_add(faults, path.line, path.column, "admin_token_file \"%s\" %s%s",
               config_shorten(path.text, shortened), what, detail);
}

/* -1: a fault is reported. */
static int open_private(struct placed path, struct faults *faults, bool *is_shared)
{
    struct stat status;
    int file = config_file_open(path.text, &status);
    if (file < 0) {
        refuse(faults, path, "cannot be opened: ", strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        refuse(faults, path, "is not a regular file; write the path of one", "");
    } else if ((status.st_mode & S_IRWXO) != 0) {
        refuse(faults, path, "can be read by everybody; run: chmod o= FILE", "");
    } else {
        *is_shared = (status.st_mode & S_IRGRP) != 0;
        return file;
    }
    if (file >= 0)
        close(file);
    return -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void take_token(const char *bytes, size_t len, struct placed path, struct faults *faults,
                       struct secret *secret)
{
    while (len > 0 && is_blank(bytes[len - 1]))
        len--;
    while (len > 0 && is_blank(bytes[0])) {
        bytes++;
        len--;
    }
    if (secret_is_valid(bytes, len))
        *secret = secret_of(bytes, len);
    else
        refuse(faults, path,
               "holds no token; write into it one of 16 to 512 visible ASCII characters, such as "
               "openssl rand -hex 32 makes",
               "");
}
static_assert(SECRET_MIN == 16 && SECRET_MAX == 512, "the text says so");

static void read_token(struct placed path, struct faults *faults, struct config *config)
{
    char bytes[FILE_MAX_BYTES];
    struct secret secret = {0};
    int file = open_private(path, faults, &config->admin_token_is_shared);
    if (file < 0)
        return;
    ssize_t len = config_file_fill(file, bytes, sizeof bytes);
    if (len < 0)
        refuse(faults, path, "cannot be read: ", strerror(errno));
    else if (len == sizeof bytes)
        refuse(faults, path, "is larger than any token is; write nothing but the token into it",
               "");
    else
        take_token(bytes, (size_t)len, path, faults, &secret);
    explicit_bzero(bytes, sizeof bytes);
    close(file);
    config->admin_token = secret;
}

void config_token_check(const struct raw_config *raw, struct faults *faults, struct config *config)
{
    if (!scalar_is_usable(raw->admin_token_file))
        return;
    struct placed path = scalar_placed(raw->admin_token_file);
    size_t len = strlen(path.text);
    if (path.text[0] != '/' || len > CONFIG_PATH_MAX) {
        refuse(faults, path,
               "is not the path of a file; write an absolute one of at most 1023 bytes", "");
        return;
    }
    memcpy(config->admin_token_file, path.text, len + 1);
    read_token(path, faults, config);
}
static_assert(CONFIG_PATH_MAX == 1023, "the text says so");

void config_token_print(const struct config *config, FILE *out)
{
    if (config->admin_token_file[0] != '\0')
        config_write_named(out, "admin_token_file: ", config->admin_token_file);
}
