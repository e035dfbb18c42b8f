#include "support/store_server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 2000, TRY_MS = 5 };

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "the store: %s: %s\n", what, why);
    exit(1);
}

static void socket_path(const struct store_server *server, char *path, size_t len)
{
    snprintf(path, len, "%s/socket", server->directory);
}

static void run(const struct store_server *server, const char *program)
{
    char path[128], log[128];
    socket_path(server, path, sizeof path);
    snprintf(log, sizeof log, "%s/log", server->directory);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    execlp(program, program, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly",
           "no", "--dir", server->directory, "--logfile", log, "--daemonize", "no", (char *)NULL);
    fprintf(stderr, "the store: %s cannot be run\n", program);
    _exit(127);
}

static redisContext *try_to_connect(const struct store_server *server)
{
    char path[128];
    socket_path(server, path, sizeof path);
    redisContext *connection = redisConnectUnix(path);
    if (connection != NULL && connection->err == 0)
        return connection;
    redisFree(connection);
    return NULL;
}

/* The server says on its log, not to us, when it is there. */
static void connect_to(struct store_server *server, const char *program)
{
    for (unsigned i = 0; i < TRIES && server->connection == NULL; i++) {
        if (waitpid(server->pid, NULL, WNOHANG) != 0)
            give_up(program, "it ended at once");
        server->connection = try_to_connect(server);
        if (server->connection == NULL)
            nanosleep(&(struct timespec){.tv_nsec = TRY_MS * 1000000}, NULL);
    }
    if (server->connection == NULL)
        give_up(program, "it is not there after 10 s");
}

void store_server_start(struct store_server *server, const char *program)
{
    const char *where = getenv("TMPDIR");
    *server = (struct store_server){0};
    snprintf(server->directory, sizeof server->directory, "%s/allowd-store-XXXXXX",
             where != NULL ? where : "/tmp");
    if (mkdtemp(server->directory) == NULL)
        give_up("mkdtemp", server->directory);
    server->pid = fork();
    if (server->pid < 0)
        give_up("fork", program);
    if (server->pid == 0)
        run(server, program);
    connect_to(server, program);
}

static void remove_file(const struct store_server *server, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", server->directory, name);
    unlink(path);
}

void store_server_stop(struct store_server *server)
{
    redisFree(server->connection);
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    remove_file(server, "socket");
    remove_file(server, "log");
    rmdir(server->directory);
}

static redisReply *sound(struct store_server *server, redisReply *reply)
{
    if (reply == NULL)
        give_up("the connection ended", server->connection->errstr);
    if (reply->type == REDIS_REPLY_ERROR)
        give_up("it refused a command", reply->str);
    return reply;
}

redisReply *store_server_do(struct store_server *server, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(server->connection, format, args);
    va_end(args);
    return sound(server, reply);
}

redisReply *store_server_reply(struct store_server *server)
{
    void *reply = NULL;
    if (redisGetReply(server->connection, &reply) != REDIS_OK)
        reply = NULL;
    return sound(server, reply);
}
