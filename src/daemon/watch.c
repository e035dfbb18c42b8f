#include "daemon/watch.h"

#include "base/clock.h"
#include "base/quantity.h"
#include "config/secret_file.h"
#include "log/log.h"

#include <string.h>

enum { LOOK_MS = 5000 };

/* ---- files that were read ---- */

static void look_at_file(struct watched_file *file)
{
    if (file->path == NULL)
        return;
    enum file_look before = file->seen;
    file->seen = file_mark_look(&file->mark, file->path);
    if (file->seen == before)
        return;
    switch (file->seen) {
    case FILE_GONE:
        log_warning("%s is no longer there; what was read from it stays in force, but a reload or "
                    "a start needs it",
                    file->path);
        break;
    case FILE_CHANGED:
        log_info("%s has changed since it was read; a reload reads it again", file->path);
        break;
    case FILE_AS_READ:
        log_info("%s is there again, as it was read", file->path);
        break;
    }
}

static void read_anew(struct watched_file *file, const char *path, struct file_mark mark)
{
    *file = (struct watched_file){.path = path, .mark = mark, .seen = FILE_AS_READ};
}

void watch_read(struct watch *watch, const struct config *config)
{
    bool has_token =
        config->admin_token_file[0] != '\0' &&
        secret_file_path(config->admin_token_file, watch->token_path) == SECRET_PATH_OK;
    read_anew(&watch->config, watch->config.path, config->file_mark);
    read_anew(&watch->token, has_token ? watch->token_path : NULL, config->admin_token_mark);
}

/* If it could not be opened, its fault has told so. */
void watch_refused(struct watch *watch)
{
    struct watched_file *file = &watch->config;
    file->mark = file_mark_at(file->path);
    file->seen = file->mark.is_set ? FILE_AS_READ : FILE_GONE;
}

/* ---- sockets ---- */

static void look_at_listener(struct listener *listener)
{
    char text[ADDRESS_TEXT_MAX];
    bool was_gone = listener->is_gone;
    listener->is_gone = !listener_is_at_its_path(listener);
    if (listener->is_gone == was_gone)
        return;
    address_print(&listener->address, text);
    if (!listener->is_gone)
        log_info("%s is at its path again", text);
    else
        log_error("%s is no longer at its path: its file, or its directory, was removed or "
                  "replaced, and nobody new can connect; %s",
                  text,
                  listener->is_inherited ? "restart what passed it on, such as its socket unit"
                                         : "a reload makes it anew");
}

static bool mend(struct listener *listener, const struct socket_access *sockets)
{
    char text[ADDRESS_TEXT_MAX];
    const char *doing = "";
    int error = listener_reopen(listener, sockets, &doing);
    address_print(&listener->address, text);
    if (error != 0) {
        log_error("cannot %s %s: %s; nobody new can connect there", doing, text, strerror(error));
        return false;
    }
    listener->is_gone = false;
    log_info("listening %son %s again", listener_purpose(listener), text);
    return true;
}

unsigned watch_mend(struct watch *watch, const struct socket_access *sockets)
{
    unsigned mended = 0;
    for (unsigned i = 0; i < watch->listeners_count; i++) {
        struct listener *listener = &watch->listeners[i];
        if (listener->is_gone && !listener->is_inherited && mend(listener, sockets))
            mended++;
    }
    return mended;
}

/* ---- all ---- */

void watch_begin(struct watch *watch, struct listener *listeners, unsigned count,
                 const char *config_path, const struct config *config)
{
    *watch = (struct watch){
        .listeners = listeners,
        .listeners_count = count,
        .config = {.path = config_path},
    };
    watch_read(watch, config);
}

void watch_look_at_sockets(struct watch *watch)
{
    for (unsigned i = 0; i < watch->listeners_count; i++)
        look_at_listener(&watch->listeners[i]);
}

bool watch_look(struct watch *watch, uint64_t now_ns)
{
    const struct surroundings before = watch->seen;
    struct surroundings now = {0};
    watch->look_due_ns = now_ns + (uint64_t)LOOK_MS * NS_PER_MS;
    watch_look_at_sockets(watch);
    for (unsigned i = 0; i < watch->listeners_count; i++)
        now.lost_sockets += watch->listeners[i].is_gone;
    look_at_file(&watch->config);
    look_at_file(&watch->token);
    now.config = watch->config.seen;
    now.token = watch->token.seen;
    watch->seen = now;
    return now.lost_sockets != before.lost_sockets || now.config != before.config ||
           now.token != before.token;
}

int watch_timeout_ms(const struct watch *watch, uint64_t now_ns)
{
    bool has_any = watch->config.path != NULL || watch->token.path != NULL;
    for (unsigned i = 0; !has_any && i < watch->listeners_count; i++)
        has_any = watch->listeners[i].inode != 0;
    return clock_ms_until(now_ns, has_any ? watch->look_due_ns : CLOCK_NEVER);
}
