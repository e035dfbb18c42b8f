#include "config/secret_file.h"

#include "config/file.h"
#include "config/text.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void secret_file_refuse(const struct secret_file *file, struct faults *faults, const char *what,
                        const char *detail)
{
    char shortened[CONFIG_SHORT_MAX];
    faults_add(faults, file->value.line, file->value.column, "%s \"%s\" %s%s", file->name,
               config_shorten(file->value.text, shortened), what, detail);
}

/* ---- the path ---- */

static bool is_credential(const char *written)
{
    return strncmp(written, SECRET_CREDENTIAL, strlen(SECRET_CREDENTIAL)) == 0;
}

static bool is_file_name(const char *name)
{
    return name[0] != '\0' && strlen(name) <= NAME_MAX && strchr(name, '/') == NULL &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

enum secret_path secret_file_path(const char *written, char path[CONFIG_PATH_MAX + 1])
{
    const char *name = written + strlen(SECRET_CREDENTIAL), *folder = "", *between = "";
    if (!is_credential(written)) {
        name = written;
    } else if (!is_file_name(name)) {
        return SECRET_PATH_MALFORMED;
    } else {
        folder = getenv("CREDENTIALS_DIRECTORY");
        between = "/";
        if (folder == NULL || folder[0] != '/')
            return SECRET_PATH_NO_CREDENTIALS;
    }
    int len = snprintf(path, CONFIG_PATH_MAX + 1, "%s%s%s", folder, between, name);
    return path[0] == '/' && len <= CONFIG_PATH_MAX ? SECRET_PATH_OK : SECRET_PATH_MALFORMED;
}

bool secret_file_check_path(const struct secret_file *file, struct faults *faults)
{
    char path[CONFIG_PATH_MAX + 1];
    switch (secret_file_path(file->value.text, path)) {
    case SECRET_PATH_OK:
        return true;
    case SECRET_PATH_NO_CREDENTIALS:
        secret_file_refuse(file, faults,
                           "is a credential, and CREDENTIALS_DIRECTORY is not set to where these "
                           "are; run allowd by a unit with LoadCredential=, or set it",
                           "");
        return false;
    case SECRET_PATH_MALFORMED:
        break;
    }
    secret_file_refuse(file, faults,
                       "is not the path of a file; write an absolute one of at most 1023 bytes, or "
                       "credential:NAME",
                       "");
    return false;
}
static_assert(CONFIG_PATH_MAX == 1023, "the text says so");

/* ---- what is in it ---- */

/* Of a credential the group is not looked at: where the service is not run by root, its bits are
 * the mask of an access control list, and whose it is the manager sees to. */
static bool is_shared(const struct secret_file *file, mode_t mode)
{
    return file->mode == TOKEN_MODE_PRIVATE && !is_credential(file->value.text) &&
           (mode & S_IRGRP) != 0;
}

/* Whether a file that was opened may be read. If not, reports why. */
static bool may_be_read(const struct secret_file *file, const struct stat *status,
                        struct faults *faults)
{
    bool is_open_to_all = (status->st_mode & S_IRWXO) != 0;
    char shortened[CONFIG_SHORT_MAX], open[160];
    if (!S_ISREG(status->st_mode)) {
        secret_file_refuse(file, faults, "is not a regular file; write the path of one", "");
        return false;
    }
    if (is_open_to_all && file->mode == TOKEN_MODE_PRIVATE) {
        snprintf(open, sizeof open,
                 "can be read by everybody; run: chmod o= FILE; or, if a container mounts it so, "
                 "write %s: any",
                 file->mode_name);
        secret_file_refuse(file, faults, open, "");
        return false;
    }
    if (is_open_to_all)
        faults_warn(faults, file->value.line, file->value.column,
                    "%s \"%s\" can be read by everybody here, as %s: any allows", file->name,
                    config_shorten(file->value.text, shortened), file->mode_name);
    return true;
}

/* -1: a fault is reported. */
static int open_file(const struct secret_file *file, struct faults *faults,
                     struct secret_text *text)
{
    char path[CONFIG_PATH_MAX + 1];
    struct stat status;
    if (secret_file_path(file->value.text, path) != SECRET_PATH_OK)
        return -1;
    int descriptor = config_file_open(path, &status);
    if (descriptor < 0) {
        secret_file_refuse(file, faults, "cannot be opened: ", strerror(errno));
    } else if (may_be_read(file, &status, faults)) {
        text->mark = file_mark_of(&status);
        text->is_shared = is_shared(file, status.st_mode);
        return descriptor;
    } else {
        close(descriptor);
    }
    return -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void take_text(struct secret_text *text, size_t len)
{
    text->text = text->bytes;
    while (len > 0 && is_blank(text->text[len - 1]))
        len--;
    while (len > 0 && is_blank(text->text[0])) {
        text->text++;
        len--;
    }
    text->len = len;
}

bool secret_file_read(const struct secret_file *file, struct faults *faults,
                      struct secret_text *text)
{
    *text = (struct secret_text){0};
    int descriptor = open_file(file, faults, text);
    if (descriptor < 0)
        return false;
    ssize_t len = config_file_fill(descriptor, text->bytes, sizeof text->bytes);
    bool is_read = len >= 0 && (size_t)len < sizeof text->bytes;
    if (len < 0)
        secret_file_refuse(file, faults, "cannot be read: ", strerror(errno));
    else if (!is_read)
        secret_file_refuse(
            file, faults, "is larger than any secret is; write nothing but the secret into it", "");
    close(descriptor);
    if (is_read)
        take_text(text, (size_t)len);
    return is_read;
}
