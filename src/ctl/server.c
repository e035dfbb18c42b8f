#include "ctl/server.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIX "unix:"
enum { UNIX_PATH_MAX_BYTES = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1 };

static const char *read_unix(const char *path, struct server *server)
{
    if (path[0] != '/')
        return "is no Unix socket; write unix: and its absolute path, as unix:/run/allowd.sock";
    if (strlen(path) > UNIX_PATH_MAX_BYTES)
        return "is too long a path for a Unix socket";
    server->unix_path = path;
    server->url = strdup("http://localhost");
    return server->url == NULL ? "does not fit into memory" : NULL;
}

static bool has(CURLU *url, CURLUPart part)
{
    char *value = NULL;
    bool is_there = curl_url_get(url, part, &value, 0) == CURLUE_OK && value[0] != '\0';
    curl_free(value);
    return is_there;
}

static bool is(CURLU *url, CURLUPart part, const char *expected)
{
    char *value = NULL;
    bool is_it = curl_url_get(url, part, &value, 0) == CURLUE_OK && strcmp(value, expected) == 0;
    curl_free(value);
    return is_it;
}

/* What is wrong with a URL; NULL: nothing. */
static const char *judge(CURLU *url)
{
    if (!is(url, CURLUPART_SCHEME, "http") && !is(url, CURLUPART_SCHEME, "https"))
        return "is no URL of HTTP; write http://HOST:PORT, HOST:PORT or unix:/PATH";
    if (has(url, CURLUPART_USER) || has(url, CURLUPART_PASSWORD))
        return "has a user or a password, which others could see in the list of processes; put the "
               "token into a file, and name it by --token-file";
    if (has(url, CURLUPART_QUERY) || has(url, CURLUPART_FRAGMENT))
        return "has a query or a fragment; leave it out";
    return NULL;
}

static void drop_slashes(char *url)
{
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        url[--len] = '\0';
}

static bool take_url(CURLU *url, struct server *server)
{
    char *whole = NULL;
    if (curl_url_get(url, CURLUPART_URL, &whole, 0) == CURLUE_OK)
        server->url = strdup(whole);
    curl_free(whole);
    if (server->url != NULL)
        drop_slashes(server->url);
    return server->url != NULL;
}

static const char *read_url(const char *text, struct server *server)
{
    CURLU *url = curl_url();
    const char *fault = "is no address; write http://HOST:PORT, HOST:PORT or unix:/PATH";
    if (url != NULL &&
        curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK)
        fault = judge(url);
    if (fault == NULL && !take_url(url, server))
        fault = "does not fit into memory";
    curl_url_cleanup(url);
    return fault;
}

/* Whether a port is behind the host. */
static bool has_port(const char *text)
{
    const char *bracket = strrchr(text, ']'), *colon = strrchr(text, ':');
    return colon != NULL && (bracket == NULL || bracket < colon);
}

static const char *read_host(const char *text, struct server *server)
{
    char *url;
    if (asprintf(&url, "http://%s%s", text, has_port(text) ? "" : ":" SERVER_PORT) < 0)
        return "does not fit into memory";
    const char *fault = read_url(url, server);
    free(url);
    return fault;
}

const char *server_read(const char *text, struct server *server)
{
    *server = (struct server){.shown = text};
    if (strncmp(text, UNIX, strlen(UNIX)) == 0)
        return read_unix(text + strlen(UNIX), server);
    if (text[0] == '/')
        return "is a path; a Unix socket has unix: before it, as unix:/run/allowd/allowd.sock";
    return strstr(text, "://") != NULL ? read_url(text, server) : read_host(text, server);
}

void server_release(struct server *server)
{
    free(server->url);
    server->url = NULL;
}
