#include "page/page.h"

#include "base/digest.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static char policy[512];

/* Writes the hash of what stands between two tags, which the document has once each. */
static void hash_between(const char *begin, const char *end, char base64[DIGEST_BASE64_MAX])
{
    const char *document_end = page_html + page_html_len;
    const char *from = memmem(page_html, page_html_len, begin, strlen(begin));
    assert(from != NULL);
    from += strlen(begin);
    const char *to = memmem(from, (size_t)(document_end - from), end, strlen(end));
    assert(to != NULL);
    digest_base64(from, (size_t)(to - from), base64);
}

/* Before there is a thread that could read it. */
__attribute__((constructor)) static void make_policy(void)
{
    char style[DIGEST_BASE64_MAX], script[DIGEST_BASE64_MAX];
    hash_between("<style>", "</style>", style);
    hash_between("<script>", "</script>", script);
    int len = snprintf(policy, sizeof policy,
                       "default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; "
                       "connect-src 'self'; base-uri 'none'; form-action 'none'; "
                       "frame-ancestors 'none'; trusted-types 'none'; "
                       "require-trusted-types-for 'script'",
                       script, style);
    assert(len > 0 && (size_t)len < sizeof policy);
    (void)len;
}

const char *page_policy(void)
{
    return policy;
}
