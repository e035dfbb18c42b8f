/*
 * A real store for a test: redis-server or one of its kin, as a child, on a Unix socket in a directory of its own.
 *
 * It opens no port and writes nothing to disk but its socket; it ends with the test, however that ends.
 *
 * Owns the process, the directory and the connection. One thread. Blocks: until it is there, 10 s at most.
 * Errors: ends the process and says why.
 */
#pragma once

#include <hiredis/hiredis.h>
#include <sys/types.h>

struct store_server {
    pid_t pid;
    char directory[64];
    redisContext *connection;
};

/* program: looked for in PATH, and in /usr/sbin and the like. */
void store_server_start(struct store_server *server, const char *program);
void store_server_stop(struct store_server *server);

/* Sends a command that must succeed. The reply is for freeReplyObject. */
redisReply *store_server_do(struct store_server *server, const char *format, ...);

/* The next reply of commands that were appended to the connection, which must not be an error. */
redisReply *store_server_reply(struct store_server *server);
