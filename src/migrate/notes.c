#include "migrate/notes.h"

#include "base/quantity.h"
#include "migrate/line.h"
#include "migrate/variables.h"

#include <inttypes.h>
#include <string.h>

static void write_source(FILE *out, const struct directive *line)
{
    char text[LINE_WORDS_MAX];
    fputs("  ", out);
    line_write(out, "%s:%zu: %s", line->file, line->line, line_of(line, text));
}

/* A line of a comment within the list of limits or of checks. */
#define NOTE(out, ...) (fputs("  ", out), line_write(out, __VA_ARGS__))

/* ---- limits ---- */

static void note_rate(FILE *out, const struct limit_req *limit, const struct bucket_terms *terms)
{
    const struct zone *zone = limit->zone;
    char rate[QUANTITY_TEXT_MAX];
    quantity_print_rate(&terms->rate, rate);
    if (terms->rate.period_ms == 1000 * MS_PER_S)
        NOTE(out, "nginx cuts %" PRIu64 "r/m off to %s; %" PRIu64 "/m is what was meant.",
             zone->number, rate, zone->number);
    else if (terms->rate.tokens != zone->number)
        NOTE(out,
             "nginx counts in milliseconds, so with this burst it lets no more than %s through.",
             rate);
    if (zone->is_in_sync)
        NOTE(
            out,
            "sync: to share this limit with other machines, set scope: fleet; see allowd-fleet(7).");
}

/* How long the last request that nginx holds back waits for its turn. */
static void note_delay(FILE *out, const struct limit_req *limit, const struct bucket_terms *terms)
{
    char wait[QUANTITY_TEXT_MAX];
    uint64_t held = limit->burst - limit->delay;
    if (held == 0)
        return;
    uint64_t wait_ms = (held * terms->rate.period_ms + terms->rate.tokens - 1) / terms->rate.tokens;
    quantity_print_duration(wait_ms, wait);
    NOTE(out,
         "nginx holds requests back until they are due, up to %" PRIu64
         " at a time. Here they pass at once; to",
         held);
    NOTE(out,
         "hold them back, write burst: %" PRIu64
         " here, and wait: %s in the check, if wait_max and",
         limit->delay + 1, wait);
    NOTE(out, "waiting_per_key let it; see the lines for edge-wait in the example nginx.conf.");
}

void notes_of_limit(FILE *out, const struct plan *plan)
{
    const struct key *key = plan->key;
    for (uint32_t i = 0; i < plan->buckets; i++) {
        write_source(out, plan->limit[i]->zone->line);
        write_source(out, plan->limit[i]->line);
        note_rate(out, plan->limit[i], &plan->bucket[i]);
        note_delay(out, plan->limit[i], &plan->bucket[i]);
    }
    if (plan->is_dry_run)
        NOTE(out,
             "limit_req_dry_run on: on trial, so nothing is denied. Take shadow out to limit.");
    if (key->map == NULL)
        return;
    write_source(out, key->map_line);
    NOTE(out, "The addresses for which %s is another one are the overrides below.", key->map);
}

/* ---- checks ---- */

void notes_of_check(FILE *out, const struct plan *plan)
{
    const struct key *key = plan->key;
    char quoted[LINE_QUOTED_MAX];
    if (key->field != NULL) {
        NOTE(out, "The key %s is what nginx sends in %s. Without it the request is not limited, as",
             line_quote(key->text, quoted), key->field);
        NOTE(out, "in nginx; the maps that it is made of stay there.");
    }
    if (key->is_of_address)
        NOTE(
            out,
            "As in nginx each IPv6 address is a client; {client_ip/64} takes a /64 network as one.");
    if (key->is_of_path)
        NOTE(
            out,
            "{path} is as the client wrote it, decoded: //a and /b/../a are not /a, as they are in nginx's $uri.");
    if (key->path_is_as_written)
        NOTE(
            out,
            "$request_uri stands for $uri, which may hold a line's end: so the query is part of the key.");
}

/* ---- what nginx is to say ---- */

static void write_where(FILE *out, const struct place *place)
{
    char block[LINE_WORDS_MAX], server[LINE_WORDS_MAX] = "";
    const struct directive *name = place->server == NULL ? NULL : place->server->block;
    while (name != NULL && !directive_is(name, "server_name", 0))
        name = name->next;
    if (name != NULL)
        line_of(name, server);
    if (place->block == NULL)
        line_write(out, "%s, outside of all blocks:", place->holds.limit[0].line->file);
    else
        line_write(out, "%s:%zu: %s%s%s%s", place->block->file, place->block->line,
                   line_of(place->block, block), server[0] == '\0' ? "" : " (", server,
                   server[0] == '\0' ? ":" : "):");
}

static bool needs_variable(const struct key *key)
{
    return key->field != NULL && strcmp(key->field, KEY_FIELD) == 0;
}

/* In a server "set" holds for the question itself too, which has no arguments: so not there. And http takes none. */
static void write_set(FILE *out, const struct place *place, const struct plan *plan)
{
    char value[LINE_QUOTED_MAX];
    bool is_location = place->block != NULL && directive_is(place->block, "location", 0);
    if (!needs_variable(plan->key))
        return;
    line_quote(plan->key->value, value);
    if (place->server == NULL)
        line_write(out, "  and in each server:");
    if (is_location)
        line_write(out, "    set $allowd_key %s;", value);
    else
        line_write(out, "    if ($uri != /_allowd-%s) { set $allowd_key %s; }", plan->name, value);
}

static void write_question(FILE *out, const struct plan *plan)
{
    const struct key *key = plan->key;
    char value[LINE_QUOTED_MAX];
    line_write(out, "    proxy_pass http://allowd/check/%s;", plan->name);
    if (needs_variable(key))
        line_write(out, "    proxy_set_header %s $allowd_key;", key->field);
    else if (key->field != NULL)
        line_write(out, "    proxy_set_header %s %s;", key->field, line_quote(key->value, value));
}

static bool makes_binary(const struct directive *maker)
{
    for (const struct directive *entry = maker->block; entry != NULL; entry = entry->next)
        if (strstr(entry->word[entry->words - 1], "binary_remote_addr") != NULL)
            return true;
    return false;
}

/* The bytes of an address are no text, so they cannot be sent. */
static void write_maps(FILE *out, const struct tree *tree, const struct plan *plan)
{
    struct makers makers = {0};
    char text[LINE_WORDS_MAX];
    if (needs_variable(plan->key))
        variables_makers(tree, plan->key->text, &makers);
    for (size_t i = 0; i < makers.count; i++) {
        const struct directive *maker = makers.maker[i];
        if (makes_binary(maker))
            line_write(out, "  and in %s:%zu: %s, $remote_addr in place of $binary_remote_addr.",
                       maker->file, maker->line, line_of(maker, text));
    }
}

static void write_other_keys(FILE *out, const struct plan_place *place)
{
    if (place->plans < 2)
        return;
    line_write(
        out,
        "DIFFERS: nginx limits here by %zu keys at once, and a check has one. Not asked in these lines:",
        place->plans);
    for (size_t i = 1; i < place->plans; i++)
        line_write(out, "    check %s", place->plan[i]->name);
    line_write(
        out, "Keep their limit_req lines in nginx, or let a server behind this one ask for them.");
}

static void write_place(FILE *out, const struct tree *tree, const struct plan_place *place)
{
    const struct plan *plan = place->plan[0];
    line_write(out, "%s", "");
    write_where(out, place->place);
    line_write(out,
               "  in place of limit_req, beside the other lines of \"location /\" of the example:");
    line_write(out, "    auth_request /_allowd-%s;", plan->name);
    write_set(out, place->place, plan);
    line_write(
        out,
        "  and in %s, \"location = /_allowd\" of the example as \"location = /_allowd-%s\", with:",
        place->place->server == NULL ? "each server" : "its server", plan->name);
    write_question(out, plan);
    write_maps(out, tree, plan);
    if (place->place->holds.status != 429)
        line_write(out,
                   "  nginx denied with status %" PRIu64
                   "; the example does with 429, in \"location @limited\".",
                   place->place->holds.status);
    write_other_keys(out, place);
}

void notes_of_places(FILE *out, const struct tree *tree, const struct plans *plans)
{
    line_write(
        out,
        "What nginx is to say instead. \"The example\" is nginx.conf among the examples of allowd, which has the");
    line_write(out,
               "rest: what is told to clients, and whether requests go on when allowd is down.");
    for (const struct plan_place *place = plans->places; place != NULL; place = place->next)
        write_place(out, tree, place);
}

/* ---- the rest ---- */

static bool is_used(const struct zone *zone, const struct limit_reqs *found)
{
    for (const struct place *place = found->places; place != NULL; place = place->next)
        for (size_t i = 0; i < place->holds.limits; i++)
            if (place->holds.limit[i].zone == zone)
                return true;
    return false;
}

static const struct plan *plan_with(const struct plan *plan, const struct zone *zone)
{
    for (; plan != NULL; plan = plan->next)
        for (uint32_t i = 0; i < plan->buckets; i++)
            if (plan->limit[i]->zone == zone)
                return plan;
    return NULL;
}

/* A zone is one table in nginx, however many lines use it; here each of its limits has buckets of its own. */
static void note_zone(FILE *out, const struct zone *zone, const struct limit_reqs *found,
                      const struct plans *plans)
{
    char text[LINE_WORDS_MAX];
    const struct plan *first = plan_with(plans->plans, zone);
    const struct plan *second = first == NULL ? NULL : plan_with(first->next, zone);
    if (!is_used(zone, found))
        line_write(out, "%s:%zu: %s is used by no limit_req.", zone->line->file, zone->line->line,
                   line_of(zone->line, text));
    if (second != NULL)
        line_write(
            out,
            "DIFFERS: in nginx all lines with zone %s draw on one bucket; here %s and %s have one each.",
            zone->name, first->name, second->name);
}

/* Slots are taken and given back by whoever asks with /acquire, which nginx cannot do. */
static void note_connections(FILE *out, const struct directive *list)
{
    char text[LINE_WORDS_MAX];
    for (const struct directive *line = list; line != NULL; line = line->next) {
        if (directive_is(line, "limit_conn", 3)) {
            line_write(
                out,
                "%s:%zu: %s stays in nginx, which sees when a request ends. A service that asks",
                line->file, line->line, line_of(line, text));
            line_write(
                out,
                "by itself, with /acquire and /release, has the same of a limit with concurrent: %s.",
                line->word[2]);
        }
        note_connections(out, line->block);
    }
}

void notes_of_rest(FILE *out, const struct tree *tree, const struct limit_reqs *found,
                   const struct plans *plans)
{
    line_write(out, "%s", "");
    line_write(
        out,
        "The size of a zone has no counterpart: max_keys bounds all keys together, 1000000 by default.");
    for (const struct zone *zone = found->zones; zone != NULL; zone = zone->next)
        note_zone(out, zone, found, plans);
    note_connections(out, tree->first);
}
