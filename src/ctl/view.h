/*
 * What top shows, as lines for the screen, of what was asked last.
 *
 * Owns nothing. Main thread. Never blocks. Errors: those of the text.
 */
#pragma once

#include "ctl/answer.h"
#include "ctl/sample.h"

enum view_keys { VIEW_BOTH, VIEW_DENIED, VIEW_REMAINING, VIEW_KEYS_COUNT };

struct view {
    enum shown_charset charset;
    const char *server;
    size_t rows; /* of the screen */
    bool is_paused;
    enum view_keys keys;
    const char *alarm;                 /* why there is nothing new; NULL: there is */
    const json_t *status;              /* the answers; NULL: none yet */
    const json_t *denied, *remaining;  /* of /keys in these orders */
    const struct sample *before, *now; /* NULL: none yet */
};

/* Appends the lines, each with its style in front (screen.h). */
void view_append(struct text *text, const struct view *view);
