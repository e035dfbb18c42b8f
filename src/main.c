/*
 * allowd: reads the options, loads the configuration, runs the server.
 */
#include "base/heap.h"
#include "config/config.h"
#include "config/hints.h"
#include "daemon/begin_fleet.h"
#include "daemon/explain.h"
#include "daemon/health.h"
#include "daemon/server.h"
#include "daemon/signals.h"
#include "http/json_memory.h"
#include "log/log.h"
#include "migrate/from_nginx.h"

#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "Usage: allowd [-c FILE] [-l ADDRESS]... [-t | --print-config] [--ready-fd N]\n"
    "       allowd --explain [-c FILE] KEY\n"
    "       allowd --begin-fleet -c FILE\n"
    "       allowd --health [-c FILE | -l ADDRESS] [PATH]\n"
    "       allowd --from-nginx FILE\n"
    "       allowd -h | -V\n"
    "Answers over HTTP whether a key may go on: curl 'http://127.0.0.1:10429/allow?key=alice'\n"
    "\n"
    "  -c, --config FILE     read the configuration from FILE; without it, built-in defaults\n"
    "  -l, --listen ADDRESS  listen on ADDRESS, not where the configuration says; may be repeated\n"
    "  -t, --check           check the configuration and exit: 0 if it is fine, 6 if it is not\n"
    "  --print-config        show the configuration with all defaults, as YAML, and exit\n"
    "  --explain             say in sentences what KEY would get, and why, and exit\n"
    "  --begin-fleet         tell a store that is new to the fleet that nothing was lost, and exit\n"
    "  --health              ask the allowd that runs whether it is ready, and exit: 0 if it is\n"
    "  --from-nginx FILE     show what the limit_req lines of nginx in FILE come to, as YAML, and exit\n"
    "  -h, --help            show this help and exit\n"
    "  -V, --version         show the version and exit\n"
    "  --ready-fd N          write a newline to descriptor N when ready, and close it\n"
    "\n"
    "Signals: SIGHUP reloads the limits, SIGTERM and SIGINT drain and stop.\n"
    "See allowd(8), allowd.yaml(5) and allowd-http(7).\n";

struct options {
    const char *config_path; /* NULL: the built-in defaults */
    bool check, print_config, explain, begin_fleet, health;
    const char *key;        /* to explain */
    const char *path;       /* of the health check */
    const char *nginx_path; /* to translate; NULL: nothing */
    const char *shown;      /* to show and end; NULL: nothing */
    int ready_fd;
    uint32_t listen_count;
    struct address listen[CONFIG_LISTEN_MAX];
};

static enum exit_status show(const char *text)
{
    return fputs(text, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_STATUS_OK : EXIT_STATUS_FAILURE;
}

static bool add_listen(struct options *options, const char *text)
{
    char hint[HINT_MAX];
    bool hints = hint_address(text, hint);
    if (options->listen_count == CONFIG_LISTEN_MAX)
        log_error("-l: more than %d addresses", CONFIG_LISTEN_MAX);
    else if (!address_parse(text, &options->listen[options->listen_count]))
        log_error("-l: \"%s\" is not %s%s", text, hints ? "an address; write " : "",
                  hints ? hint : ADDRESS_FORMS);
    else
        return ++options->listen_count, true;
    return false;
}

static bool set_ready_fd(struct options *options, const char *text)
{
    if (notify_parse_fd(text, &options->ready_fd))
        return true;
    log_error("--ready-fd: \"%s\" is not an open descriptor above 2 to write to", text);
    return false;
}

enum {
    OPTION_READY_FD = UCHAR_MAX + 1,
    OPTION_PRINT_CONFIG,
    OPTION_EXPLAIN,
    OPTION_BEGIN_FLEET,
    OPTION_HEALTH,
    OPTION_FROM_NGINX,
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"listen", required_argument, NULL, 'l'},
    {"check", no_argument, NULL, 't'},
    {"print-config", no_argument, NULL, OPTION_PRINT_CONFIG},
    {"explain", no_argument, NULL, OPTION_EXPLAIN},
    {"begin-fleet", no_argument, NULL, OPTION_BEGIN_FLEET},
    {"health", no_argument, NULL, OPTION_HEALTH},
    {"from-nginx", required_argument, NULL, OPTION_FROM_NGINX},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"ready-fd", required_argument, NULL, OPTION_READY_FD},
    {0},
};

/* What follows the options: of --explain a key, of --health perhaps a path. false: it is not as it should be,
 * which is logged. */
static bool take_arguments(int count, char **arguments, struct options *options)
{
    if (options->explain && count == 0)
        log_error(
            "--explain: the key is missing; write allowd --explain -c FILE KEY; try 'allowd -h'");
    else if (options->explain && explain_key_is_valid(arguments[0]))
        options->key = arguments++[0], count--;
    else if (options->explain)
        return false;
    if (options->health && count > 0) {
        if (!health_path_is_valid(arguments[0]))
            return false;
        options->path = arguments++[0], count--;
    }
    if (count > 0)
        log_error("\"%s\" is not an option; try 'allowd -h'", arguments[0]);
    return count == 0 && options->explain == (options->key != NULL);
}

/* false: the command line is wrong, which is logged. */
static bool parse_options(int argc, char **argv, struct options *options)
{
    for (int option; (option = getopt_long(argc, argv, "c:l:thV", long_options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            options->config_path = optarg;
            break;
        case 'l':
            if (!add_listen(options, optarg))
                return false;
            break;
        case 't':
            options->check = true;
            break;
        case OPTION_PRINT_CONFIG:
            options->print_config = true;
            break;
        case OPTION_EXPLAIN:
            options->explain = true;
            break;
        case OPTION_BEGIN_FLEET:
            options->begin_fleet = true;
            break;
        case OPTION_HEALTH:
            options->health = true;
            break;
        case OPTION_FROM_NGINX:
            options->nginx_path = optarg;
            break;
        case OPTION_READY_FD:
            if (!set_ready_fd(options, optarg))
                return false;
            break;
        case 'h':
            options->shown = usage;
            return true;
        case 'V':
            options->shown = "allowd " PACKAGE_VERSION "\n";
            return true;
        default:
            fputs("Try 'allowd -h'.\n", stderr);
            return false;
        }
    }
    return take_arguments(argc - optind, argv + optind, options);
}

/* Opens descriptors 0 to 2 if they are closed. Else they would be given to sockets, and the log
 * would write to one of those. */
static void fill_standard_descriptors(void)
{
    for (int descriptor = open("/dev/null", O_RDWR); descriptor >= 0; descriptor = dup(descriptor))
        if (descriptor > STDERR_FILENO) {
            close(descriptor);
            return;
        }
}

/* Editors find a fault if its line begins with the place, so "allowd:" does not stand before it. */
static void print_line(void *context, enum fault_kind kind, const char *place, const char *text)
{
    (void)context;
    bool is_warning = kind == FAULT_WARNING;
    fprintf(stderr, "%s%s: %s%s\n", log_priority(is_warning ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR),
            place, is_warning ? "warning: " : "", text);
}

static enum exit_status print_config(const struct config *config)
{
    config_print(config, stdout);
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_STATUS_OK : EXIT_STATUS_FAILURE;
}

static enum exit_status print_from_nginx(const char *path)
{
    struct complaint complaint;
    if (!from_nginx(path, stdout, &complaint)) {
        fprintf(stderr, "%s%s\n", log_priority(LOG_LEVEL_ERROR), complaint.text);
        return EXIT_STATUS_CONFIG;
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_STATUS_OK : EXIT_STATUS_FAILURE;
}

static bool ends_at_once(const struct options *options)
{
    return options->shown != NULL || options->check || options->print_config || options->explain ||
           options->begin_fleet || options->health || options->nginx_path != NULL;
}

/* Whoever runs a command takes 0 for its answer. */
static void set_what_ends_it(const struct options *options)
{
    if (ends_at_once(options))
        signals_end_as_usual();
    else
        signals_end_quietly();
}

static enum exit_status run(const struct options *options)
{
    struct config config;
    struct faults faults = {0};
    enum exit_status status = EXIT_STATUS_OK;
    bool is_loaded = config_load(options->config_path, &config, &faults);
    if (!is_loaded || (ends_at_once(options) && !options->health))
        faults_tell(&faults, options->config_path, print_line, NULL);
    if (!is_loaded) {
        faults_release(&faults);
        return EXIT_STATUS_CONFIG;
    }
    if (options->listen_count > 0) {
        config.listen_is_fixed = true;
        config.listen_count = options->listen_count;
        memcpy(config.listen, options->listen, sizeof config.listen);
    }
    if (options->explain)
        status = explain_print(&config, options->key, stdout);
    else if (options->begin_fleet)
        status = begin_fleet(&config, stdout);
    else if (options->health)
        status = health_check(&config.listen[0], options->path, stdout);
    else if (options->print_config)
        status = print_config(&config);
    else if (options->check)
        log_info("the configuration is fine");
    else
        status = server_run(&config, options->config_path, &faults, options->ready_fd);
    faults_release(&faults);
    config_release(&config);
    return status;
}

/* What it takes no configuration for, so that a file that is being changed fails no health check with -l. */
static enum exit_status run_command(const struct options *options)
{
    if (options->shown != NULL)
        return show(options->shown);
    if (options->health && options->listen_count > 0)
        return health_check(&options->listen[0], options->path, stdout);
    if (options->nginx_path != NULL)
        return print_from_nginx(options->nginx_path);
    return run(options);
}

int main(int argc, char **argv)
{
    struct options options = {.path = HEALTH_PATH, .ready_fd = NOTIFY_NO_FD};
    signals_hold();
    fill_standard_descriptors();
    log_init();
    heap_keep_memory();
    json_memory_set_up();
    if (!parse_options(argc, argv, &options))
        return EXIT_STATUS_USAGE;
    set_what_ends_it(&options);
    return (int)run_command(&options);
}
