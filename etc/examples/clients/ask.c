/* ask KEY: may KEY go on? Prints "go on", "wait SECONDS" or "never". Goes on while allowd is down.
 * cc ask.c -lcurl */
#include <curl/curl.h>
#include <stdio.h>

enum { KEY_MAX = 255 }; /* bytes, each of which may become three */

static size_t discard(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)context;
    return size * count;
}

/* 0: go on; -1: waiting does not help. */
static long wait_s(CURL *curl, const char *key)
{
    char *escaped = curl_easy_escape(curl, key, 0), url[64 + 3 * KEY_MAX];
    long status = 0;
    curl_off_t seconds = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:10429/allow?key=%s", escaped);
    curl_free(escaped);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 500L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
    if (curl_easy_perform(curl) != CURLE_OK)
        return 0; /* allowd is down */
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds); /* 0: none */
    return status != 429 ? 0 : seconds > 0 ? (long)seconds : -1;
}

int main(int argc, char **argv)
{
    CURL *curl = argc == 2 ? curl_easy_init() : NULL;
    if (curl == NULL)
        return 1;
    long seconds = wait_s(curl, argv[1]);
    curl_easy_cleanup(curl);
    if (seconds > 0)
        printf("wait %ld\n", seconds);
    else
        puts(seconds == 0 ? "go on" : "never");
    return 0;
}
