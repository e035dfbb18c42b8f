/*
 * Files of the source tree that tests read: what users are told is held against what is.
 *
 * A file that cannot be read fails the test.
 */
#pragma once

/* A file as text, by its path in the source tree; the caller's to free. */
char *source_read(const char *name);
