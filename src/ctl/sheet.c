#include "ctl/sheet.h"

#include "ctl/say.h"

#include <stdio.h>
#include <stdlib.h>

struct sheet sheet_begin(enum shown_charset charset)
{
    return (struct sheet){.text = text_begin_growing(), .charset = charset};
}

void sheet_own(struct sheet *sheet, const char *text)
{
    text_string(&sheet->text, text);
}

void sheet_shown(struct sheet *sheet, const char *text)
{
    if (text != NULL)
        shown_append(&sheet->text, sheet->charset, text, strlen(text));
}

void sheet_name(struct sheet *sheet, const char *name)
{
    sheet_own(sheet, name);
    for (size_t len = strlen(name); len < SHEET_NAME; len++)
        sheet_own(sheet, " ");
}

void sheet_line(struct sheet *sheet, const char *name, const char *text)
{
    sheet_name(sheet, name);
    sheet_shown(sheet, text);
    sheet_own(sheet, "\n");
}

void sheet_columns(struct sheet *sheet, struct columns *columns)
{
    sheet->is_short |= !columns_append(columns, &sheet->text);
    columns_release(columns);
}

enum ctl_exit sheet_write(struct sheet *sheet)
{
    size_t len;
    char *bytes = text_take(&sheet->text, &len);
    bool is_whole = bytes != NULL && !sheet->is_short;
    if (is_whole)
        fwrite(bytes, 1, len, stdout);
    else
        say("there is not enough memory");
    free(bytes);
    return is_whole ? CTL_DONE : CTL_FAILED;
}
