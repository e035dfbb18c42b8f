#include "fleet/resolver.h"

#include "base/thread.h"
#include "fleet/fleet.h"

#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* It belongs to both threads: the last of them frees it. */
struct resolver_job {
    atomic_uint holders;
    int done; /* an eventfd: readable once the thread has written the rest */
    int error;
    struct addresses found;
    char host[FLEET_STORE_MAX + 1], port[6];
};

static void release(struct resolver_job *job)
{
    if (atomic_fetch_sub(&job->holders, 1) > 1)
        return;
    close(job->done);
    free(job);
}

/* Looks up. 0, or an error of getaddrinfo. */
static int look_up(const char *host, const char *port, int flags, struct addresses *found)
{
    const struct addrinfo hints = {.ai_flags = flags | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int error = getaddrinfo(host, port, &hints, &list);
    if (error != 0)
        return error;
    found->count = 0;
    for (const struct addrinfo *at = list; at != NULL && found->count < ADDRESSES_MAX;
         at = at->ai_next) {
        found->address[found->count].len = at->ai_addrlen;
        memcpy(&found->address[found->count++].socket, at->ai_addr, at->ai_addrlen);
    }
    freeaddrinfo(list);
    return 0;
}

static void *run(void *argument)
{
    struct resolver_job *job = argument;
    thread_name("fleet-names");
    job->error = look_up(job->host, job->port, 0, &job->found);
    eventfd_write(job->done, 1);
    release(job);
    return NULL;
}

/* ---- the asking side ---- */

static struct resolver_job *job_new(const char *host, const char *port)
{
    struct resolver_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (job->done < 0) {
        free(job);
        return NULL;
    }
    atomic_init(&job->holders, 2);
    strncpy(job->host, host, sizeof job->host - 1);
    strncpy(job->port, port, sizeof job->port - 1);
    return job;
}

/* Begins the thread that looks it up. false: it cannot be. */
static bool begin(struct resolver *resolver, const char *host, const char *port)
{
    pthread_t thread;
    struct resolver_job *job = job_new(host, port);
    if (job == NULL)
        return false;
    if (thread_start(&thread, run, job) != 0) {
        atomic_store(&job->holders, 1);
        release(job);
        return false;
    }
    pthread_detach(thread);
    resolver->job = job;
    return true;
}

void resolver_begin(struct resolver *resolver, const char *host, const char *port)
{
    resolver_leave(resolver);
    resolver->found.count = 0;
    resolver->fault = NULL;
    if (look_up(host, port, AI_NUMERICHOST, &resolver->found) == 0)
        return;
    if (!begin(resolver, host, port))
        resolver->fault = "there is no memory for it";
}

int resolver_fd(const struct resolver *resolver)
{
    return resolver->job == NULL ? -1 : resolver->job->done;
}

bool resolver_is_done(struct resolver *resolver)
{
    eventfd_t ignored;
    if (resolver->job == NULL)
        return true;
    if (eventfd_read(resolver->job->done, &ignored) != 0)
        return false;
    if (resolver->job->error != 0)
        resolver->fault = gai_strerror(resolver->job->error);
    else
        resolver->found = resolver->job->found;
    resolver_leave(resolver);
    return true;
}

void resolver_leave(struct resolver *resolver)
{
    if (resolver->job != NULL)
        release(resolver->job);
    resolver->job = NULL;
}
