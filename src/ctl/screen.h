/*
 * The screen of a terminal, by ncurses: lines from the top, and keys.
 *
 * Owns the terminal between screen_begin and screen_end; standard error must be left alone then. Main
 * thread. screen_key blocks as long as it is told. Errors: screen_begin is false without a terminal.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* How a line is painted: its first byte. */
#define SCREEN_PLAIN " "
#define SCREEN_TITLE "#"
#define SCREEN_BAR "="
#define SCREEN_ALARM "!"

bool screen_begin(void);
void screen_end(void);

size_t screen_rows(void);
size_t screen_columns(void);

/* Paints lines, each with a byte that says how in front, and a line end behind it. What has no room is
 * cut. What a terminal would act on must not be in them: see shown.h. */
void screen_paint(const char *lines, size_t len);

/* Waits for a key; 0: none came in that time. SCREEN_RESIZED: paint again. */
#define SCREEN_RESIZED (-1)
int screen_key(int timeout_ms);
