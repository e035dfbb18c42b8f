#include "ask/check.h"

#include "ask/check_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool check_name_is_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";
    size_t len = strspn(name, allowed);
    return name[len] == '\0' && len >= 1 && len <= CHECK_NAME_MAX && name[0] != '.';
}

bool check_template_is_valid(const char *template, char fault[CHECK_FAULT_MAX])
{
    struct template parsed;
    return template_parse(template, &parsed, fault);
}

static size_t room_for(const char *string)
{
    return string == NULL ? 0 : strlen(string) + 1;
}

static size_t room_for_terms(const struct check_terms *terms)
{
    size_t room = room_for(terms->name) + room_for(terms->limit) + room_for(terms->key);
    for (uint32_t i = 0; i < terms->trusted_count; i++)
        room += room_for(terms->trusted[i]);
    return room;
}

/* Copies a string to *at, and moves *at behind it. */
static const char *keep(const char *string, char **at)
{
    if (string == NULL)
        return NULL;
    char *kept = *at;
    *at = stpcpy(kept, string) + 1;
    return kept;
}

struct check *check_new(const struct check_terms *terms)
{
    struct check *check = calloc(1, sizeof *check + room_for_terms(terms));
    char fault[CHECK_FAULT_MAX];
    if (check == NULL)
        return NULL;
    bool is_template = template_parse(terms->key, &check->template, fault);
    assert(is_template && terms->trusted_count <= CHECK_TRUSTED_MAX);
    (void)is_template;

    char *at = check->strings;
    check->terms = *terms;
    check->terms.name = keep(terms->name, &at);
    check->terms.limit = keep(terms->limit, &at);
    check->terms.key = keep(terms->key, &at);
    check->terms.trusted = check->trusted_texts;
    for (uint32_t i = 0; i < terms->trusted_count; i++) {
        check->trusted_texts[i] = keep(terms->trusted[i], &at);
        trusted_add(&check->trusted, terms->trusted[i]);
    }
    return check;
}

void check_free(struct check *check)
{
    free(check);
}

const struct check_terms *check_terms(const struct check *check)
{
    return &check->terms;
}

/* Whether any part of the key is of one of these kinds, a bit for each. */
static bool has_part(const struct check *check, unsigned kinds)
{
    for (uint32_t i = 0; i < check->template.count; i++)
        if ((kinds >> check->template.parts[i].kind & 1) != 0)
            return true;
    return false;
}

bool check_key_is_private(const struct check *check)
{
    return has_part(check,
                    1u << PART_HEADER | 1u << PART_QUERY | 1u << PART_FORM | 1u << PART_JSON);
}

bool check_reads_body(const struct check *check)
{
    return has_part(check, 1u << PART_FORM | 1u << PART_JSON);
}
