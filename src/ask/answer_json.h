/*
 * Answer JSON: the members of a body that say what was decided and how full a key's buckets are.
 *
 * Members and their order are the same whether a body is about one key or a list.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "base/text.h"
#include "brain/message.h"

#include <stdbool.h>

#define REPLY_TYPE_QUOTA_EXCEEDED "https://iana.org/assignments/http-problem-types#quota-exceeded"
#define REPLY_TITLE_QUOTA_EXCEEDED "Too Many Requests"

/* Bytes of a body about one key at most, without the key itself, of which each byte may take two.
 * Names may be escaped, numbers have 20 digits at most. */
#define REPLY_JSON_MAX                                                                             \
    (BUCKETS_MAX * POLICY_NAME_MAX + 2 * LIMIT_NAME_MAX + 2 * LIMIT_MATCH_MAX + 822 +              \
     BUCKETS_MAX * (2 * BUCKET_NAME_MAX + 6 * 20 + 112))

/* The names, in quotes, of the buckets that did not hold what was asked for. Returns how many. */
uint32_t reply_violated(const struct bucket_answer *answer, const char *names[BUCKETS_MAX]);

/* Writes them as an array. */
void reply_write_violated(struct text *body, const struct bucket_answer *answer);

/* The `reason` of a result, or an empty string where the numbers say enough. */
const char *reply_reason(enum bucket_result result);

/* The same of an answer, which may have been decided without the fleet's store. */
const char *reply_reason_of(const struct bucket_answer *answer);

/* A number of milliseconds, or null. */
void reply_write_retry_after_ms(struct text *body, uint64_t retry_after_ms);

/* Writes ,"remaining":...,"owed":... of a bucket; reply_write_level adds ,"burst":... to that. */
void reply_write_tokens(struct text *body, uint64_t remaining_tokens, uint64_t owed_tokens);
void reply_write_level(struct text *body, uint64_t remaining_tokens, uint64_t owed_tokens,
                       uint64_t burst);

/* Writes ,"reset_after_ms":... which is null if full_after_ms is RETRY_NEVER. */
void reply_write_reset_after_ms(struct text *body, uint64_t full_after_ms);

/* Writes "key":... and all that follows it in an answer to ALLOW. allowed: what the caller is
 * told. */
void reply_write_allow(struct text *body, const struct bucket_question *ask,
                       const struct bucket_answer *answer, bool allowed);

/* Writes the same as a whole object, which begins with "allowed" and, if that is false, with
 * "violated-policies". */
void reply_write_verdict(struct text *body, const struct bucket_question *ask,
                         const struct bucket_answer *answer, bool allowed);

/* What the answers to ALLOW of one limit and one number of tokens have in common that say numbers only:
 * what is between the key, `remaining` and `reset_after_ms`. And the two numbers that were written last, and
 * where all of that is in the body, behind the key: often keys are as full as those before them. */
struct answer_words {
    const struct limit *limit; /* NULL: none has been written yet */
    uint64_t tokens, owed_tokens;
    uint64_t remaining_tokens, full_after_ms;
    size_t written_at, written_len; /* bytes of the body before it, and of itself */
    size_t before_len, behind_len;
    char before[2 * LIMIT_NAME_MAX + 64]; /* `remaining`; it begins with the key's last quote */
    char behind[160];
};

/* Writes the same as reply_write_verdict, to a body that has room for it. One after the other of a list, they
 * write what they have in common once, and copy it from then on. */
void reply_write_next_verdict(struct text *body, const struct bucket_question *ask,
                              const struct bucket_answer *answer, bool allowed,
                              struct answer_words *words);

/* Writes the answer to a CHARGE that was made, as a whole object. */
void reply_write_charge(struct text *body, const struct bucket_question *ask,
                        const struct bucket_answer *answer);

/* The same as reply_write_allow, of an answer to STATUS. */
void reply_write_status(struct text *body, const struct bucket_question *ask,
                        const struct bucket_answer *answer);
