/*
 * failmalloc: preloaded into allowd, makes every EVERYth allocation fail
 * between one SIGUSR1 and the next.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The C library's own, under the names it also has them by. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);

static atomic_bool is_on;
static atomic_uint asked;
static unsigned every = 1;

static void turn(int signal_number)
{
    (void)signal_number;
    atomic_store(&is_on, !atomic_load(&is_on));
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("FAILMALLOC_EVERY");
    if (text != NULL)
        every = (unsigned)atoi(text);
    signal(SIGUSR1, turn);
}

static int fails(void)
{
    if (!atomic_load(&is_on) || (atomic_fetch_add(&asked, 1) + 1) % every != 0)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return fails() ? NULL : __libc_realloc(block, size);
}
