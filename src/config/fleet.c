#include "config/fleet.h"

#include "config/scalar.h"
#include "config/secret_file.h"
#include "config/text.h"
#include "config/token.h"
#include "fleet/stores.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

bool config_fleet_is_there(const struct config *config)
{
    return config->fleet.is_there;
}

bool config_fleet_may_be_there(const struct raw_config *raw)
{
    return raw->fleet.place != NULL || mapping_lacks(raw->place, "fleet");
}

/* One that was not there before begins with the reload. */
bool config_fleet_differs(const struct config *now, const struct config *next)
{
    const struct fleet_settings *a = &now->fleet.settings, *b = &next->fleet.settings;
    if (!now->fleet.is_there)
        return false;
    if (!next->fleet.is_there || a->stores_count != b->stores_count)
        return true;
    for (unsigned i = 0; i < a->stores_count; i++)
        if (strcmp(a->stores[i], b->stores[i]) != 0)
            return true;
    return strcmp(a->name, b->name) != 0 || strcmp(a->user, b->user) != 0 ||
           strcmp(a->password, b->password) != 0 || a->op_timeout_ms != b->op_timeout_ms ||
           a->reconnect_min_ms != b->reconnect_min_ms || a->reconnect_max_ms != b->reconnect_max_ms;
}

/* Reports that the file has `fleet:`, but in it not what it must have. */
static void check_is_given(const struct raw_config *raw, const char *name, bool is_given,
                           struct faults *faults)
{
    const char *at = raw->fleet.place;
    if (at == NULL || is_given || mapping_lacks(at, name))
        return;
    struct placed place = scalar_placed(at);
    faults_add(faults, place.line, place.column,
               "%s is missing; fleet takes a name, which all sidecars of it have in common, and a "
               "store, such as store: [redis://10.0.0.1:6379]",
               name);
}

/* ---- name, store and user ---- */

void config_fleet_name_check(const struct raw_config *raw, struct faults *faults,
                             struct config *config)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789-_.";
    config->fleet.is_there = raw->fleet.place != NULL;
    check_is_given(raw, "name", raw->fleet.name != NULL, faults);
    if (!scalar_is_usable(raw->fleet.name))
        return;
    struct placed name = scalar_placed(raw->fleet.name);
    size_t len = strlen(name.text);
    char shortened[CONFIG_SHORT_MAX];
    if (len > 0 && len <= FLEET_NAME_MAX && strspn(name.text, characters) == len)
        strcpy(config->fleet.settings.name, name.text);
    else
        faults_add(
            faults, name.line, name.column,
            "name \"%s\" is not the name of a fleet; write 1 to %d letters, digits, '-', '_' "
            "and '.'",
            config_shorten(name.text, shortened), FLEET_NAME_MAX);
}

void config_fleet_name_print(const struct config *config, FILE *out)
{
    config_write_named(out, "  name: ", config->fleet.settings.name);
}

/* What to write in place of what is no store. */
static const char *advise_on_store(const char *text)
{
    static const struct {
        const char *prefix, *advice;
    } schemes[] = {
        {"rediss://",
         "TLS is not spoken; have a proxy such as stunnel do that, and write redis:// and its "
         "address"},
        {"valkey://", "write redis:// for Valkey too"},
    };
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (strncmp(text, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
            return schemes[i].advice;
    if (strstr(text, "://") != NULL && strchr(text, '@') != NULL)
        return "user and password go into user and password_file";
    if (strncmp(text, "redis://", 8) == 0 && strchr(text + 8, '/') != NULL)
        return "leave out what stands behind the port; database 0 is what is used";
    return "write redis://HOST:PORT, unix:/PATH, sentinel://HOST:PORT/MASTER or "
           "cluster://HOST:PORT";
}

static bool take_store(const char *raw, struct faults *faults, struct fleet_settings *settings)
{
    struct placed value = scalar_placed(raw);
    struct store store;
    char shortened[CONFIG_SHORT_MAX];
    config_shorten(value.text, shortened);
    if (!store_read(value.text, &store)) {
        faults_add(faults, value.line, value.column, "\"%s\" is not a store; %s", shortened,
                   advise_on_store(value.text));
        return false;
    }
    for (unsigned i = 0; i < settings->stores_count; i++)
        if (strcmp(settings->stores[i], value.text) == 0) {
            faults_add(faults, value.line, value.column,
                       "\"%s\" is listed already; list each store once", shortened);
            return false;
        }
    strcpy(settings->stores[settings->stores_count++], value.text);
    return true;
}

void config_fleet_store_check(const struct raw_config *raw, struct faults *faults,
                              struct config *config)
{
    struct fleet_settings *settings = &config->fleet.settings;
    bool are_good = raw->fleet.store_count > 0;
    check_is_given(raw, "store", are_good, faults);
    for (uint32_t i = 0; i < raw->fleet.store_count; i++)
        are_good &= take_store(raw->fleet.store[i], faults, settings);
    const char *fault = are_good ? fleet_stores_fault(settings) : NULL;
    if (fault == NULL)
        return;
    struct placed last = scalar_placed(raw->fleet.store[raw->fleet.store_count - 1]);
    faults_add(faults, last.line, last.column, "store: %s", fault);
}

void config_fleet_store_print(const struct config *config, FILE *out)
{
    fputs("  store:\n", out);
    for (unsigned i = 0; i < config->fleet.settings.stores_count; i++)
        config_write_named(out, "    - ", config->fleet.settings.stores[i]);
}

/* Whether a text is printable ASCII without spaces, 1 to `most` characters. */
static bool is_word(const char *text, size_t most)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return len > 0 && len <= most;
}

void config_fleet_user_check(const struct raw_config *raw, struct faults *faults,
                             struct config *config)
{
    if (!scalar_is_usable(raw->fleet.user))
        return;
    struct placed user = scalar_placed(raw->fleet.user);
    char shortened[CONFIG_SHORT_MAX];
    if (!is_word(user.text, FLEET_USER_MAX))
        faults_add(faults, user.line, user.column,
                   "user \"%s\" is not a user of the store; write 1 to %d visible ASCII characters",
                   config_shorten(user.text, shortened), FLEET_USER_MAX);
    else if (raw->fleet.password_file == NULL && !mapping_lacks(raw->fleet.place, "password_file"))
        faults_add(faults, user.line, user.column,
                   "user is given without password_file; give both, or leave user out");
    else
        strcpy(config->fleet.settings.user, user.text);
}

void config_fleet_user_print(const struct config *config, FILE *out)
{
    if (config->fleet.settings.user[0] != '\0')
        config_write_named(out, "  user: ", config->fleet.settings.user);
}

/* ---- the password ---- */

static struct secret_file password_file_of(const struct raw_config *raw, enum token_mode mode)
{
    return (struct secret_file){
        .name = "password_file",
        .mode_name = "password_mode",
        .value = scalar_placed(raw->fleet.password_file),
        .mode = mode,
    };
}

static bool is_password(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == '\x7f')
            return false;
    return len > 0 && len <= FLEET_PASSWORD_MAX;
}

static void read_password(const struct secret_file *file, struct faults *faults,
                          struct config_fleet *fleet)
{
    struct secret_text text;
    if (secret_file_read(file, faults, &text)) {
        fleet->password_is_shared = text.is_shared;
        if (is_password(text.text, text.len))
            memcpy(fleet->settings.password, text.text, text.len);
        else
            secret_file_refuse(file, faults,
                               "holds no password; write into it one of 1 to 512 bytes without "
                               "control characters",
                               "");
    }
    explicit_bzero(&text, sizeof text);
}
static_assert(FLEET_PASSWORD_MAX == 512, "the text says so");

void config_fleet_password_file_check(const struct raw_config *raw, struct faults *faults,
                                      struct config *config)
{
    if (!scalar_is_usable(raw->fleet.password_file))
        return;
    const struct secret_file file = password_file_of(raw, TOKEN_MODE_PRIVATE);
    if (secret_file_check_path(&file, faults))
        strcpy(config->fleet.password_file, file.value.text);
}

void config_fleet_password_file_print(const struct config *config, FILE *out)
{
    if (config->fleet.password_file[0] != '\0')
        config_write_named(out, "  password_file: ", config->fleet.password_file);
}

void config_fleet_password_mode_check(const struct raw_config *raw, struct faults *faults,
                                      struct config *config)
{
    size_t before = faults->count;
    config->fleet.password_mode =
        (enum token_mode)scalar_word(faults, "password_mode", raw->fleet.password_mode,
                                     config_token_modes, TOKEN_MODES, TOKEN_MODE_PRIVATE);
    if (config->fleet.password_file[0] == '\0' || faults->count > before)
        return;
    const struct secret_file file = password_file_of(raw, config->fleet.password_mode);
    read_password(&file, faults, &config->fleet);
}

void config_fleet_password_mode_print(const struct config *config, FILE *out)
{
    fprintf(out, "  password_mode: %s\n", config_token_modes[config->fleet.password_mode]);
}

/* ---- times ---- */

static void print_duration(const char *name, uint32_t ms, FILE *out)
{
    char text[QUANTITY_TEXT_MAX];
    quantity_print_duration(ms, text);
    fprintf(out, "  %s: %s\n", name, text);
}

enum { RECONNECT_MAX_MS = 5000, RECONNECT_MOST_MS = 600000, RENEWALS = 4, RENEW_MS = 500 };

void config_fleet_reconnect_max_check(const struct raw_config *raw, struct faults *faults,
                                      struct config *config)
{
    struct fleet_settings *settings = &config->fleet.settings;
    uint32_t least = settings->reconnect_min_ms;
    uint32_t absent = least > RECONNECT_MAX_MS ? least : RECONNECT_MAX_MS;
    settings->reconnect_max_ms = (uint32_t)scalar_duration(
        faults, "reconnect_max", raw->fleet.reconnect_max, 1, RECONNECT_MOST_MS, absent);
    if (settings->reconnect_max_ms == 0 || settings->reconnect_max_ms >= least)
        return;
    struct placed value = scalar_placed(raw->fleet.reconnect_max);
    char text[QUANTITY_TEXT_MAX];
    quantity_print_duration(least, text);
    faults_add(faults, value.line, value.column,
               "reconnect_max %s is shorter than reconnect_min, %s; write at least that",
               value.text, text);
}

void config_fleet_reconnect_max_print(const struct config *config, FILE *out)
{
    print_duration("reconnect_max", config->fleet.settings.reconnect_max_ms, out);
}

/* Reports that what is in hand would be void before it can have been renewed. */
static void check_renewal(const struct raw_config *raw, const struct config_fleet *fleet,
                          struct faults *faults)
{
    uint32_t ttl_ms = fleet->terms.ttl_ms, renew_ms = fleet->terms.renew_ms;
    uint32_t op_timeout_ms = fleet->settings.op_timeout_ms;
    if (ttl_ms == 0 || renew_ms == 0 || op_timeout_ms == 0 || renew_ms + op_timeout_ms < ttl_ms)
        return;
    const char *given = raw->fleet.renew != NULL ? raw->fleet.renew
                        : raw->fleet.ttl != NULL ? raw->fleet.ttl
                                                 : raw->fleet.op_timeout;
    struct placed place = scalar_placed(given);
    char ttl[QUANTITY_TEXT_MAX], renew[QUANTITY_TEXT_MAX], op_timeout[QUANTITY_TEXT_MAX];
    quantity_print_duration(ttl_ms, ttl);
    quantity_print_duration(renew_ms, renew);
    quantity_print_duration(op_timeout_ms, op_timeout);
    faults_add(
        faults, place.line, place.column,
        "renew, %s, and op_timeout, %s, are not shorter than ttl, %s, together, so tokens in "
        "hand would be void before the store has renewed them; use a longer ttl",
        renew, op_timeout, ttl);
}

void config_fleet_renew_check(const struct raw_config *raw, struct faults *faults,
                              struct config *config)
{
    struct fleet_terms *terms = &config->fleet.terms;
    terms->renew_ms =
        (uint32_t)scalar_duration(faults, "renew", raw->fleet.renew, 10, 600000,
                                  terms->ttl_ms == 0 ? RENEW_MS : terms->ttl_ms / RENEWALS);
    check_renewal(raw, &config->fleet, faults);
}

void config_fleet_renew_print(const struct config *config, FILE *out)
{
    print_duration("renew", config->fleet.terms.renew_ms, out);
}

/* ---- numbers ---- */

void config_fleet_outstanding_check(const struct raw_config *raw, struct faults *faults,
                                    struct config *config)
{
    config->fleet.terms.outstanding_percent =
        scalar_percent(faults, "outstanding", raw->fleet.outstanding,
                       "how much of it all sidecars together may have in hand", 50, 50);
}

void config_fleet_outstanding_print(const struct config *config, FILE *out)
{
    fprintf(out, "  outstanding: %" PRIu32 "%%\n", config->fleet.terms.outstanding_percent);
}

void config_fleet_sidecars_check(const struct raw_config *raw, struct faults *faults,
                                 struct config *config)
{
    struct fleet_terms *terms = &config->fleet.terms;
    const char *number = raw->fleet.sidecars;
    const char *word = raw->fleet.on_partition;
    bool is_known =
        word == NULL || scalar_has_text(word, fleet_partition_names[terms->on_partition]);
    bool shares = terms->on_partition == FLEET_PARTITION_SHARE;
    terms->sidecars = (uint32_t)scalar_number(faults, "sidecars", number, 1, HOLDERS_MAX, 0);
    if (shares && number == NULL && !mapping_lacks(raw->fleet.place, "sidecars")) {
        struct placed place = scalar_placed(word);
        faults_add(faults, place.line, place.column,
                   "on_partition share takes sidecars; write how many share the limits, so that "
                   "each has its part");
    } else if (is_known && !shares && terms->sidecars > 0) {
        struct placed place = scalar_placed(number);
        faults_warn(faults, place.line, place.column,
                    "sidecars means nothing unless on_partition is share; leave it out");
    }
}

void config_fleet_sidecars_print(const struct config *config, FILE *out)
{
    if (config->fleet.terms.sidecars > 0)
        fprintf(out, "  sidecars: %" PRIu32 "\n", config->fleet.terms.sidecars);
}
