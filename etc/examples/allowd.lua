-- Asks allowd whether a request may go on; haproxy.cfg says what then happens.
--
-- Sets txn.allowd to "allowed", "denied", "never" if waiting does not cure the denial,
-- or to nothing if no answer came, and what allowd has sent of txn.allowd_ratelimit,
-- txn.allowd_policy, txn.allowd_retry_after.

local URL = "http://127.0.0.1:10429/check/edge-429"
-- Of one try. HAProxy 2.6 makes four before it gives up, and has no setting for it. Each
-- may take a token: a request that allowd answers too late costs up to four.
local TIMEOUT_MS = 125

local VARIABLES = {
    ["ratelimit"] = "txn.allowd_ratelimit",
    ["ratelimit-policy"] = "txn.allowd_policy",
    ["retry-after"] = "txn.allowd_retry_after",
}

local function verdict(status)
    if status == 200 then
        return "allowed"
    end
    if status == 403 then
        return "never"
    end
    -- A request that allowd refuses must not go on, or it would be one without a limit.
    if status >= 400 and status < 500 then
        return "denied"
    end
    return nil
end

core.register_action("allowd", { "http-req" }, function(txn)
    local answer = core.httpclient():head({
        url = URL,
        timeout = TIMEOUT_MS,
        headers = {
            ["x-forwarded-for"] = { txn.f:src() },
            ["x-forwarded-host"] = { txn.f:req_hdr("host") },
            ["x-forwarded-method"] = { txn.f:method() },
            ["x-forwarded-uri"] = { txn.f:path() },
        },
    })
    local answered = verdict(answer.status)
    if not answered then
        return
    end
    txn:set_var("txn.allowd", answered)
    for name, variable in pairs(VARIABLES) do
        local values = answer.headers[name]
        if values then
            txn:set_var(variable, values[0])
        end
    end
end)
