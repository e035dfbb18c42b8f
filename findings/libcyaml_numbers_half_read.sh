#!/bin/sh
# libcyaml 1.3.1 (Debian 12, 1.3.1-1), with a schema that says uint64, double or bool: of "10/s",
# "1_000" and "1e3" it takes the digits in front, of "010" it makes 8 and of "-1" the largest number
# there is; "1,5" is the double 1 and any word that it does not know is true. It returns CYAML_OK and
# logs nothing, at the most talkative level that names faults, warnings.
#
# One would guess that a value which is not of the type in the schema is refused, as "ten" is, and as
# -1 is where the field is smaller than 64 bits. So whoever must not misread a number declares a string
# and parses it himself.
#
# Needs apt, dpkg-deb and a C compiler; takes 10 seconds. Output on Debian 12.11:
#
#   libcyaml 1.3.1
#   uint64 10/s: 10
#   uint64 1_000: 1
#   uint64 1e3: 1
#   uint64 010: 8
#   uint64 -1: 18446744073709551615
#   uint64 ten: Invalid value
#   uint32 -1: Invalid value
#   double 1,5: 1
#   bool maybe: true
#   bool "n": true
#   bool no: false
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in libcyaml1=1.3.1-1 libcyaml-dev=1.3.1-1 libyaml-0-2=0.2.5-1; do
    apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
        { cat apt.log >&2; echo "$0: $package is to be had on Debian 12 only" >&2; exit 1; }
    dpkg-deb -x "${package%=*}"_*.deb .
done

cat >load.c <<'END'
#include <cyaml/cyaml.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct document {
    uint64_t uint64;
    uint32_t uint32;
    double real;
    bool truth;
};

static const cyaml_schema_field_t fields[] = {
    CYAML_FIELD_UINT("uint64", CYAML_FLAG_OPTIONAL, struct document, uint64),
    CYAML_FIELD_UINT("uint32", CYAML_FLAG_OPTIONAL, struct document, uint32),
    CYAML_FIELD_FLOAT("double", CYAML_FLAG_OPTIONAL, struct document, real),
    CYAML_FIELD_BOOL("bool", CYAML_FLAG_OPTIONAL, struct document, truth),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct document, fields)};

static void look(const char *type, const char *value)
{
    const cyaml_config_t config = {.log_fn = cyaml_log, .log_level = CYAML_LOG_WARNING, .mem_fn = cyaml_mem};
    char yaml[64];
    int length = snprintf(yaml, sizeof yaml, "%s: %s\n", type, value);
    struct document *document = NULL;
    cyaml_err_t error =
        cyaml_load_data((const uint8_t *)yaml, (size_t)length, &config, &schema, (cyaml_data_t **)&document, NULL);

    printf("%s %s: ", type, value);
    if (error != CYAML_OK)
        puts(cyaml_strerror(error));
    else if (strcmp(type, "double") == 0)
        printf("%g\n", document->real);
    else if (strcmp(type, "bool") == 0)
        puts(document->truth ? "true" : "false");
    else
        printf("%" PRIu64 "\n", document->uint64);
    cyaml_free(&config, &schema, document, 0);
}

int main(void)
{
    printf("libcyaml %s\n", cyaml_version_str);
    look("uint64", "10/s");
    look("uint64", "1_000");
    look("uint64", "1e3");
    look("uint64", "010");
    look("uint64", "-1");
    look("uint64", "ten");
    look("uint32", "-1");
    look("double", "1,5");
    look("bool", "maybe");
    look("bool", "\"n\"");
    look("bool", "no");
}
END
library=$(dirname usr/lib/*/libcyaml.so.1)
${CC:-cc} -Iusr/include load.c -o load "$library/libcyaml.so.1" "$library/libyaml-0.so.2"
LD_LIBRARY_PATH="$folder/$library" ./load 2>log | tee seen

cat >expected <<'END'
libcyaml 1.3.1
uint64 10/s: 10
uint64 1_000: 1
uint64 1e3: 1
uint64 010: 8
uint64 -1: 18446744073709551615
uint64 ten: Invalid value
uint32 -1: Invalid value
double 1,5: 1
bool maybe: true
bool "n": true
bool no: false
END
cmp -s seen expected || { cat log >&2; echo "$0: libcyaml does otherwise now" >&2; exit 1; }
! grep -v -e "'ten'" -e "'-1'" -e Backtrace -e 'in mapping field' log ||
    { echo "$0: libcyaml logs what it takes now" >&2; exit 1; }
