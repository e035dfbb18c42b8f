/* Configurations of nginx: what they come to is a configuration that allowd takes, all of printable ASCII; what comes to none
 * has one complaint, in a line that a terminal can show. */
#include "config/config.h"
#include "config/schema.h"
#include "config/shape.h"
#include "fuzz/fuzz.h"
#include "migrate/from_nginx.h"

#include <string.h>

const struct fuzz_target fuzz_target = {.name = "nginx", .size_max = 2048, .runs = 2000};

static void check_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        FUZZ_REQUIRE(text[i] == '\n' || (text[i] >= 0x20 && text[i] <= 0x7e));
}

static bool loads(const char *yaml, size_t len)
{
    struct config config;
    struct faults faults = {0};
    char *copied = strndup(yaml, len);
    FUZZ_REQUIRE(copied != NULL);
    struct config_copy copy = config_shape_check(SHAPE_CONFIGURATION, copied, len, &faults);
    struct raw_config *raw =
        copy.yaml == NULL ? NULL : config_raw_load(copy.yaml, copy.len, &faults);
    bool is_loaded = raw != NULL && config_check(raw, &config, &faults);
    for (size_t i = 0; i < faults.kept; i++)
        if (!is_loaded)
            fprintf(stderr, "%zu: %s\n", faults.fault[i].line, faults.fault[i].text);
    config_raw_free(raw);
    free(copy.yaml);
    free(copied);
    faults_release(&faults);
    if (is_loaded)
        config_release(&config);
    return is_loaded;
}

static void check_yaml(const char *yaml, size_t len)
{
    check_text(yaml, len);
    if (!loads(yaml, len)) {
        fputs(yaml, stderr);
        fuzz_fail(__FILE__, __LINE__, "what was written loads");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tree tree;
    struct complaint complaint = {0};
    char *yaml = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&yaml, &len);
    FUZZ_REQUIRE(out != NULL);
    bool is_written = tree_parse(&tree, "FILE", (const char *)data, size, &complaint) &&
                      from_nginx_tree(&tree, "FILE", out, &complaint);
    tree_release(&tree);
    fclose(out);
    if (is_written) {
        check_yaml(yaml, len);
    } else {
        FUZZ_REQUIRE(len == 0 && strncmp(complaint.text, "FILE:", 5) == 0);
        check_text(complaint.text, strlen(complaint.text));
        FUZZ_REQUIRE(strchr(complaint.text, '\n') == NULL);
    }
    free(yaml);
    return 0;
}
