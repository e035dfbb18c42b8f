/*
 * What allowd answers GET /allow?key=alice with, for those that say the same without
 * deciding anything: bare.c and loop.c.
 */
#pragma once

#define ANSWER_BODY                                                                                \
    "{\"allowed\":true,\"key\":\"alice\",\"limit\":\"default\",\"tokens\":1,"                      \
    "\"remaining\":99999999,\"owed\":0,\"burst\":100000000,\"retry_after_ms\":0,"                  \
    "\"reset_after_ms\":100}\n"

/* FIELD(name, value) for each, but for Date and Content-Length. */
#define ANSWER_FIELDS(FIELD)                                                                       \
    FIELD("Content-Type", "application/json")                                                      \
    FIELD("Cache-Control", "no-store")                                                             \
    FIELD("RateLimit-Policy", "\"default\";q=100000000;w=1")                                       \
    FIELD("RateLimit", "\"default\";r=99999999;t=1")
