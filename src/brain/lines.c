#include "brain/lines.h"

#include <assert.h>
#include <string.h>

static_assert(LINES_MAX >= 2 * LIMITS_MAX, "a first reload always fits");
static_assert(LINES_MAX < LINE_NONE, "LINE_NONE is no line");

static bool is_unused(const struct lines *lines, uint16_t line)
{
    return lines->line[line].references == 0;
}

bool lines_have_room(const struct lines *lines, uint32_t limits)
{
    uint32_t unused = 0;
    for (uint16_t i = 0; i < LINES_MAX; i++) {
        const struct line *line = &lines->line[i];
        unused += is_unused(lines, i);
        if (!is_unused(lines, i) && line->successor != i &&
            lines->installs - line->replaced > LINE_AGE_MAX)
            return false;
    }
    return unused >= limits;
}

static uint16_t take_unused(const struct lines *lines)
{
    uint16_t i = 0;
    while (!is_unused(lines, i))
        i++;
    return i;
}

/* The last reference to a line gives up the line's own on its successor. */
static void release(struct lines *lines, uint16_t line)
{
    while (line != LINE_NONE && --lines->line[line].references == 0)
        line = lines->line[line].successor;
}

/* Whether a line already in force serves a limit whose fresh line would be this. */
static bool same_terms(const struct credit_line *a, const struct credit_line *b)
{
    return a->token_units == b->token_units && a->step_units == b->step_units &&
           a->cap_units == b->cap_units;
}

/* The line of a limit in the set now in force, or LINE_NONE. */
static uint16_t line_of_name(const struct lines *lines, const struct limits *prior,
                             const char *name)
{
    int found = prior == NULL ? -1 : limits_find(prior, name, strlen(name));
    return found < 0 ? LINE_NONE : lines->of_limit[found];
}

/* The line for a limit: the one it has, if its terms are the same, else a new
 * one that succeeds it. */
static uint16_t install_one(struct lines *lines, const struct limit *limit, uint64_t tick_ms,
                            uint16_t prior_line)
{
    struct credit_line fresh;
    enum credit_fault fault = credit_line_init(&fresh, limit->allowance.bucket[0].burst, limit->allowance.bucket[0].rate, tick_ms);
    assert(fault == CREDIT_OK);
    (void)fault;
    if (prior_line != LINE_NONE && same_terms(&lines->line[prior_line].credit, &fresh))
        return prior_line;

    uint16_t line = take_unused(lines);
    lines->line[line] = (struct line){
        .credit = fresh,
        .start_units = fresh.credit_units,
        .references = 1,
        .successor = line,
    };
    if (prior_line != LINE_NONE) {
        lines->line[prior_line].successor = line;
        lines->line[line].references++;
    }
    return line;
}

void lines_install(struct lines *lines, const struct limits *prior, const struct limits *next)
{
    uint16_t of_limit[LIMITS_MAX];
    bool in_force[LINES_MAX] = {false};
    uint16_t became[LINES_MAX]; /* what each line that was in force is now */
    for (uint16_t i = 0; i < LINES_MAX; i++)
        became[i] = i;
    assert(next->count <= LIMITS_MAX && lines_have_room(lines, next->count));

    lines->installs++;
    for (uint32_t i = 0; i < next->count; i++) {
        const struct limit *limit = &next->limit[i];
        uint16_t prior_line = line_of_name(lines, prior, limit->name);
        of_limit[i] = install_one(lines, limit, next->tick_ms, prior_line);
        in_force[of_limit[i]] = true;
    }
    for (uint32_t i = 0; i < lines->count; i++) {
        uint16_t line = lines->of_limit[i];
        if (in_force[line])
            continue;
        if (lines->line[line].successor == line)
            lines->line[line].successor = LINE_NONE;
        lines->line[line].replaced = lines->installs;
        became[line] = lines->line[line].successor;
        release(lines, line);
    }
    memcpy(lines->of_limit, of_limit, next->count * sizeof of_limit[0]);
    lines->count = next->count;
    for (uint16_t i = 0; i < LINES_MAX; i++)
        lines->heirs[i] = is_unused(lines, i) || lines->heirs[i] == LINE_NONE
                              ? LINE_NONE
                              : became[lines->heirs[i]];
    for (uint32_t i = 0; i < next->count; i++)
        lines->heirs[of_limit[i]] = of_limit[i];
}

void lines_advance(struct lines *lines, uint64_t ticks)
{
    for (uint32_t i = 0; i < lines->count; i++)
        credit_line_advance(&lines->line[lines->of_limit[i]].credit, ticks);
}

uint64_t lines_carry(const struct lines *lines, uint16_t line, uint64_t spent_mark)
{
    while (lines->line[line].successor != line) {
        const struct line *from = &lines->line[line];
        const struct line *to = &lines->line[from->successor];
        spent_mark = credit_carry(&from->credit, spent_mark, &to->credit, to->start_units);
        line = from->successor;
    }
    return spent_mark;
}

void lines_enter(struct lines *lines, uint16_t line)
{
    lines->line[line].references++;
}

void lines_leave(struct lines *lines, uint16_t line)
{
    release(lines, line);
}
