/*
 * What goes wrong is said on standard error, in a line that begins with "allowctl: ".
 *
 * Owns nothing. Main thread. May block on standard error. Never fails.
 */
#pragma once

/* Says a line. What a terminal would act on in it is escaped (shown.h), and what is too long is cut. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
