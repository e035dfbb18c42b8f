#include "config/state.h"

#include "config/hints.h"
#include "config/scalar.h"
#include "config/secret_file.h"
#include "config/text.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

void config_state_check(const struct raw_config *raw, struct faults *faults, struct config *config)
{
    if (!scalar_is_usable(raw->state))
        return;
    struct placed path = scalar_placed(raw->state);
    size_t len = strlen(path.text);
    if (path.text[0] != '/' || path.text[len - 1] == '/' || len > CONFIG_PATH_MAX) {
        char shortened[CONFIG_SHORT_MAX];
        const char *hint = hint_placeholder(path.text);
        faults_add(faults, path.line, path.column, "state \"%s\" is not the path of a file; %s",
                   config_shorten(path.text, shortened),
                   hint != NULL ? hint
                                : "write an absolute one of at most 1023 bytes, such as "
                                  "/var/lib/allowd/state");
        return;
    }
    memcpy(config->state, path.text, len + 1);
}
static_assert(CONFIG_PATH_MAX == 1023, "the text says so");

static bool is_same_file(const char *a, const char *b)
{
    struct stat first, second;
    return strcmp(a, b) == 0 || (stat(a, &first) == 0 && stat(b, &second) == 0 &&
                                 first.st_dev == second.st_dev && first.st_ino == second.st_ino);
}

static void refuse(struct faults *faults, struct placed path, const char *what)
{
    char shortened[CONFIG_SHORT_MAX];
    faults_add(faults, path.line, path.column,
               "state \"%s\" is %s; write the path of a file that is for the state alone, such as "
               "/var/lib/allowd/state",
               config_shorten(path.text, shortened), what);
}

/* Whether a path is that of the file which the value of a parameter names. */
static bool is_secret(const char *path, const char *raw)
{
    char secret[CONFIG_PATH_MAX + 1];
    return scalar_is_usable(raw) &&
           secret_file_path(scalar_placed(raw).text, secret) == SECRET_PATH_OK &&
           is_same_file(path, secret);
}

void config_state_check_apart(const struct raw_config *raw, const char *path, struct faults *faults)
{
    if (!scalar_is_usable(raw->state))
        return;
    struct placed state = scalar_placed(raw->state);
    if (state.text[0] != '/')
        return; /* is a fault already */
    if (is_same_file(state.text, path))
        refuse(faults, state, "this configuration");
    if (is_secret(state.text, raw->admin_token_file))
        refuse(faults, state, "the admin_token_file");
    if (is_secret(state.text, raw->fleet.password_file))
        refuse(faults, state, "the password_file");
}

void config_state_print(const struct config *config, FILE *out)
{
    if (config->state[0] != '\0')
        config_write_named(out, "state: ", config->state);
}

bool config_state_differs(const struct config *now, const struct config *next)
{
    return strcmp(now->state, next->state) != 0;
}
