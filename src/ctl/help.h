/*
 * Help: what "allowctl -h" and "allowctl COMMAND -h" show, made of the tables. Completion reads it: a
 * command or an option begins a line behind two blanks, and two blanks stand before what it does.
 *
 * Owns nothing. Main thread. Blocks on the output. Errors: those of the output.
 */
#pragma once

#include "ctl/commands/table.h"

#include <stdio.h>

/* command NULL: of all. */
void help_show(const struct command *command, FILE *out);
