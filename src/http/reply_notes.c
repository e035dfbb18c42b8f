#include "http/reply_notes.h"

#include <string.h>

enum { NOTE_TEXT_MAX = 4096 };

static void write_note(struct text *body, const struct reload_note *note)
{
    text_literal(body, "{\"line\":");
    if (note->line == 0) {
        text_literal(body, "null,\"column\":null");
    } else {
        text_number(body, note->line);
        text_literal(body, ",\"column\":");
        text_number(body, note->column);
    }
    text_literal(body, ",\"text\":");
    text_json(body, note->text, strnlen(note->text, NOTE_TEXT_MAX));
    text_literal(body, "}");
}

void reply_write_notes(struct text *body, const struct reload_report *report)
{
    text_literal(body, "[");
    for (size_t i = 0; i < report->notes_count; i++) {
        if (i > 0)
            text_literal(body, ",");
        write_note(body, &report->notes[i]);
    }
    text_literal(body, "]");
}
