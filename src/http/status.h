/*
 * Statuses: the reason phrase of each (RFC 9110, 15, and its registry).
 *
 * RFC 9457 wants it for the title of a problem whose type is about:blank, and a
 * configuration may choose any status to deny with.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

/* Of a status from 400 to 599; one that is unknown is what its first digit says. */
const char *status_phrase(unsigned status);
