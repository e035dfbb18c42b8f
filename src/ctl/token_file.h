/*
 * The admin token, read from a file: it stands in no command line, where others could see it.
 *
 * Owns nothing. Main thread. May block on the file. Errors: token_file_read returns what is wrong.
 */
#pragma once

#define TOKEN_MAX 512 /* bytes, visible ASCII */

/* Reads the token, without blanks and line ends around it. NULL: all is well. Else what is wrong with
 * the file, for the end of a sentence that begins with its path. */
const char *token_file_read(const char *path, char token[TOKEN_MAX + 1]);
