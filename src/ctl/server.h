/*
 * Where the server is, as people write it: a URL, HOST:PORT, or unix:/PATH.
 *
 * Owns the URL. Main thread. Never blocks. Errors: server_read returns what is wrong.
 */
#pragma once

#include <sys/un.h>

#define SERVER_DEFAULT "http://127.0.0.1:10429"
#define SERVER_PORT "10429" /* of HOST without a port */

struct server {
    const char *shown;     /* as it was written, the caller's */
    char *url;             /* up to the path, without a slash at its end */
    const char *unix_path; /* of a Unix socket, part of what was written; else NULL */
};

/* Reads an address. NULL: all is well, and *server is to be released. Else what is wrong with it,
 * for the end of a sentence that begins with the address. */
const char *server_read(const char *text, struct server *server);
void server_release(struct server *server);
