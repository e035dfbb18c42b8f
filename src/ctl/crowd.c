#include "ctl/crowd.h"

#include "base/clock.h"

#include <curl/curl.h>
#include <stdlib.h>

/* One who asks, again and again. */
struct asker {
    CURL *curl;
    uint64_t asked_ns;
};

struct asking {
    struct crowd crowd;
    CURLM *multi;
    struct asker *askers;
    unsigned count;
    uint64_t left; /* questions that are still to be asked */
    unsigned out;  /* askers that wait for an answer */
};

static bool goes_on(const struct asking *asking)
{
    return asking->crowd.result == CLIENT_ANSWERED && asking->crowd.status == 0;
}

static void ask(struct asking *asking, struct asker *asker)
{
    if (asking->left == 0 || !goes_on(asking))
        return;
    asking->left--;
    asking->out++;
    asker->asked_ns = clock_now_ns(&clock_system);
    curl_multi_add_handle(asking->multi, asker->curl);
}

static void fail(struct asking *asking, enum client_result result, const char *fault)
{
    asking->crowd.result = result;
    asking->crowd.fault = fault;
}

static void count(struct asking *asking, const struct asker *asker, CURLcode code)
{
    struct crowd *crowd = &asking->crowd;
    long status = 0;
    if (code != CURLE_OK) {
        fail(asking, code == CURLE_OUT_OF_MEMORY ? CLIENT_FAILED : CLIENT_UNREACHABLE,
             curl_easy_strerror(code));
        return;
    }
    curl_easy_getinfo(asker->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 && status != 429) {
        crowd->status = status;
        return;
    }
    crowd->latencies_ns[crowd->asked++] = clock_now_ns(&clock_system) - asker->asked_ns;
    crowd->allowed += status == 200;
    crowd->denied += status == 429;
}

/* Whether there were any. */
static bool heed_answers(struct asking *asking)
{
    CURLMsg *message;
    int rest;
    bool has_any = false;
    while ((message = curl_multi_info_read(asking->multi, &rest)) != NULL) {
        CURL *curl = message->easy_handle;
        CURLcode code = message->data.result;
        struct asker *asker = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(curl, CURLINFO_PRIVATE, (char **)&asker);
        curl_multi_remove_handle(asking->multi, curl);
        asking->out--;
        count(asking, asker, code);
        has_any = true;
        ask(asking, asker);
    }
    return has_any;
}

static void run(struct asking *asking)
{
    int running = 0;
    uint64_t begun_ns = clock_now_ns(&clock_system);
    for (unsigned i = 0; i < asking->count; i++)
        ask(asking, &asking->askers[i]);
    while (asking->out > 0 && goes_on(asking)) {
        if (curl_multi_perform(asking->multi, &running) != CURLM_OK)
            fail(asking, CLIENT_FAILED, "there is not enough memory");
        else if (!heed_answers(asking))
            curl_multi_poll(asking->multi, NULL, 0, 1000, NULL);
    }
    asking->crowd.took_ns = clock_now_ns(&clock_system) - begun_ns;
}

static int compare(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return (first > second) - (first < second);
}

static bool begin(struct asking *asking, const struct client *client,
                  const struct client_request *request, unsigned connections)
{
    asking->multi = curl_multi_init();
    asking->crowd.latencies_ns = calloc(asking->left, sizeof *asking->crowd.latencies_ns);
    asking->askers = calloc(connections, sizeof *asking->askers);
    if (asking->multi == NULL || asking->crowd.latencies_ns == NULL || asking->askers == NULL)
        return false;
    curl_multi_setopt(asking->multi, CURLMOPT_MAXCONNECTS, (long)connections);
    for (; asking->count < connections; asking->count++) {
        struct asker *asker = &asking->askers[asking->count];
        asker->curl = client_handle(client, request);
        if (asker->curl == NULL)
            return false;
        curl_easy_setopt(asker->curl, CURLOPT_PRIVATE, asker);
    }
    return true;
}

static void end(struct asking *asking)
{
    for (unsigned i = 0; i < asking->count; i++) {
        curl_multi_remove_handle(asking->multi, asking->askers[i].curl);
        curl_easy_cleanup(asking->askers[i].curl);
    }
    curl_multi_cleanup(asking->multi);
    free(asking->askers);
}

struct crowd crowd_ask(const struct client *client, const struct client_request *request,
                       uint64_t questions, unsigned connections)
{
    struct asking asking = {.left = questions};
    if (begin(&asking, client, request, connections))
        run(&asking);
    else
        fail(&asking, CLIENT_FAILED, "there is not enough memory");
    end(&asking);
    if (asking.crowd.asked > 0)
        qsort(asking.crowd.latencies_ns, asking.crowd.asked, sizeof(uint64_t), compare);
    return asking.crowd;
}

void crowd_release(struct crowd *crowd)
{
    free(crowd->latencies_ns);
    crowd->latencies_ns = NULL;
}

uint64_t crowd_latency_ns(const struct crowd *crowd, double share)
{
    uint64_t place = (uint64_t)(share * (double)crowd->asked);
    if (crowd->asked == 0)
        return 0;
    return crowd->latencies_ns[place < crowd->asked ? place : crowd->asked - 1];
}
