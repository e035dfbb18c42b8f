/*
 * What a look at the path of a file that was read can find: see file_mark.h.
 *
 * By itself, for those who tell it and look at no file.
 */
#pragma once

enum file_look { FILE_AS_READ, FILE_CHANGED, FILE_GONE };
