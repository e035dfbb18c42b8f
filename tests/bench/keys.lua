-- Load for wrk: the decisions about 100 keys, one a request or all in one batch.
-- wrk ... -s keys.lua URL -- single | batch
local keys = {}
for i = 1, 100 do
    keys[i] = string.format("user:%012d", i)
end

local requests, at = {}, 0

function init(arguments)
    if arguments[1] == "batch" then
        local items = {}
        for i, key in ipairs(keys) do
            items[i] = string.format('{"key":"%s"}', key)
        end
        local body = '{"requests":[' .. table.concat(items, ",") .. "]}"
        requests[1] = wrk.format("POST", "/allow", {["Content-Type"] = "application/json"}, body)
    else
        for i, key in ipairs(keys) do
            requests[i] = wrk.format("GET", "/allow?key=" .. key)
        end
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end
