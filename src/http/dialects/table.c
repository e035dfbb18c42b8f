#include "http/dialects/table.h"

const struct dialect *const dialect_table[HEADERS_DIALECTS] = {
#define X(constant, word, file) [HEADERS_##constant] = &dialect_##file,
    HEADERS_TABLE(X)
#undef X
};
