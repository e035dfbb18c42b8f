#include "config/token.h"

#include "config/scalar.h"
#include "config/secret_file.h"
#include "config/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *const config_token_modes[TOKEN_MODES] = {
    [TOKEN_MODE_PRIVATE] = "private",
    [TOKEN_MODE_ANY] = "any",
};

static struct secret_file file_of(const struct raw_config *raw, enum token_mode mode)
{
    return (struct secret_file){
        .name = "admin_token_file",
        .mode_name = "admin_token_mode",
        .value = scalar_placed(raw->admin_token_file),
        .mode = mode,
    };
}

static void read_token(const struct secret_file *file, struct faults *faults, struct config *config)
{
    struct secret_text text;
    if (secret_file_read(file, faults, &text)) {
        config->admin_token_mark = text.mark;
        config->admin_token_is_shared = text.is_shared;
        if (secret_is_valid(text.text, text.len))
            config->admin_token = secret_of(text.text, text.len);
        else
            secret_file_refuse(
                file, faults,
                "holds no token; write into it one of 16 to 512 visible ASCII characters, such as "
                "openssl rand -hex 32 makes",
                "");
    }
    explicit_bzero(&text, sizeof text);
}
static_assert(SECRET_MIN == 16 && SECRET_MAX == 512, "the text says so");

void config_token_file_check(const struct raw_config *raw, struct faults *faults,
                             struct config *config)
{
    if (!scalar_is_usable(raw->admin_token_file))
        return;
    const struct secret_file file = file_of(raw, TOKEN_MODE_PRIVATE);
    if (secret_file_check_path(&file, faults))
        strcpy(config->admin_token_file, file.value.text);
}

void config_token_mode_check(const struct raw_config *raw, struct faults *faults,
                             struct config *config)
{
    size_t before = faults->count;
    config->admin_token_mode =
        (enum token_mode)scalar_word(faults, "admin_token_mode", raw->admin_token_mode,
                                     config_token_modes, TOKEN_MODES, TOKEN_MODE_PRIVATE);
    if (config->admin_token_file[0] == '\0' || faults->count > before)
        return;
    const struct secret_file file = file_of(raw, config->admin_token_mode);
    read_token(&file, faults, config);
}

void config_token_file_print(const struct config *config, FILE *out)
{
    if (config->admin_token_file[0] != '\0')
        config_write_named(out, "admin_token_file: ", config->admin_token_file);
}

void config_token_mode_print(const struct config *config, FILE *out)
{
    fprintf(out, "admin_token_mode: %s\n", config_token_modes[config->admin_token_mode]);
}
