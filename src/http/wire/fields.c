#include "http/wire/fields.h"

#include "http/field_name.h"

#include <string.h>

struct passage {
    struct gate *gate;
    struct access *access;
};

static enum MHD_Result pass_field(void *context, enum MHD_ValueKind kind, const char *name,
                                  size_t name_len, const char *value, size_t value_len)
{
    struct passage *passage = context;
    (void)kind;
    gate_field(passage->gate, name, name_len, value, value_len);
    if (passage->gate->fault != NULL)
        return MHD_NO;
    access_field(passage->access, name, name_len, value, value_len);
    return MHD_YES;
}

void http_fields_pass(struct MHD_Connection *connection, struct gate *gate, struct access *access)
{
    struct passage passage = {gate, access};
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, pass_field, &passage);
}

const char *http_fields_content_type(struct MHD_Connection *connection)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
}

struct measure {
    size_t entry_bytes, bytes;
};

static enum MHD_Result measure_field(void *context, enum MHD_ValueKind kind, const char *name,
                                     size_t name_len, const char *value, size_t value_len)
{
    struct measure *measure = context;
    (void)kind, (void)name, (void)value;
    measure->bytes += measure->entry_bytes + name_len + strlen(": \r\n") + value_len;
    return MHD_YES;
}

size_t http_fields_trailer_memory(struct MHD_Connection *connection, size_t entry_bytes)
{
    struct measure measure = {.entry_bytes = entry_bytes};
    MHD_get_connection_values_n(connection, MHD_FOOTER_KIND, measure_field, &measure);
    return measure.bytes;
}

struct search {
    const char *name;
    bool (*take)(void *taker, const char *value, size_t len);
    void *taker;
};

static enum MHD_Result pass_if_named(void *context, enum MHD_ValueKind kind, const char *name,
                                     size_t name_len, const char *value, size_t value_len)
{
    const struct search *search = context;
    (void)kind;
    if (!field_name_is(name, name_len, search->name))
        return MHD_YES;
    return search->take(search->taker, value, value_len) ? MHD_YES : MHD_NO;
}

static void fields(void *context, const char *name,
                   bool (*take)(void *taker, const char *value, size_t len), void *taker)
{
    MHD_get_connection_values_n(context, MHD_HEADER_KIND, pass_if_named,
                                &(struct search){name, take, taker});
}

struct taker {
    void (*take)(void *context, const struct form_pair *parameter);
    void *context;
};

/* libmicrohttpd leaves parameters escaped: see leave_escaped in http.c. */
static enum MHD_Result pass_parameter(void *context, enum MHD_ValueKind kind, const char *name,
                                      size_t name_len, const char *value, size_t value_len)
{
    const struct taker *taker = context;
    (void)kind;
    taker->take(taker->context, &(struct form_pair){
                                    .name = name,
                                    .name_len = name_len,
                                    .value = value == NULL ? "" : value,
                                    .value_len = value == NULL ? 0 : value_len,
                                });
    return MHD_YES;
}

static void parameters(void *context, void (*take)(void *taker, const struct form_pair *parameter),
                       void *taker)
{
    MHD_get_connection_values_n(context, MHD_GET_ARGUMENT_KIND, pass_parameter,
                                &(struct taker){take, taker});
}

struct check_request http_fields_of_check(struct MHD_Connection *connection, const char *method)
{
    return (struct check_request){
        .method = method,
        .peer =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
        .fields = fields,
        .parameters = parameters,
        .context = connection,
    };
}
