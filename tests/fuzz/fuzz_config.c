/* Configurations: what loads is printed as YAML that loads to the same, and prints to the same;
 * what does not has a fault for it, in words that a terminal can show. And the same bytes as an override
 * alone. */
#include "config/config.h"
#include "config/overrides.h"
#include "config/schema.h"
#include "config/shape.h"
#include "fuzz/fuzz.h"
#include "limits/fleet_fit.h"
#include "limits/lines.h"

#include <string.h>

const struct fuzz_target fuzz_target = {
    .name = "config",
    .more_seeds = "tests/conf",
    .size_max = 2048,
    .runs = 2000,
};

/* What config_load does with the bytes of a file. */
static bool load(const void *bytes, size_t len, struct config *config, struct faults *faults)
{
    char *copied = malloc(len + 1);
    FUZZ_REQUIRE(copied != NULL);
    memcpy(copied, bytes, len);
    struct config_copy copy = config_shape_check(SHAPE_CONFIGURATION, copied, len, faults);
    free(copied);
    if (copy.yaml == NULL)
        return false;
    struct raw_config *raw = config_raw_load(copy.yaml, copy.len, faults);
    free(copy.yaml);
    bool is_loaded = raw != NULL && config_check(raw, config, faults);
    config_raw_free(raw);
    return is_loaded;
}

static char *print(const struct config *config, size_t *len)
{
    char *text;
    FILE *out = open_memstream(&text, len);
    FUZZ_REQUIRE(out != NULL);
    config_print(config, out);
    fclose(out);
    return text;
}

static void check_printed(const struct config *config)
{
    struct config again;
    struct faults faults = {0};
    size_t len, again_len;
    char *printed = print(config, &len);
    if (!load(printed, len, &again, &faults)) {
        fputs(printed, stderr);
        fuzz_fail(__FILE__, __LINE__, "what was printed loads");
    }
    FUZZ_REQUIRE(again.limits->count == config->limits->count);
    FUZZ_REQUIRE(again.limits->fallback == config->limits->fallback);
    char *printed_again = print(&again, &again_len);
    FUZZ_REQUIRE(again_len == len && memcmp(printed, printed_again, len) == 0);
    free(printed);
    free(printed_again);
    config_release(&again);
    faults_release(&faults);
}

static void check_line(void *context, enum fault_kind kind, const char *place, const char *text)
{
    (void)context, (void)kind, (void)place;
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        FUZZ_REQUIRE(*at >= 0x20 && *at != 0x7f);
        FUZZ_REQUIRE(at[0] != 0xc2 || at[1] < 0x80 || at[1] > 0x9f);
    }
}

/* What /overrides does with the bytes of a body, but that these are JSON there. What it takes fits any
 * limit. */
static void read_override(const uint8_t *data, size_t size, bool is_fleet)
{
    enum { TICK_MS = 100 };
    const struct bucket_setting setting = {.tick_ms = TICK_MS, .is_fleet = is_fleet};
    struct faults faults = {0};
    struct override_terms terms;
    struct raw_override *raw =
        config_override_read((const char *)data, size, "key", &setting, &faults, &terms);
    FUZZ_REQUIRE((raw == NULL) == (faults.count > 0));
    for (uint32_t i = 0; raw != NULL && i < terms.buckets_count; i++) {
        struct credit_line credit;
        FUZZ_REQUIRE(lines_credit(&terms.buckets[i], TICK_MS, &credit));
        FUZZ_REQUIRE(!is_fleet || fleet_fit_of(&terms.buckets[i],
                                               fleet_beside(&terms.buckets[0])) == FLEET_FITS);
    }
    faults_tell(&faults, "FILE", check_line, NULL);
    config_override_free(raw);
    faults_release(&faults);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    struct faults faults = {0};
    if (size > CONFIG_FILE_MAX)
        return 0;
    read_override(data, size, false);
    read_override(data, size, true);
    if (load(data, size, &config, &faults)) {
        FUZZ_REQUIRE(faults.count == 0);
        check_printed(&config);
        config_release(&config);
    } else {
        FUZZ_REQUIRE(faults.count > 0);
        faults_sort(&faults);
    }
    faults_tell(&faults, "FILE", check_line, NULL);
    faults_release(&faults);
    return 0;
}
