/*
 * Secret files: reads a file that holds one secret, such as the token that admins send.
 *
 * What everybody can read is refused, unless it is said that it may be so: whoever can read it can use it.
 * What is read is wiped by the caller.
 *
 * Owns nothing. One thread. Blocks on the disk only. Errors: faults, which never show a secret.
 */
#pragma once

#include "base/file_mark.h"
#include "config/config.h"
#include "config/scalar.h"

#define SECRET_FILE_MAX 4096 /* bytes */
#define SECRET_CREDENTIAL "credential:"

enum secret_path {
    SECRET_PATH_OK,
    SECRET_PATH_MALFORMED,      /* neither an absolute path nor SECRET_CREDENTIAL and a name */
    SECRET_PATH_NO_CREDENTIALS, /* nobody has set CREDENTIALS_DIRECTORY */
};

/* The path of the file that a value names: the value itself, or the file of that name in
 * $CREDENTIALS_DIRECTORY (systemd.exec(5)). */
enum secret_path secret_file_path(const char *written, char path[CONFIG_PATH_MAX + 1]);

/* A value that names such a file. */
struct secret_file {
    const char *name, *mode_name; /* of the parameters that give the path, and who may read it */
    struct placed value;
    enum token_mode mode;
};

/* What is in it, without blanks at either end, which is not ended by a NUL. */
struct secret_text {
    const char *text; /* points into bytes */
    size_t len;
    struct file_mark mark;
    bool is_shared; /* its group can read it, and it is not said that it may */
    char bytes[SECRET_FILE_MAX];
};

/* Reports a fault of the file: `what` is the end of a sentence that begins with its name. */
void secret_file_refuse(const struct secret_file *file, struct faults *faults, const char *what,
                        const char *detail);

/* Whether the value is the path of a file. If not, reports that. */
bool secret_file_check_path(const struct secret_file *file, struct faults *faults);

/* Reads the file of a value that is a path. false: a fault is reported. Wipe the text in either case. */
bool secret_file_read(const struct secret_file *file, struct faults *faults,
                      struct secret_text *text);
