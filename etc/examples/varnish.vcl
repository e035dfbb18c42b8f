# Varnish (7.1) asks allowd about each request, hits of the cache too. For /etc/varnish/default.vcl;
# allowd's part is check edge-429 in allowd-checks.yaml, and the application is on 127.0.0.1:8080.
#
# A request goes round twice: first to allowd, which answers whether it may go on, then on. Its body is kept
# meanwhile, 1 MB of it at most; a larger one is refused (413).
# When allowd is down: fail OPEN. Without "|| resp.http.X-Down" it fails CLOSED (503).

vcl 4.1;
import std;

backend app { .host = "127.0.0.1"; .port = "8080"; }
backend allowd {
    .host = "127.0.0.1"; .port = "10429";
    .connect_timeout = 0.5s; .first_byte_timeout = 0.5s; .between_bytes_timeout = 0.5s;
}

sub vcl_recv {
    if (req.restarts == 0) {
        unset req.http.X-RateLimit;
        unset req.http.X-RateLimit-Policy;
        if ((req.http.Content-Length || req.http.Transfer-Encoding) && !std.cache_req_body(1MB)) {
            return (synth(413));
        }
        set req.http.X-Verdict = "ask";
        set req.backend_hint = allowd;
        return (pass);
    }
    unset req.http.X-Verdict;
    set req.backend_hint = app;
}

sub vcl_backend_fetch {
    if (bereq.http.X-Verdict == "ask") {
        set bereq.http.X-Forwarded-Uri = bereq.url;
        set bereq.http.X-Forwarded-Method = bereq.method;
        set bereq.http.X-Forwarded-Host = bereq.http.Host;
        set bereq.url = "/check/edge-429";
        set bereq.method = "GET";
        unset bereq.http.Cookie;
        unset bereq.http.Authorization;
        unset bereq.body;
    }
    unset bereq.http.X-Verdict;
    unset bereq.http.X-RateLimit;
    unset bereq.http.X-RateLimit-Policy;
}

sub vcl_backend_error {
    if (bereq.backend == allowd) {
        set beresp.http.X-Down = "1";
        return (deliver);
    }
}

sub vcl_deliver {
    if (req.http.X-Verdict == "ask") {
        if (resp.status == 200 || resp.http.X-Down) {
            if (resp.http.RateLimit) {
                set req.http.X-RateLimit = resp.http.RateLimit;
                set req.http.X-RateLimit-Policy = resp.http.RateLimit-Policy;
            }
            return (restart);
        }
        return (deliver);
    }
    if (req.http.X-RateLimit) {
        set resp.http.RateLimit = req.http.X-RateLimit;
        set resp.http.RateLimit-Policy = req.http.X-RateLimit-Policy;
    }
}
