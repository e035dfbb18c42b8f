#include "config/answers.h"

#include "ask/wording.h"
#include "config/scalar.h"
#include "config/text.h"

#include <string.h>

/* These statuses have no content (RFC 9110, 15.3.5, 15.3.6, 15.4.5). */
static bool has_no_content(unsigned status)
{
    return status == 204 || status == 205 || status == 304;
}

/* Checks a body against the status of its answer, which is 0 if that is not known. */
static bool check_body(const char *raw, unsigned status, struct faults *faults, const char **body)
{
    if (!scalar_is_usable(raw))
        return raw == NULL;
    struct placed value = scalar_placed(raw);
    char fault[CHECK_FAULT_MAX];
    *body = value.text;
    if (!wording_is_valid(value.text, fault)) {
        faults_add(faults, value.line, value.column, "body is no text for an answer: %s", fault);
    } else if (wording_longest(value.text) > CHECK_BODY_ROOM) {
        faults_add(faults, value.line, value.column,
                   "body is too long; write at most %d bytes, each {number} counted as 20",
                   CHECK_BODY_ROOM);
    } else if (has_no_content(status)) {
        faults_add(faults, value.line, value.column,
                   "an answer with status %u has no body; leave it out, or write another status "
                   "beside it",
                   status);
    } else {
        return true;
    }
    return false;
}

/* A Content-Type is "type/subtype" and perhaps parameters: one visible ASCII text. */
static bool check_type(const char *raw, struct faults *faults, const char **type)
{
    if (!scalar_is_usable(raw))
        return raw == NULL;
    struct placed value = scalar_placed(raw);
    const char *slash = strchr(value.text, '/');
    size_t len = strlen(value.text);
    bool is_good = slash != NULL && slash != value.text && slash[1] != '\0' &&
                   len <= CHECK_TYPE_MAX && value.text[len - 1] != ' ';
    for (size_t i = 0; i < len; i++)
        is_good &= value.text[i] >= ' ' && value.text[i] <= '~';
    *type = value.text;
    if (is_good)
        return true;
    char shortened[CONFIG_SHORT_MAX];
    faults_add(faults, value.line, value.column,
               "type \"%s\" is no media type; write one of at most %d bytes, such as text/plain or "
               "application/json",
               config_shorten(value.text, shortened), CHECK_TYPE_MAX);
    return false;
}

static bool check_headers(const struct raw_answer *raw, struct arena *arena, struct faults *faults,
                          struct check_answer_terms *terms)
{
    bool is_good = true;
    size_t room = 0;
    const char **headers = arena_take(arena, raw->headers_count * sizeof *headers);
    if (headers == NULL) {
        faults_add(faults, 0, 0, "out of memory");
        return false;
    }
    for (uint32_t i = 0; i < raw->headers_count; i++) {
        struct placed header = scalar_placed(raw->headers[i]);
        char fault[CHECK_FAULT_MAX], shortened[CONFIG_SHORT_MAX];
        size_t longest = 0;
        headers[i] = header.text;
        if (!check_header_is_valid(header.text, fault, &longest)) {
            faults_add(faults, header.line, header.column, "header \"%s\": %s",
                       config_shorten(header.text, shortened), fault);
            is_good = false;
        } else if ((room += longest) > CHECK_FIELDS_ROOM) {
            faults_add(faults, header.line, header.column,
                       "the headers of an answer take more than %d bytes up to here, each {number} "
                       "counted as 20; write fewer or shorter ones",
                       CHECK_FIELDS_ROOM);
            is_good = false;
        }
    }
    terms->headers = headers;
    terms->headers_count = raw->headers_count;
    return is_good;
}

/* Checks the status that is written out, if one is. */
static bool check_own_status(const struct raw_answer *raw, struct faults *faults,
                             struct check_answer_terms *terms)
{
    terms->is_given = raw->place != NULL;
    terms->status = (unsigned)scalar_number(faults, "status", raw->status, CHECK_STATUS_MIN,
                                            CHECK_STATUS_MAX, 0);
    return raw->status == NULL || terms->status != 0;
}

/* Checks all but the status of an answer that is written out. The terms have the statuses of all. */
static bool check_answer_of(const struct raw_answer *raw, enum check_case which,
                            struct arena *arena, struct faults *faults, struct check_terms *terms)
{
    struct check_answer_terms *answer = &terms->answers[which];
    if (!answer->is_given)
        return true;
    bool status_is_faulty = raw->status != NULL && answer->status == 0;
    unsigned status = status_is_faulty ? 0 : check_status(terms, which);
    bool is_good = check_body(raw->body, status, faults, &answer->body);
    is_good &= check_type(raw->type, faults, &answer->type);
    is_good &= check_headers(raw, arena, faults, answer);
    if (raw->type != NULL && raw->body == NULL && !mapping_lacks(raw->place, "body")) {
        struct placed type = scalar_placed(scalar_is_usable(raw->type) ? raw->type : raw->place);
        faults_add(faults, type.line, type.column,
                   "type is given without a body; write the body too, or leave type out");
        is_good = false;
    }
    return is_good;
}

/* Reports a status that is said twice, as deny_status and in the answer. */
static bool check_said_once(const char *raw, const char *name, const struct raw_answer *answer,
                            const char *answer_name, struct faults *faults)
{
    if (!scalar_is_usable(raw) || answer->status == NULL)
        return true;
    struct placed value = scalar_placed(raw);
    faults_add(faults, value.line, value.column,
               "%s is given beside the status of answers: %s; leave one of them out", name,
               answer_name);
    return false;
}

bool config_answers_check(const struct raw_check *raw, struct arena *arena, struct faults *faults,
                          struct check_terms *terms)
{
    const struct raw_answers *answers = &raw->answers;
    terms->deny_status =
        (unsigned)scalar_number(faults, "deny_status", raw->deny_status, CHECK_DENY_STATUS_MIN,
                                CHECK_DENY_STATUS_MAX, CHECK_DENY_STATUS_DEFAULT);
    terms->never_status = (unsigned)scalar_number(faults, "never_status", raw->never_status,
                                                  CHECK_DENY_STATUS_MIN, CHECK_DENY_STATUS_MAX, 0);
    bool is_good = check_said_once(raw->deny_status, "deny_status", &answers->deny, "deny", faults);
    is_good &= check_said_once(raw->never_status, "never_status", &answers->never, "never", faults);
    const struct raw_answer *const raw_answers[CHECK_CASES] = {
        [CHECK_ALLOW] = &answers->allow,
        [CHECK_DENY] = &answers->deny,
        [CHECK_NEVER] = &answers->never,
        [CHECK_MISSING] = &answers->missing,
    };
    for (int which = 0; which < CHECK_CASES; which++)
        is_good &= check_own_status(raw_answers[which], faults, &terms->answers[which]);
    for (int which = 0; which < CHECK_CASES; which++)
        is_good &= check_answer_of(raw_answers[which], which, arena, faults, terms);
    return is_good;
}

/* ---- printing ---- */

static void print_answer(const char *name, const struct check_answer_terms *answer, FILE *out)
{
    bool is_empty = answer->status == 0 && answer->body == NULL && answer->headers_count == 0;
    fprintf(out, "      %s:%s\n", name, is_empty ? " {}" : "");
    if (answer->status != 0)
        fprintf(out, "        status: %u\n", answer->status);
    if (answer->type != NULL)
        config_write_named(out, "        type: ", answer->type);
    if (answer->headers_count > 0)
        fputs("        headers:\n", out);
    for (uint32_t i = 0; i < answer->headers_count; i++)
        config_write_named(out, "          - ", answer->headers[i]);
    if (answer->body != NULL)
        config_write_named(out, "        body: ", answer->body);
}

void config_statuses_print(const struct check_terms *terms, FILE *out)
{
    if (!terms->answers[CHECK_DENY].is_given || terms->answers[CHECK_DENY].status == 0)
        fprintf(out, "    deny_status: %u\n", terms->deny_status);
    if (terms->never_status != 0)
        fprintf(out, "    never_status: %u\n", terms->never_status);
}

void config_answers_print(const struct check_terms *terms, FILE *out)
{
    bool is_begun = false;
    for (int which = 0; which < CHECK_CASES; which++) {
        if (!terms->answers[which].is_given)
            continue;
        if (!is_begun)
            fputs("    answers:\n", out);
        is_begun = true;
        print_answer(check_case_names[which], &terms->answers[which], out);
    }
}
