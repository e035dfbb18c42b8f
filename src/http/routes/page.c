/* /: the page for operators. It holds no data, so it needs no token; what its script asks for does. */
#include "page/page.h"

#include "http/question.h"
#include "http/routes/table.h"

static const char type_html[] = "text/html; charset=utf-8";

/* The page is the last thing to be framed, guessed at, or told about to other origins. */
static void add_fields(struct reply *reply)
{
    reply_add_field(reply, "Content-Security-Policy", page_policy());
    reply_add_field(reply, "X-Content-Type-Options", "nosniff");
    reply_add_field(reply, "X-Frame-Options", "DENY");
    reply_add_field(reply, "Referrer-Policy", "no-referrer");
    reply_add_field(reply, "Cross-Origin-Opener-Policy", "same-origin");
    reply_add_field(reply, "Cross-Origin-Resource-Policy", "same-origin");
}

static void reply_page(struct request *request)
{
    struct text body = text_begin_growing();
    text_bytes(&body, page_html, page_html_len);
    reply_take_body(&request->reply, 200, type_html, &body, 503, "out of memory; try again");
    if (request->reply.status == 200)
        add_fields(&request->reply);
}

static void reply(struct request *request, const struct serving *serving)
{
    (void)serving;
    reply_page(request);
}

/* It can show that allowd stands still. */
static void reply_stalled(struct request *request, uint64_t waited_ms)
{
    (void)waited_ms;
    reply_page(request);
}

/* That of copying it. */
static size_t cost(const struct request *request)
{
    return request->fault_status == 0 ? ROUTE_COST_TURN / 16 : 0;
}

const struct route route_page = {
    .path = "/",
    .methods = METHOD_GET | METHOD_HEAD,
    .allow = "GET, HEAD",
    .is_admin = true,
    .is_tokenless = true,
    .cost = cost,
    .ask = request_ask_daemon,
    .reply = reply,
    .reply_stalled = reply_stalled,
};
