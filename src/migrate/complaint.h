/*
 * Complaints: the first thing that is wrong with a configuration of nginx, in one line with its place.
 *
 * Owns nothing. One thread. Never blocks. Never fails.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define COMPLAINT_MAX 1024 /* bytes, with the NUL; what is longer is cut */

struct complaint {
    char text[COMPLAINT_MAX]; /* "FILE:LINE: what is wrong; what to do"; empty: nothing is */
};

/* Writes the complaint as printf does, each byte that is no printable ASCII as '?'. line: 0 if it is about the file as a
 * whole. Returns false, so that whoever finds a fault can return it. */
bool complain(struct complaint *complaint, const char *file, size_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
