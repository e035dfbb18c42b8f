/*
 * Told stores: the sources that store what outlives the process, with each store told.
 *
 * Linked before the library, told_stores.c takes the place of the library's own objects.
 *
 * Owns nothing. One thread.
 */
#pragma once

/* Called after each store, if set: what is in memory then is what a kill would leave. */
extern void (*told_store)(void);
