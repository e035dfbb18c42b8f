/*
 * Drives a fuzz target without libFuzzer: the seeds and regressions as they are,
 * then random mutations of them, the same ones for the same ALLOWD_SEED.
 *
 *   fuzz_NAME            as many executions as the target says, FUZZ_TIMES times; or FUZZ_RUNS
 *   fuzz_NAME FILE...    just these inputs
 *
 * The target runs in a child, so that an input that ends it can be kept:
 * crash-NAME, in the working directory, which can be such a FILE.
 */
#include "fuzz/fuzz.h"
#include "fuzz/mutate.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HANG_S = 60, RUNS_AN_ALARM = 1024 };

/* What is executed, as the parent sees it too. */
struct shared {
    unsigned long runs;
    size_t len;
    uint8_t bytes[];
};

static struct shared *shared;
static uint8_t *room; /* of size_max bytes just below what the sanitizers watch */

/* An end for an input that goes round in a circle: of processor time, for others may want it. */
static void begin_alarm(void)
{
    const struct itimerval until = {.it_value.tv_sec = HANG_S};
    setitimer(ITIMER_PROF, &until, NULL);
}

static void execute(const uint8_t *bytes, size_t len)
{
    if (shared->runs++ % RUNS_AN_ALARM == 0)
        begin_alarm();
    uint8_t *end = room + fuzz_target.size_max;
    memcpy(shared->bytes, bytes, len);
    shared->len = len;
    memcpy(end - len, bytes, len);
    LLVMFuzzerTestOneInput(end - len, len);
}

static void execute_mutants(const struct corpus *inputs, const struct corpus *words,
                            unsigned long runs)
{
    struct dice dice = dice_new(0);
    uint8_t *bytes = malloc(fuzz_target.size_max);
    if (bytes == NULL)
        abort();
    for (unsigned long i = 0; i < runs; i++) {
        const struct corpus_item *item = &inputs->items[dice_roll(&dice, inputs->count)];
        memcpy(bytes, item->bytes, item->len);
        execute(bytes, mutate(&dice, bytes, item->len, fuzz_target.size_max, inputs, words));
    }
    free(bytes);
}

/* The child's work. */
static void run_all(struct corpus *inputs, struct corpus *words, unsigned long runs)
{
    room = malloc(fuzz_target.size_max);
    if (room == NULL)
        abort();
    for (size_t i = 0; i < inputs->count; i++)
        execute(inputs->items[i].bytes, inputs->items[i].len);
    if (runs > 0)
        execute_mutants(inputs, words, runs);
    free(room);
    corpus_release(inputs);
    corpus_release(words);
}

static void keep_input(int status)
{
    char name[64];
    snprintf(name, sizeof name, "crash-%s", fuzz_target.name);
    FILE *file = fopen(name, "wb");
    if (file != NULL) {
        fwrite(shared->bytes, 1, shared->len, file);
        fclose(file);
    }
    if (WIFSIGNALED(status))
        fprintf(stderr, "signal %d", WTERMSIG(status));
    else
        fprintf(stderr, "exit status %d", WEXITSTATUS(status));
    fprintf(stderr, " at execution %lu; its input is in %s\n", shared->runs, name);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Whether the target survived. */
static bool run_in_child(struct corpus *inputs, struct corpus *words, unsigned long runs)
{
    int status = 0;
    double began_s = now_s();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        run_all(inputs, words, runs);
        exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("fork");
        return false;
    }
    double took_s = now_s() - began_s;
    printf("fuzz_%s: %lu executions in %.1f s, %.0f a second\n", fuzz_target.name, shared->runs,
           took_s, (double)shared->runs / took_s);
    if (status != 0)
        keep_input(status);
    return status == 0;
}

static void in_tree(char path[PATH_MAX], const char *directory, const char *name)
{
    snprintf(path, PATH_MAX, "%s/%s/%s", getenv("TOP_SRCDIR"), directory, name);
}

static void add_directory(struct corpus *inputs, const char *directory, const char *name)
{
    char path[PATH_MAX];
    in_tree(path, directory, name);
    corpus_add_directory(inputs, path, fuzz_target.size_max);
}

/* The seeds, the regressions and the words of the target. */
static void read_tree(struct corpus *inputs, struct corpus *words)
{
    char path[PATH_MAX];
    if (getenv("TOP_SRCDIR") == NULL) {
        fprintf(stderr, "set TOP_SRCDIR to the source tree, or name files to execute\n");
        exit(2);
    }
    add_directory(inputs, "tests/fuzz/seeds", fuzz_target.name);
    add_directory(inputs, "tests/fuzz/regressions", fuzz_target.name);
    if (fuzz_target.more_seeds != NULL)
        add_directory(inputs, fuzz_target.more_seeds, "");
    if (inputs->count == 0) {
        fprintf(stderr, "%s: has no seeds for %s\n", getenv("TOP_SRCDIR"), fuzz_target.name);
        exit(2);
    }
    in_tree(path, "tests/fuzz/words", fuzz_target.name);
    corpus_add_words(words, path);
}

int main(int argc, char **argv)
{
    struct corpus inputs = {0}, words = {0};
    unsigned long runs = 0;
    shared = mmap(NULL, sizeof *shared + fuzz_target.size_max, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    for (int i = 1; i < argc; i++)
        corpus_add_file(&inputs, argv[i], fuzz_target.size_max);
    if (argc == 1) {
        read_tree(&inputs, &words);
        runs =
            environment_number("FUZZ_RUNS", fuzz_target.runs * environment_number("FUZZ_TIMES", 1));
        dice_seed();
    }
    bool survived = run_in_child(&inputs, &words, runs);
    corpus_release(&inputs);
    corpus_release(&words);
    munmap(shared, sizeof *shared + fuzz_target.size_max);
    return survived ? 0 : 1;
}
