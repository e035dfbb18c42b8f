/*
 * Asks as a program does that uses hiredis, blocking, with its defaults: hiredis_client PORT TOKEN.
 *
 * Prints what it is given, a line of JSON, as the other clients of test_resp_clients.py do. One
 * thread. Errors: a line on standard error, and status 1.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMANDS = 10000 };

static void fail(const char *what)
{
    fprintf(stderr, "hiredis_client: %s\n", what);
    exit(1);
}

static redisReply *checked(redisContext *context, void *reply)
{
    if (reply == NULL)
        fail(context->errstr);
    return reply;
}

static redisReply *ask(redisContext *context, const char *command)
{
    return checked(context, redisCommand(context, command));
}

static redisReply *next_of_pipeline(redisContext *context)
{
    void *reply = NULL;
    if (redisGetReply(context, &reply) != REDIS_OK)
        fail(context->errstr);
    return checked(context, reply);
}

static void print_numbers(const char *name, const redisReply *reply)
{
    printf("\"%s\": [", name);
    for (size_t i = 0; i < reply->elements; i++)
        printf("%s%lld", i > 0 ? ", " : "", reply->element[i]->integer);
    printf("], ");
}

/* The error is shown without its quotes, which JSON would need escaped. */
static void print_error(const redisReply *reply)
{
    printf("\"error\": \"");
    for (const char *at = reply->str; reply->type == REDIS_REPLY_ERROR && *at != '\0'; at++)
        printf(*at == '"' ? "\\\"" : "%c", *at);
    printf("\", ");
}

/* All commands are written before the first answer is read. */
static void print_pipeline(redisContext *context)
{
    unsigned answers = 0, allowed = 0;
    for (unsigned i = 0; i < COMMANDS; i++)
        if (redisAppendCommand(context, "ALLOW hiredis-pipeline") != REDIS_OK)
            fail(context->errstr);
    for (; answers < COMMANDS; answers++) {
        redisReply *reply = next_of_pipeline(context);
        allowed += reply->type == REDIS_REPLY_ARRAY && reply->element[0]->integer == 0;
        freeReplyObject(reply);
    }
    printf("\"answers\": %u, \"allowed\": %u, ", answers, allowed);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        fail("usage: hiredis_client PORT TOKEN");
    redisContext *context = redisConnect("127.0.0.1", atoi(argv[1]));
    if (context == NULL || context->err != 0)
        fail(context == NULL ? "no memory" : context->errstr);
    freeReplyObject(checked(context, redisCommand(context, "AUTH %s", argv[2])));
    freeReplyObject(ask(context, "RESET hiredis"));
    redisReply *first = ask(context, "ALLOW hiredis 10"), *error = ask(context, "ALLOW hiredis x"),
               *throttle = ask(context, "CL.THROTTLE hiredis 15 30 60"),
               *ping = ask(context, "PING");
    printf("{\"name\": \"hiredis\", ");
    print_numbers("first", first);
    print_error(error);
    print_pipeline(context);
    print_numbers("throttle", throttle);
    printf("\"ping\": \"%s\"}\n", ping->str);
    freeReplyObject(first);
    freeReplyObject(error);
    freeReplyObject(throttle);
    freeReplyObject(ping);
    redisFree(context);
    return 0;
}
