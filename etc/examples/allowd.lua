-- Asks allowd whether a request may go on; haproxy.cfg says what then happens, and for which key
-- it is asked: txn.allowd_key.
--
-- Sets txn.allowd to "allowed", "denied", "never" if waiting does not cure the denial,
-- or to nothing if no answer came, and what allowd has sent of txn.allowd_ratelimit,
-- txn.allowd_policy, txn.allowd_retry_after.

local URL = "http://127.0.0.1:10429/allow"
local LIMIT = "per-client"
-- Of one try. HAProxy 2.6 makes four before it gives up, and has no setting for it. All have the
-- same once, so they take one token together.
local TIMEOUT_MS = 125

local VARIABLES = {
    ["ratelimit"] = "txn.allowd_ratelimit",
    ["ratelimit-policy"] = "txn.allowd_policy",
    ["retry-after"] = "txn.allowd_retry_after",
}

local function escaped(text)
    return (text:gsub("[^%w._~-]", function(byte)
        return string.format("%%%02X", byte:byte())
    end))
end

local function verdict(answer)
    if answer.status == 200 then
        return "allowed"
    end
    if answer.status == 429 and not answer.headers["retry-after"] then
        return "never"
    end
    -- A request that allowd refuses must not go on, or it would be one without a limit.
    if answer.status >= 400 and answer.status < 500 then
        return "denied"
    end
    return nil
end

core.register_action("allowd", { "http-req" }, function(txn)
    local answer = core.httpclient():post({
        url = URL .. "?limit=" .. escaped(LIMIT) .. "&key=" .. escaped(txn:get_var("txn.allowd_key") or "")
            .. "&once=" .. txn.f:uuid(),
        timeout = TIMEOUT_MS,
    })
    local answered = verdict(answer)
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
