#include "ask/check_parts.h"

#include <assert.h>
#include <string.h>

/* Copying terms into a check. */
struct copying {
    struct arena *arena;
    bool failed; /* for want of memory; then the copies are not used */
};

static void *take(struct copying *copying, size_t size)
{
    void *piece = arena_take(copying->arena, size);
    copying->failed |= piece == NULL;
    return piece;
}

static const char *copy_bytes(struct copying *copying, const char *bytes, size_t len)
{
    char *copy = take(copying, len + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

static const char *copy_string(struct copying *copying, const char *string)
{
    return string == NULL ? NULL : copy_bytes(copying, string, strlen(string));
}

static const char *const *copy_strings(struct copying *copying, const char *const *strings,
                                       uint32_t count)
{
    const char **copies = take(copying, count * sizeof *copies);
    for (uint32_t i = 0; copies != NULL && i < count; i++)
        copies[i] = copy_string(copying, strings[i]);
    return copies;
}

static const struct check_rule_terms *copy_rules(struct copying *copying,
                                                 const struct check_rule_terms *rules,
                                                 uint32_t count)
{
    struct check_rule_terms *copies = take(copying, count * sizeof *copies);
    for (uint32_t i = 0; copies != NULL && i < count; i++) {
        copies[i] = rules[i];
        copies[i].methods = copy_strings(copying, rules[i].methods, rules[i].methods_count);
        copies[i].paths = copy_strings(copying, rules[i].paths, rules[i].paths_count);
        copies[i].networks = copy_strings(copying, rules[i].networks, rules[i].networks_count);
    }
    return copies;
}

static void copy_answer(struct copying *copying, struct check_answer_terms *answer)
{
    if (!answer->is_given)
        return;
    answer->type = copy_string(copying, answer->type);
    answer->body = copy_string(copying, answer->body);
    answer->headers = copy_strings(copying, answer->headers, answer->headers_count);
}

static struct check_terms copy_terms(struct copying *copying, const struct check_terms *terms)
{
    struct check_terms copy = *terms;
    copy.name = copy_string(copying, terms->name);
    copy.limit = copy_string(copying, terms->limit);
    copy.key = copy_string(copying, terms->key);
    copy.client_ip_header = copy_string(copying, terms->client_ip_header);
    copy.trusted = copy_strings(copying, terms->trusted, terms->trusted_count);
    copy.skip = copy_rules(copying, terms->skip, terms->skip_count);
    copy.cost = copy_rules(copying, terms->cost, terms->cost_count);
    for (int which = 0; which < CHECK_CASES; which++)
        copy_answer(copying, &copy.answers[which]);
    return copy;
}

static const struct rule *make_rules(struct copying *copying, const struct check_rule_terms *terms,
                                     uint32_t count)
{
    struct rule *rules = take(copying, count * sizeof *rules);
    for (uint32_t i = 0; rules != NULL && i < count; i++)
        copying->failed |= !rule_init(&rules[i], &terms[i], copying->arena);
    return rules;
}

static struct check_answer make_answer(struct copying *copying,
                                       const struct check_answer_terms *terms)
{
    struct check_answer answer = {
        .is_written_out = true,
        .type = terms->type != NULL ? terms->type : CHECK_TYPE_DEFAULT,
        .body = terms->body,
        .fields_count = terms->headers_count,
    };
    assert(terms->headers_count <= CHECK_FIELDS_MAX);
    for (uint32_t i = 0; i < terms->headers_count; i++) {
        struct split split;
        bool is_field = split_header(terms->headers[i], &split);
        assert(is_field);
        (void)is_field;
        answer.fields[i].name = copy_bytes(copying, terms->headers[i], split.name_len);
        answer.fields[i].value = copy_bytes(copying, split.value, split.value_len);
    }
    return answer;
}

/* The answer of a case: as it is written out, or that of the case which holds in its place. */
static void make_answers(struct copying *copying, struct check *check)
{
    const struct check_terms *terms = &check->terms;
    for (int which = 0; which < CHECK_CASES; which++) {
        struct check_answer *answer = &check->answers[which];
        if (terms->answers[which].is_given)
            *answer = make_answer(copying, &terms->answers[which]);
        else if (which == CHECK_NEVER || which == CHECK_MISSING)
            *answer = check->answers[check_case_otherwise(terms, which)];
        answer->status = check_status(terms, which);
    }
}

/* Works out which fields of a proxy count in the key or in a rule. */
static struct check_looks find_looks(const struct check *check)
{
    struct check_looks looks = {0};
    const struct check_terms *terms = &check->terms;
    for (uint32_t i = 0; i < check->template.count; i++) {
        enum part_kind kind = check->template.parts[i].kind;
        looks.client_ip |= kind == PART_CLIENT_IP;
        looks.method |= kind == PART_METHOD;
        looks.host |= kind == PART_HOST;
        looks.target |= kind == PART_PATH || kind == PART_QUERY;
    }
    for (uint32_t i = 0; i < terms->skip_count + terms->cost_count; i++) {
        const struct check_rule_terms *rule =
            i < terms->skip_count ? &terms->skip[i] : &terms->cost[i - terms->skip_count];
        looks.client_ip |= rule->networks_count > 0;
        looks.method |= rule->methods_count > 0;
        looks.target |= rule->paths_count > 0;
    }
    looks.any = looks.client_ip || looks.method || looks.host || looks.target;
    return looks;
}

struct check *check_new(const struct check_terms *terms)
{
    enum { FIRST_BYTES = 1024 };
    struct arena arena;
    char fault[CHECK_FAULT_MAX];
    arena_init(&arena, sizeof(struct check) + FIRST_BYTES, SIZE_MAX);
    struct check *check = arena_take(&arena, sizeof *check);
    if (check == NULL)
        return NULL;
    memset(check, 0, sizeof *check);
    check->arena = arena;
    struct copying copying = {.arena = &check->arena};
    bool is_template = template_parse(terms->key, &check->template, fault);
    assert(is_template && terms->trusted_count <= CHECK_TRUSTED_MAX);
    (void)is_template;
    check->terms = copy_terms(&copying, terms);
    for (uint32_t i = 0; i < terms->trusted_count; i++)
        trusted_add(&check->trusted, terms->trusted[i]);
    if (!copying.failed) {
        check->skip = make_rules(&copying, check->terms.skip, terms->skip_count);
        check->cost = make_rules(&copying, check->terms.cost, terms->cost_count);
        make_answers(&copying, check);
        for (uint32_t i = 0; i < check->template.count; i++)
            check->kinds |= 1u << check->template.parts[i].kind;
        check->looks = find_looks(check);
        check->trusted.field = check->terms.client_ip_header;
    }
    check->told = take(&copying, sizeof *check->told);
    if (check->told != NULL) {
        atomic_init(&check->told->untrusted, false);
        atomic_init(&check->told->settled, false);
    }
    if (copying.failed) {
        check_free(check);
        return NULL;
    }
    return check;
}

/* The check itself is in its arena. */
void check_free(struct check *check)
{
    if (check == NULL)
        return;
    struct arena arena = check->arena;
    arena_release(&arena);
}
