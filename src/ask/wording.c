#include "ask/wording.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS_MAX = 20 };

static const struct {
    const char *name;
    size_t number; /* its offset in struct wording_numbers */
} placeholders[] = {
    {"retry_after", offsetof(struct wording_numbers, retry_after_s)},
    {"retry_after_ms", offsetof(struct wording_numbers, retry_after_ms)},
    {"reset_after", offsetof(struct wording_numbers, reset_after_s)},
    {"remaining", offsetof(struct wording_numbers, remaining)},
    {"burst", offsetof(struct wording_numbers, burst)},
};

enum { PLACEHOLDERS = sizeof placeholders / sizeof placeholders[0] };

/* What a wording goes on with. */
struct step {
    enum { STEP_END, STEP_TEXT, STEP_NUMBER, STEP_FAULT } kind;
    const char *text; /* of TEXT; of FAULT, from the brace on */
    size_t len;
    size_t number; /* of NUMBER: its offset */
};

/* Takes the next step of a wording. */
static struct step take_step(const char **at)
{
    const char *text = *at;
    size_t len = strcspn(text, "{}");
    if (text[0] == '\0')
        return (struct step){.kind = STEP_END};
    bool is_doubled = text[len] != '\0' && text[len + 1] == text[len];
    if (len > 0 || is_doubled) {
        /* Of two braces the first is text and the second is passed over. */
        *at += len + 2 * (size_t)is_doubled;
        return (struct step){.kind = STEP_TEXT, .text = text, .len = len + is_doubled};
    }
    size_t name_len = strcspn(text + 1, "{}");
    for (int i = 0; text[0] == '{' && text[1 + name_len] == '}' && i < PLACEHOLDERS; i++)
        if (text_is(text + 1, name_len, placeholders[i].name)) {
            *at += 1 + name_len + 1;
            return (struct step){.kind = STEP_NUMBER, .number = placeholders[i].number};
        }
    return (struct step){.kind = STEP_FAULT, .text = text};
}

bool wording_is_valid(const char *wording, char fault[CHECK_FAULT_MAX])
{
    struct step step;
    do
        step = take_step(&wording);
    while (step.kind == STEP_TEXT || step.kind == STEP_NUMBER);
    if (step.kind == STEP_FAULT)
        snprintf(fault, CHECK_FAULT_MAX,
                 "a '%c' in it begins or ends no number; there are {retry_after}, "
                 "{retry_after_ms}, {reset_after}, {remaining} and {burst}; write %c%c for the "
                 "character itself, in JSON too",
                 step.text[0], step.text[0], step.text[0]);
    return step.kind == STEP_END;
}

size_t wording_longest(const char *wording)
{
    size_t longest = 0;
    for (struct step step = take_step(&wording); step.kind != STEP_END; step = take_step(&wording))
        longest += step.kind == STEP_TEXT ? step.len : DIGITS_MAX;
    return longest;
}

void wording_write(struct text *text, const char *wording, const struct wording_numbers *numbers)
{
    for (struct step step = take_step(&wording); step.kind != STEP_END;
         step = take_step(&wording)) {
        assert(step.kind != STEP_FAULT);
        if (step.kind == STEP_TEXT) {
            text_bytes(text, step.text, step.len);
            continue;
        }
        uint64_t number;
        memcpy(&number, (const char *)numbers + step.number, sizeof number);
        text_number(text, number);
    }
}
