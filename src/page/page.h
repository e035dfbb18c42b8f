/*
 * The page: one HTML document that shows an operator what allowd does, and the policy under which a
 * browser runs it.
 *
 * The document is page.html, which the build turns into an array. It holds no data, so it is the same
 * for everybody; what it shows, its script asks for. The policy names the only style and the only
 * script that may run, by their SHA-256, and no other origin.
 *
 * Owns both, which are constant from the start of the process on. Any thread. Never blocks. Never
 * fails.
 */
#pragma once

#include <stddef.h>

/* The document, without a NUL. */
extern const char page_html[];
extern const size_t page_html_len;

/* The value of Content-Security-Policy for it. */
const char *page_policy(void);
