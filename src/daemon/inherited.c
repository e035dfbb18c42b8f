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

static int name_len(const char *name)
{
    return (int)strcspn(name, ":");
}

/* The next name of a list that has colons between its names. *rest is moved behind it; after the
 * last name it is NULL. */
static const char *next_name(const char **rest)
{
    const char *name = *rest, *end = name + name_len(name);
    *rest = *end == '\0' ? NULL : end + 1;
    return end == name ? no_name : name;
}

static bool take(struct listener *listener, int descriptor, const char *name)
{
    const char *fault = listener_adopt(listener, descriptor);
    if (fault != NULL) {
        log_error(
            "descriptor %d (%.*s) of LISTEN_FDS %s; pass sockets that listen, as ListenStream= "
            "with Accept=no does",
            descriptor, name_len(name), name, fault);
        return false;
    }
    listener->name = name;
    listener->is_resp = strlen(resp_name) == (size_t)name_len(name) &&
                        strncmp(name, resp_name, strlen(resp_name)) == 0;
    return true;
}

static bool take_all(struct listener *listeners, unsigned *taken, unsigned count, const char *names)
{
    const char *rest = names;
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
    *count = 0;
    return read_count(&expected) &&
           (expected == 0 || take_all(listeners, count, expected, getenv("LISTEN_FDNAMES")));
}

void inherited_tell(const struct listener *listeners, unsigned count)
{
    char text[ADDRESS_TEXT_MAX];
    for (unsigned i = 0; i < count; i++) {
        address_print(&listeners[i].address, text);
        log_info("listening %son %s, inherited as %.*s", listener_purpose(&listeners[i]), text,
                 name_len(listeners[i].name), listeners[i].name);
    }
}
