/* Configurations of nginx without enough memory: wherever it runs out, there is one complaint, and nothing is left behind. */
#include "migrate/from_nginx.h"
#include "support/failing.h"
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What takes memory in each of the ways there are. */
static const char conf[] =
    "geo $g { default 1; 10.0.0.0/8 0; }\n"
    "map $g $k { 0 ''; 1 $binary_remote_addr; }\n"
    "map $http_a $h { default $binary_remote_addr; }\n"
    "limit_req_zone $k zone=a:1m rate=1r/s;\n"
    "limit_req_zone $k zone=b:1m rate=1r/m;\n"
    "limit_req_zone $http_x zone=c:1m rate=1r/s;\n"
    "limit_req_zone $h$cookie_a zone=d:1m rate=1r/s;\n"
    "limit_req_zone $host$uri zone=e:1m rate=1r/s;\n"
    "server { limit_req zone=a burst=5; limit_req zone=b; limit_req zone=c; limit_req zone=d; limit_req zone=e;\n"
    "  location / { limit_req zone=e burst=9 delay=3; } }\n";

/* Appends a directive with words of so many bytes in all. */
static void fill(FILE *text, size_t bytes)
{
    fputs("filler", text);
    for (; bytes > 0; bytes -= bytes < 4000 ? bytes : 4000)
        fprintf(text, " %0*d", (int)(bytes < 4000 ? bytes : 4000), 1);
    fputs(";\n", text);
}

/* Whether it is translated. If not, nothing was written, and the complaint says why. */
static bool translate(const char *text, size_t len, FILE *out, struct complaint *complaint)
{
    struct tree tree;
    bool is_written = tree_parse(&tree, "FILE", text, len, complaint) &&
                      from_nginx_tree(&tree, "FILE", out, complaint);
    tree_release(&tree);
    return is_written;
}

/* The first chunk of an arena ends somewhere else for each length of the filler, and there is no second one. */
static void test_it_runs_out_at_each_place(void **state)
{
    (void)state;
    enum { MOST = 66000, STEP = 24 };
    unsigned shortages = 0, successes = 0;
    for (size_t bytes = 0; bytes < MOST; bytes += STEP) {
        struct complaint complaint = {0};
        char *text, *yaml;
        size_t len, yaml_len;
        FILE *file = open_memstream(&text, &len), *out = open_memstream(&yaml, &yaml_len);
        assert_non_null(file);
        assert_non_null(out);
        fill(file, bytes);
        fputs(conf, file);
        fclose(file);

        failing_at(FAILING_ALLOCATION, 2);
        bool is_written = translate(text, len, out, &complaint);
        bool failed = failing_end();
        fclose(out);
        assert_int_equal(is_written, !failed);
        assert_int_equal(yaml_len > 0, is_written);
        assert_int_equal(strstr(complaint.text, "not enough memory") != NULL, failed);
        shortages += failed;
        successes += !failed;
        free(text);
        free(yaml);
    }
    assert_true(shortages > 500);
    assert_int_equal(shortages + successes, (MOST + STEP - 1) / STEP);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void test_it_runs_out_while_files_are_read(void **state)
{
    (void)state;
    char folder[] = "/tmp/allowd-migrate-XXXXXX", path[64], included[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/nginx.conf", folder);
    snprintf(included, sizeof included, "%s/a.include", folder);
    write_file(path, "include *.include;\n");
    write_file(included, conf);
    unsigned shortages = 0;
    for (bool failed = true; failed; shortages += failed) {
        struct complaint complaint = {0};
        char *yaml;
        size_t len;
        FILE *out = open_memstream(&yaml, &len);
        assert_non_null(out);
        failing_at(FAILING_ALLOCATION, shortages + 1);
        bool is_written = from_nginx(path, out, &complaint);
        failed = failing_end();
        fclose(out);
        assert_true(is_written ||
                    failed); /* a text that cannot be made shorter is taken as it is */
        assert_int_equal(strstr(complaint.text, "memory") != NULL, !is_written);
        free(yaml);
    }
    assert_true(shortages >= 5); /* the arena's chunk, two files, and texts that grow */
    unlink(path);
    unlink(included);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_runs_out_at_each_place),
        cmocka_unit_test(test_it_runs_out_while_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
