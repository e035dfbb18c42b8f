#include "ctl/screen.h"

#include "ctl/shown.h"

#include <curses.h>
#include <unistd.h>

enum { RED = 1 };

static SCREEN *terminal;

bool screen_begin(void)
{
    if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
        return false;
    terminal = newterm(NULL, stdout, stdin);
    if (terminal == NULL)
        return false;
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    curs_set(0);
    set_escdelay(25);
    if (has_colors()) {
        start_color();
        use_default_colors();
        init_pair(RED, COLOR_RED, -1);
    }
    return true;
}

void screen_end(void)
{
    endwin();
    delscreen(terminal);
    terminal = NULL;
}

size_t screen_rows(void)
{
    return (size_t)LINES;
}

size_t screen_columns(void)
{
    return (size_t)COLS;
}

static attr_t attribute_of(char style)
{
    if (style == SCREEN_TITLE[0])
        return A_BOLD;
    if (style == SCREEN_BAR[0])
        return A_REVERSE;
    if (style == SCREEN_ALARM[0])
        return has_colors() ? A_BOLD : A_REVERSE;
    return A_NORMAL;
}

static short pair_of(char style)
{
    return style == SCREEN_ALARM[0] && has_colors() ? RED : 0;
}

static void paint_line(int row, char style, const char *line, size_t len)
{
    size_t fits = shown_bytes_within(line, len, screen_columns());
    size_t columns = shown_columns(line, fits);
    attr_set(attribute_of(style), pair_of(style), NULL);
    mvaddnstr(row, 0, line, (int)fits);
    for (; style == SCREEN_BAR[0] && columns < screen_columns(); columns++)
        addch(' ');
    attr_set(A_NORMAL, 0, NULL);
}

void screen_paint(const char *lines, size_t len)
{
    erase();
    for (int row = 0; len > 0 && row < LINES; row++) {
        const char *end = memchr(lines, '\n', len);
        size_t line_len = end != NULL ? (size_t)(end - lines) : len;
        if (line_len > 0)
            paint_line(row, lines[0], lines + 1, line_len - 1);
        lines += line_len + (end != NULL);
        len -= line_len + (end != NULL);
    }
    refresh();
}

int screen_key(int timeout_ms)
{
    timeout(timeout_ms);
    int key = getch();
    return key == KEY_RESIZE ? SCREEN_RESIZED : key == ERR ? 0 : key;
}
