#include "config/token.h"

#include "config/file.h"
#include "config/scalar.h"
#include "config/text.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
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

static bool is_credential(const char *written)
{
    return strncmp(written, TOKEN_CREDENTIAL, strlen(TOKEN_CREDENTIAL)) == 0;
}

static bool is_file_name(const char *name)
{
    return name[0] != '\0' && strlen(name) <= NAME_MAX && strchr(name, '/') == NULL &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

enum token_path config_token_path(const char *written, char path[CONFIG_PATH_MAX + 1])
{
    const char *name = written + strlen(TOKEN_CREDENTIAL), *folder = "", *between = "";
    if (!is_credential(written)) {
        name = written;
    } else if (!is_file_name(name)) {
        return TOKEN_PATH_MALFORMED;
    } else {
        folder = getenv("CREDENTIALS_DIRECTORY");
        between = "/";
        if (folder == NULL || folder[0] != '/')
            return TOKEN_PATH_NO_CREDENTIALS;
    }
    int len = snprintf(path, CONFIG_PATH_MAX + 1, "%s%s%s", folder, between, name);
    return path[0] == '/' && len <= CONFIG_PATH_MAX ? TOKEN_PATH_OK : TOKEN_PATH_MALFORMED;
}

/* Of a credential the group is not looked at: where the service is not run by root, its bits are
 * the mask of an access control list, and whose it is the manager sees to. */
static bool is_shared(const struct config *config, mode_t mode)
{
    return config->admin_token_mode == TOKEN_MODE_PRIVATE &&
           !is_credential(config->admin_token_file) && (mode & S_IRGRP) != 0;
}

/* -1: a fault is reported. */
static int open_token(struct placed value, const char *path, struct faults *faults,
                      struct config *config)
{
    struct stat status;
    int file = config_file_open(path, &status);
    bool is_open_to_all = file >= 0 && (status.st_mode & S_IRWXO) != 0;
    if (file < 0) {
        refuse(faults, value, "cannot be opened: ", strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        refuse(faults, value, "is not a regular file; write the path of one", "");
    } else if (is_open_to_all && config->admin_token_mode == TOKEN_MODE_PRIVATE) {
        refuse(faults, value,
               "can be read by everybody; run: chmod o= FILE; or, if a container mounts it so, "
               "write admin_token_mode: any",
               "");
    } else {
        char shortened[CONFIG_SHORT_MAX];
        config->admin_token_mark = file_mark_of(&status);
        config->admin_token_is_shared = is_shared(config, status.st_mode);
        if (is_open_to_all)
            faults_warn(faults, value.line, value.column,
                        "admin_token_file \"%s\" can be read by everybody here, as "
                        "admin_token_mode: any allows",
                        config_shorten(value.text, shortened));
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

static void read_token(struct placed value, struct faults *faults, struct config *config)
{
    char bytes[FILE_MAX_BYTES], path[CONFIG_PATH_MAX + 1];
    struct secret secret = {0};
    int file = config_token_path(config->admin_token_file, path) == TOKEN_PATH_OK
                   ? open_token(value, path, faults, config)
                   : -1;
    if (file < 0)
        return;
    ssize_t len = config_file_fill(file, bytes, sizeof bytes);
    if (len < 0)
        refuse(faults, value, "cannot be read: ", strerror(errno));
    else if (len == sizeof bytes)
        refuse(faults, value, "is larger than any token is; write nothing but the token into it",
               "");
    else
        take_token(bytes, (size_t)len, value, faults, &secret);
    explicit_bzero(bytes, sizeof bytes);
    close(file);
    config->admin_token = secret;
}

/* What is wrong with the value, for the middle of a sentence. */
static void refuse_value(struct faults *faults, struct placed value, enum token_path fault)
{
    if (fault == TOKEN_PATH_NO_CREDENTIALS)
        refuse(faults, value,
               "is a credential, and CREDENTIALS_DIRECTORY is not set to where these are; run "
               "allowd by a unit with LoadCredential=, or set it",
               "");
    else
        refuse(faults, value,
               "is not the path of a file; write an absolute one of at most 1023 bytes, or "
               "credential:NAME",
               "");
}

void config_token_file_check(const struct raw_config *raw, struct faults *faults,
                             struct config *config)
{
    char path[CONFIG_PATH_MAX + 1];
    if (!scalar_is_usable(raw->admin_token_file))
        return;
    struct placed value = scalar_placed(raw->admin_token_file);
    enum token_path found = config_token_path(value.text, path);
    if (found == TOKEN_PATH_OK)
        strcpy(config->admin_token_file, value.text);
    else
        refuse_value(faults, value, found);
}
static_assert(CONFIG_PATH_MAX == 1023, "the text says so");

static const char *const modes[TOKEN_MODES] = {
    [TOKEN_MODE_PRIVATE] = "private",
    [TOKEN_MODE_ANY] = "any",
};

void config_token_mode_check(const struct raw_config *raw, struct faults *faults,
                             struct config *config)
{
    size_t before = faults->count;
    config->admin_token_mode = (enum token_mode)scalar_word(
        faults, "admin_token_mode", raw->admin_token_mode, modes, TOKEN_MODES, TOKEN_MODE_PRIVATE);
    if (config->admin_token_file[0] != '\0' && faults->count == before)
        read_token(scalar_placed(raw->admin_token_file), faults, config);
}

void config_token_file_print(const struct config *config, FILE *out)
{
    if (config->admin_token_file[0] != '\0')
        config_write_named(out, "admin_token_file: ", config->admin_token_file);
}

void config_token_mode_print(const struct config *config, FILE *out)
{
    fprintf(out, "admin_token_mode: %s\n", modes[config->admin_token_mode]);
}
