#include "limits/lines.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(EDITIONS_MAX >= 2 * LIMITS_MAX && LINES_MAX >= 2 * (LIMITS_MAX + OVERRIDES_MAX),
              "a first reload always fits");
static_assert(LINES_OVERRIDES_MAX / 2 >= OVERRIDES_MAX, "nor do overrides stand in its way");
static_assert(LINES_MAX < LINE_NONE && EDITIONS_MAX < EDITION_NONE, "NONE is none of them");

void lines_init(struct lines *lines)
{
    lines->free_line = LINE_NONE;
    lines->lines_free = LINES_MAX;
    lines->next_end_s = OVERRIDE_FOR_EVER;
    memset(lines->owners, 0xff, sizeof lines->owners);
}
static_assert(EDITION_NONE == 0xffff, "owners begin as none");

/* ---- lines and editions come and go ---- */

static uint16_t line_take(struct lines *lines)
{
    uint16_t line = lines->free_line;
    if (line == LINE_NONE)
        line = (uint16_t)lines->lines_used++;
    else
        lines->free_line = lines->line[line].next_free;
    lines->lines_free--;
    return line;
}

static void line_free(struct lines *lines, uint16_t line)
{
    lines->owners[line] = EDITION_NONE;
    lines->line[line].count = 0;
    lines->line[line].next_free = lines->free_line;
    lines->free_line = line;
    lines->lines_free++;
}

static void edition_free(struct lines *lines, struct edition *edition)
{
    for (uint32_t i = 0; i < edition_lines_count(edition); i++)
        if (edition_has_line(edition, i))
            line_free(lines, edition->lines[i]);
    free(edition->lines);
    limits_release(edition->limits);
    edition->limits = NULL;
}

void lines_release(struct lines *lines)
{
    for (uint32_t i = 0; i < lines->editions_used; i++)
        if (edition_is_in_use(&lines->edition[i]))
            edition_free(lines, &lines->edition[i]);
}

/* Frees the editions that were replaced in this lap of the sweep or before. An edition goes no
 * later than its successor, so no edition left names one that is gone. */
static void let_go(struct lines *lines, uint64_t laps)
{
    for (uint32_t i = 0; i < lines->editions_used && lines->replaced_count > 0; i++) {
        struct edition *edition = &lines->edition[i];
        if (!edition_is_in_use(edition) || edition->successor == i || edition->replaced_lap > laps)
            continue;
        if (edition->forgotten > 0)
            forgotten_add(&lines->forgotten, edition_limit(edition)->name, edition->forgotten);
        edition_free(lines, edition);
        lines->replaced_count--;
    }
}

void lines_swept(struct lines *lines)
{
    lines->laps++;
    if (lines->laps >= 2)
        let_go(lines, lines->laps - 2);
}

void lines_emptied(struct lines *lines)
{
    let_go(lines, lines->laps);
}

/* ---- installing ---- */

bool lines_have_room(const struct lines *lines, const struct limits *next)
{
    uint32_t used = 0, overrides = 0, wanted = 0;
    for (uint16_t i = 0; i < lines->editions_used; i++) {
        const struct edition *edition = &lines->edition[i];
        if (!edition_is_in_use(edition))
            continue;
        used++;
        overrides += edition_limit(edition)->overrides_count;
        if (edition->successor != i && lines->installs - edition->replaced > LINE_AGE_MAX)
            return false;
    }
    for (uint32_t i = 0; i < next->count; i++) {
        overrides += next->limit[i].overrides_count;
        wanted += 1 + next->limit[i].overrides_count;
    }
    return EDITIONS_MAX - used >= next->count && lines->lines_free >= wanted &&
           overrides <= LINES_OVERRIDES_MAX;
}

const struct allowance *limit_allowance(const struct limit *limit, uint32_t index)
{
    if (index == 0 || limit->overrides[index - 1].action != OVERRIDE_TERMS)
        return &limit->allowance;
    return &limit->overrides[index - 1].allowance;
}

bool lines_credit(const struct bucket_terms *terms, uint64_t tick_ms, struct credit_line *credit)
{
    struct credit_line made;
    if (terms->holds_slots)
        credit_line_init_slots(&made, terms->burst);
    else if (credit_line_init(&made, terms->burst, terms->rate, tick_ms) != CREDIT_OK ||
             !credit_line_lend(&made, terms->debt_max, tick_ms))
        return false;
    *credit = made;
    return true;
}

static struct credit_line fresh_credit(const struct bucket_terms *terms, uint64_t tick_ms)
{
    struct credit_line credit;
    bool goes_with_tick = lines_credit(terms, tick_ms, &credit);
    assert(goes_with_tick);
    (void)goes_with_tick;
    return credit;
}

static bool same_credit(const struct credit_line *a, const struct credit_line *b)
{
    return a->token_units == b->token_units && a->step_units == b->step_units &&
           a->cap_units == b->cap_units && a->debt_units == b->debt_units;
}

/* With a state file credit lines outlive the process. One that has used half of its life, which takes
 * ten years at least, is replaced by the next reload. */
static bool is_worn(const struct credit_line *credit)
{
    return credit->credit_units - credit->cap_units > (credit_end(credit) - credit->cap_units) / 2;
}

/* Whether a line made for allowance `a` can serve `b` as it is: buckets of the same names, and
 * credit lines of the same numbers that are not worn. */
static bool same_allowance(const struct allowance *a, const struct line *line,
                           const struct allowance *b, uint64_t tick_ms)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        struct credit_line credit = fresh_credit(&b->bucket[i], tick_ms);
        if (strcmp(a->bucket[i].name, b->bucket[i].name) != 0 ||
            !same_credit(&line->credit[i], &credit) || is_worn(&line->credit[i]))
            return false;
    }
    return true;
}

/* Whether an edition in force can serve a limit of the next set as it is. */
static bool fits(const struct lines *lines, const struct edition *edition, const struct limit *next,
                 uint64_t tick_ms)
{
    const struct limit *limit = edition_limit(edition);
    if (limit->overrides_count != next->overrides_count)
        return false;
    for (uint32_t i = 0; i < limit->overrides_count; i++) {
        const struct override *a = &limit->overrides[i], *b = &next->overrides[i];
        if (strcmp(a->key, b->key) != 0 || a->is_network != b->is_network ||
            a->action != b->action || a->until_s != b->until_s)
            return false;
    }
    for (uint32_t i = 0; i < edition_lines_count(edition); i++) {
        if (edition_has_line(edition, i) &&
            !same_allowance(limit_allowance(limit, i), &lines->line[edition->lines[i]],
                            limit_allowance(next, i), tick_ms))
            return false;
    }
    return true;
}

/* The edition in force that a limit of the next set goes on from, or EDITION_NONE. */
static uint16_t edition_before(const struct lines *lines, const struct limits *prior,
                               const struct limit *next)
{
    int found = limits_before(prior, next);
    return found < 0 ? EDITION_NONE : lines->of_limit[found];
}

static uint16_t line_make(struct lines *lines, uint16_t edition, uint32_t index,
                          const struct allowance *allowance, uint64_t tick_ms)
{
    uint16_t number = line_take(lines);
    struct line *line = &lines->line[number];
    *line = (struct line){
        .edition = edition,
        .index = (uint16_t)index,
        .count = (uint8_t)allowance->count,
    };
    for (uint32_t i = 0; i < allowance->count; i++)
        line->credit[i] = fresh_credit(&allowance->bucket[i], tick_ms);
    lines->owners[number] = edition;
    return number;
}

/* A new edition of the limit whose edition was `before`; EDITION_NONE: no memory. */
static uint16_t edition_make(struct lines *lines, uint16_t before, struct limits *limits,
                             uint32_t index, int64_t date_s)
{
    const struct limit *limit = &limits->limit[index];
    uint16_t *numbers = calloc(1 + limit->overrides_count, sizeof numbers[0]);
    if (numbers == NULL)
        return EDITION_NONE;
    uint16_t number = 0;
    while (number < lines->editions_used && edition_is_in_use(&lines->edition[number]))
        number++;
    for (uint32_t i = 0; i <= limit->overrides_count; i++) {
        bool had_ended = i > 0 && limit->overrides[i - 1].until_s <= date_s;
        numbers[i] = had_ended
                         ? numbers[0]
                         : line_make(lines, number, i, limit_allowance(limit, i), limits->tick_ms);
    }
    edition_put(lines, number,
                (struct edition){
                    .limits = limits_retain(limits),
                    .limit = index,
                    .successor = number,
                    .salt = before == EDITION_NONE ? 0 : lines->edition[before].salt,
                    .began_s = date_s,
                    .as_of_s = date_s,
                    .lines = numbers,
                });
    return number;
}

static void keep(struct edition *edition, struct limits *limits, uint32_t index)
{
    limits_release(edition->limits);
    edition->limits = limits_retain(limits);
    edition->limit = index;
}

static void line_end(struct lines *lines, uint16_t number, int64_t date_s)
{
    struct line *line = &lines->line[number];
    if (line->ended)
        return;
    line->ended = true;
    line->ended_s = date_s;
    line->ended_tick = lines->tick;
}

/* Takes an edition out of force; successor: EDITION_NONE if the limit is gone. */
static void replace(struct lines *lines, uint16_t number, uint16_t successor)
{
    struct edition *edition = &lines->edition[number];
    for (uint32_t i = 0; i < edition_lines_count(edition); i++)
        line_end(lines, edition->lines[i], OVERRIDE_FOR_EVER);
    edition->successor = successor;
    edition->replaced = lines->installs + 1;
    edition->replaced_lap = lines->laps;
    lines->replaced_count++;
}

static void find_next_end(struct lines *lines)
{
    lines->next_end_s = OVERRIDE_FOR_EVER;
    for (uint32_t i = 0; i < lines->count; i++) {
        const struct edition *edition = &lines->edition[lines->of_limit[i]];
        int64_t end_s = limit_next_end_s(edition_limit(edition), edition->as_of_s);
        if (end_s < lines->next_end_s)
            lines->next_end_s = end_s;
    }
}

/* Finds an edition for each limit of the next set: the prior one where it fits, else a new one.
 * false: no memory, and the new ones are freed again. */
static bool make_editions(struct lines *lines, const struct limits *prior, struct limits *next,
                          int64_t date_s, uint16_t of_limit[LIMITS_MAX])
{
    for (uint32_t i = 0; i < next->count; i++) {
        uint16_t before = edition_before(lines, prior, &next->limit[i]);
        bool stays = before != EDITION_NONE &&
                     fits(lines, &lines->edition[before], &next->limit[i], next->tick_ms);
        of_limit[i] = stays ? before : edition_make(lines, before, next, i, date_s);
        if (of_limit[i] != EDITION_NONE)
            continue;
        while (i-- > 0)
            if (of_limit[i] != edition_before(lines, prior, &next->limit[i]))
                edition_free(lines, &lines->edition[of_limit[i]]);
        return false;
    }
    return true;
}

bool lines_install(struct lines *lines, const struct limits *prior, struct limits *next,
                   int64_t date_s)
{
    uint16_t of_limit[LIMITS_MAX];
    bool stays[EDITIONS_MAX] = {false};
    uint16_t became[EDITIONS_MAX]; /* what each edition that was in force is now */
    assert(next->count <= LIMITS_MAX && lines_have_room(lines, next));
    if (!make_editions(lines, prior, next, date_s, of_limit))
        return false;

    lines->date_s = date_s;
    for (uint16_t i = 0; i < EDITIONS_MAX; i++)
        became[i] = i;
    for (uint32_t i = 0; i < lines->count; i++)
        became[lines->of_limit[i]] = EDITION_NONE;
    for (uint32_t i = 0; i < next->count; i++) {
        uint16_t before = edition_before(lines, prior, &next->limit[i]);
        stays[of_limit[i]] = before == of_limit[i];
        if (stays[of_limit[i]])
            keep(&lines->edition[before], next, i);
        if (before != EDITION_NONE)
            became[before] = of_limit[i];
    }
    uint32_t replaced_before = lines->replaced_count;
    for (uint32_t i = 0; i < lines->count; i++)
        if (!stays[lines->of_limit[i]])
            replace(lines, lines->of_limit[i], became[lines->of_limit[i]]);
    lines->installs += lines->replaced_count > replaced_before;
    for (uint32_t i = 0; i < lines->lines_used; i++)
        if (lines->owners[i] != EDITION_NONE)
            lines->owners[i] = became[lines->owners[i]];
    memcpy(lines->of_limit, of_limit, next->count * sizeof of_limit[0]);
    lines->count = next->count;
    find_next_end(lines);
    return true;
}

/* The edition in force that an edition's successors lead to, or EDITION_NONE. */
static uint16_t heir_of(const struct lines *lines, uint16_t number)
{
    while (number != EDITION_NONE && lines->edition[number].successor != number)
        number = lines->edition[number].successor;
    return number;
}

void lines_settle(struct lines *lines)
{
    memset(lines->owners, 0xff, sizeof lines->owners);
    for (uint16_t i = 0; i < lines->editions_used; i++) {
        const struct edition *edition = &lines->edition[i];
        if (!edition_is_in_use(edition))
            continue;
        for (uint32_t j = 0; j < edition_lines_count(edition); j++) {
            lines->owners[edition->lines[j]] = heir_of(lines, i);
            if (edition->lines[j] >= lines->lines_used)
                lines->lines_used = edition->lines[j] + 1u;
        }
    }
    lines->lines_free = LINES_MAX - lines->lines_used;
    for (uint32_t i = lines->lines_used; i-- > 0;)
        if (lines->line[i].count == 0)
            line_free(lines, (uint16_t)i);
    find_next_end(lines);
}

/* ---- time ---- */

void lines_advance(struct lines *lines, uint64_t ticks)
{
    lines->tick += ticks;
    for (uint32_t i = 0; i < lines->count; i++) {
        const struct edition *edition = &lines->edition[lines->of_limit[i]];
        for (uint32_t j = 0; j < edition_lines_count(edition); j++) {
            struct line *line = &lines->line[edition->lines[j]];
            if (line->ended || !edition_has_line(edition, j))
                continue;
            for (uint32_t k = 0; k < line->count; k++)
                credit_line_advance(&line->credit[k], ticks);
        }
    }
}

static unsigned end_overrides_of(struct lines *lines, struct edition *edition, int64_t date_s)
{
    const struct limit *limit = edition_limit(edition);
    unsigned ended = 0;
    for (uint32_t i = 0; i < limit->overrides_count; i++) {
        int64_t until_s = limit->overrides[i].until_s;
        if (until_s > edition->as_of_s && until_s <= date_s) {
            line_end(lines, edition->lines[1 + i], date_s);
            ended++;
        }
    }
    return ended;
}

unsigned lines_end_overrides(struct lines *lines, int64_t date_s)
{
    unsigned ended = 0;
    lines->date_s = date_s;
    if (date_s < lines->next_end_s)
        return 0;
    for (uint32_t i = 0; i < lines->count; i++) {
        struct edition *edition = &lines->edition[lines->of_limit[i]];
        if (date_s <= edition->as_of_s)
            continue;
        ended += end_overrides_of(lines, edition, date_s);
        edition->as_of_s = date_s;
    }
    find_next_end(lines);
    return ended;
}

/* ---- keys ---- */

int64_t lines_denied_until_s(const struct lines *lines, uint32_t limit, const char *key)
{
    const struct edition *edition = &lines->edition[lines->of_limit[limit]];
    return limit_denied_until_s(edition_limit(edition), key, edition->as_of_s);
}

/* The line that came after an ended one for a key; LINE_NONE: the limit is gone. */
static uint16_t next_line(const struct lines *lines, const struct line *line, const char *key)
{
    const struct edition *edition = &lines->edition[line->edition];
    int64_t as_of_s = line->ended_s;
    if (as_of_s == OVERRIDE_FOR_EVER) {
        if (edition->successor == EDITION_NONE)
            return LINE_NONE;
        edition = &lines->edition[edition->successor];
        as_of_s = edition->began_s;
    }
    return edition->lines[1 + limit_override(edition_limit(edition), key, as_of_s)];
}

/* The buckets that a line's marks are of, in order. */
static const struct allowance *allowance_of_line(const struct lines *lines, const struct line *line)
{
    return limit_allowance(edition_limit(&lines->edition[line->edition]), line->index);
}

/* The bucket that holds the fewest tokens or owes the most, compared as exact fractions, of those
 * that are not full and hold no slots; -1: there is none. */
static int scarcest(const struct line *line, const uint64_t marks[BUCKETS_MAX])
{
    int found = -1;
    int64_t least = 0;
    for (int i = 0; i < line->count; i++) {
        const struct credit_line *credit = &line->credit[i];
        int64_t level = credit_level(credit, marks[i]);
        if (credit_is_full(credit, marks[i]) || credit_has_slots(credit))
            continue;
        if (found < 0 || (__int128)level * (__int128)line->credit[found].token_units <
                             (__int128)least * (__int128)credit->token_units) {
            found = i;
            least = level;
        }
    }
    return found;
}

/*
 * Which old bucket each new one that ticks fill goes on from; all are -1 before, for none. Each gets
 * the tokens of the bucket of the same name. If no name stays, as when a limit with one bucket now
 * has several, the first new one gets the tokens of the scarcest old one, so that nobody gains by it.
 * All others begin full: they only limit the key further.
 */
static void find_sources(const struct lines *lines, const struct line *from, const struct line *to,
                         const uint64_t marks[BUCKETS_MAX], int source[BUCKETS_MAX])
{
    const struct allowance *before = allowance_of_line(lines, from);
    const struct allowance *after = allowance_of_line(lines, to);
    bool some_stay = false;
    int first = -1;
    for (uint32_t i = after->count; i-- > 0;) {
        if (after->bucket[i].holds_slots)
            continue;
        first = (int)i;
        for (uint32_t j = 0; j < before->count; j++)
            if (!before->bucket[j].holds_slots &&
                strcmp(after->bucket[i].name, before->bucket[j].name) == 0) {
                source[i] = (int)j;
                some_stay = true;
            }
    }
    if (!some_stay && first >= 0)
        source[first] = scarcest(from, marks);
}

/* The slots that are taken: the same in all buckets of slots that have so many. */
static uint64_t slots_taken(const struct line *line, const uint64_t marks[BUCKETS_MAX])
{
    uint64_t most = 0;
    for (unsigned i = 0; i < line->count; i++)
        if (credit_has_slots(&line->credit[i]) && marks[i] > most)
            most = marks[i];
    return most;
}

/* Carries marks one step, to the line that came next. */
static void carry_step(const struct lines *lines, const struct line *from, const struct line *to,
                       uint64_t marks[BUCKETS_MAX])
{
    /* Only a damaged store has lines of which the next one ended first. */
    uint64_t until = to->ended ? to->ended_tick : lines->tick;
    uint64_t ticks_ago = until > from->ended_tick ? until - from->ended_tick : 0;
    int source[BUCKETS_MAX] = {-1, -1, -1, -1};
    find_sources(lines, from, to, marks, source);

    uint64_t carried[BUCKETS_MAX] = {0}, taken = slots_taken(from, marks);
    for (uint32_t i = 0; i < to->count; i++) {
        if (credit_has_slots(&to->credit[i])) {
            carried[i] = credit_slots_mark(&to->credit[i], taken);
            continue;
        }
        uint64_t start_units = credit_units_ago(&to->credit[i], ticks_ago);
        carried[i] = source[i] < 0 ? start_units - to->credit[i].cap_units
                                   : credit_carry(&from->credit[source[i]], marks[source[i]],
                                                  &to->credit[i], start_units);
    }
    memcpy(marks, carried, sizeof carried);
}
static_assert(BUCKETS_MAX == 4, "sources are listed above");

uint16_t lines_carry(const struct lines *lines, uint16_t line, const char *key,
                     uint64_t marks[BUCKETS_MAX])
{
    while (lines->line[line].ended) {
        uint16_t next = next_line(lines, &lines->line[line], key);
        if (next == LINE_NONE)
            break;
        carry_step(lines, &lines->line[line], &lines->line[next], marks);
        line = next;
    }
    return line;
}

void lines_forget(struct lines *lines, uint16_t line, const char *key, uint64_t marks[BUCKETS_MAX])
{
    const struct line *last = &lines->line[lines_carry(lines, line, key, marks)];
    for (uint32_t i = 0; i < last->count; i++)
        if (!credit_is_full(&last->credit[i], marks[i])) {
            lines->edition[last->edition].forgotten++;
            return;
        }
}
