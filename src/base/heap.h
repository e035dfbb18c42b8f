/*
 * The heap: how much of what is freed the C library keeps, to give it out again.
 *
 * glibc gives the end of a heap back to the system as soon as 128 KiB of it are free, and maps what is
 * larger than that. A batch takes more, for a moment: so each would have its pages unmapped, and
 * the next would fault them in again.
 *
 * Owns nothing. Before there are threads. Never blocks. Errors: none; where the C library is
 * another one, nothing changes.
 */
#pragma once

/* Lets the end of each thread's heap keep up to HEAP_KEPT_MAX bytes that are free. That is twice
 * what the batches of one turn of a front-end take for a moment, most of it never touched. */
#define HEAP_KEPT_MAX (16 << 20)
void heap_keep_memory(void);
