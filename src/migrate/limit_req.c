#include "migrate/limit_req.h"

#include "base/quantity.h"

#include <string.h>
#include <strings.h>

enum { NUMBER_MAX = 1000000000, STATUS_DEFAULT = 503, STATUS_MIN = 400, STATUS_MAX = 599 };

/* What a walk over the blocks knows. */
struct walk {
    struct tree *tree;
    struct complaint *complaint;
    struct limit_reqs *found;
    struct zone **zone_end;
    struct place **place_end;
};

static bool no_memory(const struct walk *walk, const struct directive *line)
{
    return complain(walk->complaint, line->file, line->line,
                    "there is not enough memory for all of it");
}

/* What stands behind "NAME=" in a word; NULL: it begins otherwise. */
static const char *value_of(const char *word, const char *name)
{
    size_t len = strlen(name);
    return strncmp(word, name, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

static bool read_number(const char *text, uint64_t min, uint64_t *number)
{
    while (text[0] == '0' && text[1] != '\0')
        text++; /* nginx takes leading zeros */
    return quantity_parse_number(text, strlen(text), min, NUMBER_MAX, number) == QUANTITY_OK;
}

/* ---- zones ---- */

/* Reads "10r/s" or "10r/m". */
static bool read_rate(const char *text, struct zone *zone)
{
    char digits[16];
    size_t len = strlen(text);
    if (len < 4 || len - 3 >= sizeof digits)
        return false;
    const char *unit = text + len - 3;
    memcpy(digits, text, len - 3);
    digits[len - 3] = '\0';
    zone->is_per_minute = strcmp(unit, "r/m") == 0;
    return (zone->is_per_minute || strcmp(unit, "r/s") == 0) &&
           read_number(digits, 1, &zone->number);
}

static const char *name_of_zone(const struct walk *walk, const char *text)
{
    const char *colon = strchr(text, ':');
    size_t len = colon == NULL ? strlen(text) : (size_t)(colon - text);
    char *name = arena_take(&walk->tree->arena, len + 1);
    if (name != NULL) {
        memcpy(name, text, len);
        name[len] = '\0';
    }
    return name;
}

static bool read_zone_word(const struct walk *walk, const char *word, struct zone *zone)
{
    const struct directive *line = zone->line;
    const char *name = value_of(word, "zone"), *rate = value_of(word, "rate");
    if (name != NULL)
        return (zone->name = name_of_zone(walk, name)) != NULL || no_memory(walk, line);
    if (rate != NULL)
        return read_rate(rate, zone) ||
               complain(walk->complaint, line->file, line->line,
                        "rate \"%s\" is none of nginx; write one such as 10r/s or 30r/m", rate);
    if (strcmp(word, "sync") == 0)
        return zone->is_in_sync = true;
    return complain(walk->complaint, line->file, line->line,
                    "limit_req_zone has no parameter \"%s\"; nginx takes zone, rate and sync",
                    word);
}

static const struct zone *zone_named(const struct limit_reqs *found, const char *name)
{
    const struct zone *zone = found->zones;
    while (zone != NULL && strcmp(zone->name, name) != 0)
        zone = zone->next;
    return zone;
}

static bool add_zone(struct walk *walk, const struct directive *line)
{
    struct zone *zone = arena_take(&walk->tree->arena, sizeof *zone);
    if (zone == NULL)
        return no_memory(walk, line);
    *zone = (struct zone){.line = line, .number = 1};
    if (line->words < 4)
        return complain(walk->complaint, line->file, line->line,
                        "limit_req_zone needs a key, a zone and a rate");
    zone->key = line->word[1];
    for (size_t i = 2; i < line->words; i++)
        if (!read_zone_word(walk, line->word[i], zone))
            return false;
    if (zone->name == NULL || zone->name[0] == '\0')
        return complain(walk->complaint, line->file, line->line,
                        "limit_req_zone has no zone; write zone=NAME:SIZE");
    if (zone_named(walk->found, zone->name) != NULL)
        return complain(
            walk->complaint, line->file, line->line,
            "zone \"%s\" is there already, in line %zu of %s; give one of them another name",
            zone->name, zone_named(walk->found, zone->name)->line->line,
            zone_named(walk->found, zone->name)->line->file);
    *walk->zone_end = zone;
    walk->zone_end = &zone->next;
    return true;
}

static bool find_zones(struct walk *walk, const struct directive *list, bool is_in_http)
{
    for (const struct directive *line = list; line != NULL; line = line->next) {
        bool is_http = directive_is(line, "http", 1) && line->has_block;
        if (directive_is(line, "limit_req_zone", 0) && !is_in_http)
            return complain(
                walk->complaint, line->file, line->line,
                "limit_req_zone stands in a server or a location; nginx takes it in http alone");
        if (directive_is(line, "limit_req_zone", 0) && !add_zone(walk, line))
            return false;
        bool is_server = directive_is(line, "server", 1) || directive_is(line, "location", 0);
        if (line->has_block && (is_http || is_server) && !find_zones(walk, line->block, is_http))
            return false;
    }
    return true;
}

/* ---- places ---- */

static bool read_limit_word(const struct walk *walk, const char *word, struct limit_req *limit)
{
    const struct directive *line = limit->line;
    const char *zone = value_of(word, "zone"), *burst = value_of(word, "burst"),
               *delay = value_of(word, "delay");
    if (zone != NULL) {
        limit->zone = zone_named(walk->found, zone);
        return limit->zone != NULL ||
               complain(
                   walk->complaint, line->file, line->line,
                   "no limit_req_zone has the name \"%s\"; give the file that has it, such as nginx.conf",
                   zone);
    }
    if (burst != NULL && read_number(burst, 1, &limit->burst))
        return true;
    if (delay != NULL && read_number(delay, 0, &limit->delay))
        return true;
    if (strcmp(word, "nodelay") == 0) {
        limit->delay = UINT64_MAX;
        return true;
    }
    return complain(
        walk->complaint, line->file, line->line,
        "\"%s\" is nothing that limit_req takes; it takes zone=NAME, burst=1 to 1000000000, delay=N and nodelay",
        word);
}

static bool read_limit(const struct walk *walk, const struct directive *line,
                       struct limit_req *limit)
{
    *limit = (struct limit_req){.line = line};
    for (size_t i = 1; i < line->words; i++)
        if (!read_limit_word(walk, line->word[i], limit))
            return false;
    if (limit->zone == NULL)
        return complain(walk->complaint, line->file, line->line,
                        "limit_req has no zone; write zone=NAME");
    if (limit->delay > limit->burst)
        limit->delay = limit->burst;
    return true;
}

static bool has_zone_before(const struct limit_req *limit, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (limit[i].zone == limit[count].zone)
            return true;
    return false;
}

/* The limit_req lines of a block, in place of those of the block around it. */
static bool read_limits(const struct walk *walk, const struct directive *list, struct holds *holds)
{
    struct limit_req limit[PLACE_LIMITS_MAX];
    size_t count = 0;
    for (const struct directive *line = list; line != NULL; line = line->next) {
        if (!directive_is(line, "limit_req", 0))
            continue;
        if (count == PLACE_LIMITS_MAX)
            return complain(walk->complaint, line->file, line->line,
                            "more than %d limit_req lines in one block", PLACE_LIMITS_MAX);
        if (!read_limit(walk, line, &limit[count]))
            return false;
        if (has_zone_before(limit, count))
            return complain(walk->complaint, line->file, line->line,
                            "zone \"%s\" limits here already; take one of the two lines out",
                            limit[count].zone->name);
        count++;
    }
    if (count == 0)
        return true;
    struct limit_req *kept = arena_take(&walk->tree->arena, count * sizeof *kept);
    if (kept == NULL)
        return no_memory(walk, list);
    memcpy(kept, limit, count * sizeof *kept);
    holds->limit = kept;
    holds->limits = count;
    return true;
}

/* nginx takes "On" for "on", too. */
static bool read_switch(const char *text, bool *is_on)
{
    *is_on = strcasecmp(text, "on") == 0;
    return *is_on || strcasecmp(text, "off") == 0;
}

static bool read_status(const char *text, uint64_t *status)
{
    return read_number(text, STATUS_MIN, status) && *status <= STATUS_MAX;
}

static bool read_rest(const struct walk *walk, const struct directive *line, struct holds *holds)
{
    bool is_dry_run = directive_is(line, "limit_req_dry_run", 2);
    if (is_dry_run && !read_switch(line->word[1], &holds->is_dry_run))
        return complain(walk->complaint, line->file, line->line,
                        "limit_req_dry_run \"%s\" is neither on nor off; write one of these",
                        line->word[1]);
    if (directive_is(line, "limit_req_status", 2) && !read_status(line->word[1], &holds->status))
        return complain(walk->complaint, line->file, line->line,
                        "limit_req_status \"%s\" is no status; write one from 400 to 599",
                        line->word[1]);
    return true;
}

/* Whether a block says something of its own that changes what becomes of its requests. */
static bool says_anything(const struct holds *around, const struct holds *own)
{
    return own->limits > 0 &&
           (own->limit != around->limit || own->is_dry_run != around->is_dry_run ||
            own->status != around->status);
}

static bool add_place(struct walk *walk, const struct place *seen)
{
    struct place *place = arena_take(&walk->tree->arena, sizeof *place);
    if (place == NULL)
        return no_memory(walk, seen->holds.limit[0].line);
    *place = *seen;
    *walk->place_end = place;
    walk->place_end = &place->next;
    return true;
}

static bool find_places(struct walk *walk, const struct directive *list,
                        const struct place *around);

static bool find_inside(struct walk *walk, const struct directive *line, const struct place *own)
{
    bool is_server = directive_is(line, "server", 1);
    struct place inner = *own;
    if (!is_server && !directive_is(line, "http", 1) && !directive_is(line, "location", 0))
        return true;
    inner.block = line;
    if (is_server)
        inner.server = line;
    return find_places(walk, line->block, &inner);
}

/* around: the place of this list, with what holds around it. */
static bool find_places(struct walk *walk, const struct directive *list, const struct place *around)
{
    struct place own = *around;
    if (list != NULL && !read_limits(walk, list, &own.holds))
        return false;
    for (const struct directive *line = list; line != NULL; line = line->next)
        if (!read_rest(walk, line, &own.holds))
            return false;
    if (says_anything(&around->holds, &own.holds) && !add_place(walk, &own))
        return false;
    for (const struct directive *line = list; line != NULL; line = line->next)
        if (line->has_block && !find_inside(walk, line, &own))
            return false;
    return true;
}

bool limit_req_find(struct tree *tree, struct limit_reqs *found, struct complaint *complaint)
{
    *found = (struct limit_reqs){0};
    struct walk walk = {
        .tree = tree,
        .complaint = complaint,
        .found = found,
        .zone_end = &found->zones,
        .place_end = &found->places,
    };
    const struct place top = {.holds.status = STATUS_DEFAULT};
    return find_zones(&walk, tree->first, true) && find_places(&walk, tree->first, &top);
}
