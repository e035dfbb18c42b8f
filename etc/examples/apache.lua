-- Asks allowd whether a request may go on, for apache.conf beside it.
--
-- When allowd is down, or has not answered within the time below: fail OPEN. With 503 in place of the
-- apache2.DECLINED marked so it fails CLOSED.

require "apache2"
local http = require "socket.http"
local ltn12 = require "ltn12"

http.TIMEOUT = 0.5 -- seconds

function ask(r)
    if not r.is_initial_req then
        return apache2.DECLINED -- asked already
    end
    local body = {}
    local _, status, fields = http.request {
        url = "http://127.0.0.1:10429/check/edge-429",
        headers = {
            ["X-Forwarded-For"] = r.useragent_ip,
            ["X-Forwarded-Method"] = r.method,
            ["X-Forwarded-Host"] = r.hostname,
            ["X-Forwarded-Uri"] = r.unparsed_uri,
        },
        sink = ltn12.sink.table(body),
        redirect = false,
    }
    if type(status) ~= "number" or status >= 500 then
        return apache2.DECLINED -- fail open
    end
    for _, name in ipairs { "RateLimit", "RateLimit-Policy", "Retry-After" } do
        r.err_headers_out[name] = fields[name:lower()]
    end
    if status == 200 then
        return apache2.DECLINED
    end
    r.status = status
    r.content_type = fields["content-type"]
    r:write(table.concat(body))
    return apache2.DONE
end
