#include "ctl/bucket_option.h"

#include <string.h>

bool bucket_option_append(struct text *json, const char *bucket)
{
    const char *before = "{";
    for (;;) {
        size_t len = strcspn(bucket, ","), name_len = strcspn(bucket, "=,");
        if (name_len == 0 || name_len == len)
            return false;
        text_string(json, before);
        text_json(json, bucket, name_len);
        text_literal(json, ":");
        text_json(json, bucket + name_len + 1, len - name_len - 1);
        before = ",";
        if (bucket[len] == '\0')
            break;
        bucket += len + 1;
    }
    text_literal(json, "}");
    return true;
}
