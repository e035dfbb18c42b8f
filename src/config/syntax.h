/*
 * Syntax: what to do about a text that is not valid YAML.
 *
 * libyaml says what it did not find. Few who write a configuration know YAML's grammar, so the
 * faults that are made most often are told with their cure.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include <yaml.h>

/* Bytes of advice, its NUL included. */
#define SYNTAX_ADVICE_MAX 128

/* Writes what to do about the problem on which this parser has stopped, after "; ", or nothing. */
void syntax_advise(const yaml_parser_t *parser, char advice[SYNTAX_ADVICE_MAX]);
