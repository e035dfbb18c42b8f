#include "daemon/inherited.h"

#include "base/quantity.h"
#include "log/log.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_DESCRIPTOR = 3 };

/* systemd's own name for a socket that has none. */
static const char *const no_name = "unknown";

static const char *const resp_name = "resp";

/* How many sockets there are for this process. If LISTEN_PID is another's, the variables are left
 * over from an environment that was passed on. */
static bool read_count(unsigned *count)
{
    const char *pid_text = getenv("LISTEN_PID"), *text = getenv("LISTEN_FDS");
    uint64_t pid, number;
    *count = 0;
    if (pid_text == NULL || text == NULL ||
        quantity_parse_number(pid_text, strlen(pid_text), 1, INT_MAX, &pid) != QUANTITY_OK ||
        pid != (uint64_t)getpid())
        return true;
    if (quantity_parse_number(text, strlen(text), 0, INHERITED_MAX, &number) != QUANTITY_OK) {
        log_error("LISTEN_FDS is \"%s\", which is no number from 0 to %d", text, INHERITED_MAX);
        return false;
    }
    *count = (unsigned)number;
    return true;
}

/* The next name of a list that has colons between its names. *rest is moved behind it; after the
 * last name it is NULL. */
static const char *next_name(char **rest)
{
    char *name = *rest, *colon = strchr(name, ':');
    *rest = colon == NULL ? NULL : colon + 1;
    if (colon != NULL)
        *colon = '\0';
    return name[0] == '\0' ? no_name : name;
}

static bool take(struct listener *listener, int descriptor, const char *name)
{
    char text[ADDRESS_TEXT_MAX];
    const char *fault = listener_adopt(listener, descriptor);
    if (fault != NULL) {
        log_error("descriptor %d (%s) of LISTEN_FDS %s; pass sockets that listen, as ListenStream= "
                  "with Accept=no does",
                  descriptor, name, fault);
        return false;
    }
    listener->is_resp = strcmp(name, resp_name) == 0;
    address_print(&listener->address, text);
    log_info("listening %son %s, inherited as %s", listener->is_resp ? "for RESP " : "", text,
             name);
    return true;
}

static bool take_all(struct listener *listeners, unsigned *taken, unsigned count, char *names)
{
    char *rest = names;
    for (unsigned i = 0; i < count; i++) {
        if (names != NULL && rest == NULL) {
            log_error("LISTEN_FDNAMES has fewer names than LISTEN_FDS has sockets");
            return false;
        }
        const char *name = names == NULL ? no_name : next_name(&rest);
        if (!take(&listeners[i], FIRST_DESCRIPTOR + (int)i, name))
            return false;
        ++*taken;
    }
    if (rest != NULL)
        log_error("LISTEN_FDNAMES has more names than LISTEN_FDS has sockets");
    return rest == NULL;
}

bool inherited_take(struct listener listeners[INHERITED_MAX], unsigned *count)
{
    unsigned expected;
    const char *text = getenv("LISTEN_FDNAMES");
    *count = 0;
    if (!read_count(&expected))
        return false;
    if (expected == 0)
        return true;
    char *names = text == NULL ? NULL : strdup(text);
    bool is_good = take_all(listeners, count, expected, names);
    free(names);
    return is_good;
}
