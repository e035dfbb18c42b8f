-- Requests for wrk, so that not every one is about the same key.
--
-- wrk ... -s keys.lua URL -- KIND SEED PATH [PATH]
--
-- A PATH is all that comes before the key; with two they take turns. KIND:
--   one       the same key
--   thousand  1,000 keys, in turn
--   million   any of 1,000,000, each as likely as the others
--   skewed    any of 1,000,000, the nth n times less likely than the first
--   fill      1,000,000 keys, in turn, 16 requests at once: to have them all there
--   batch     100 keys, in one request, in JSON
--   lines     the same in lines
local MILLION = 1000000
local paths, kind, at = {}, nil, 0
local ready = {}    -- requests that are made once

local function key(number)
    return string.format("user:%012d", number)
end

-- The request without its key, in two halves: most of it is the same each time.
local before, after = {}, nil

local function split()
    for i, path in ipairs(paths) do
        local whole = wrk.format("GET", path .. "KEY")
        local from, to = whole:find("KEY", 1, true)
        before[i], after = whole:sub(1, from - 1), whole:sub(to + 1)
    end
end

local function make(number)
    at = at % #paths + 1
    return before[at] .. key(number) .. after
end

local function make_ready(count)
    for number = 0, count - 1 do
        for _ = 1, #paths do
            ready[#ready + 1] = make(number)
        end
    end
end

local function post(media_type, body)
    ready[1] = wrk.format("POST", paths[1], {["Content-Type"] = media_type}, body)
end

local function hundred(pattern)
    local items = {}
    for number = 0, 99 do
        items[#items + 1] = string.format(pattern, key(number))
    end
    return items
end

local batches = {
    batch = function()
        post("application/json", '{"requests":[' .. table.concat(hundred('{"key":"%s"}'), ",") .. "]}")
    end,
    lines = function()
        post("application/vnd.allowd.lines.v1", table.concat(hundred("%s\n")))
    end,
}

local filled = 0
local makers = {
    million = function() return make(math.random(0, MILLION - 1)) end,
    skewed = function() return make(math.floor(MILLION ^ math.random()) - 1) end,
    fill = function()
        local many = {}
        for i = 1, 16 do
            many[i] = make(filled)
            filled = (filled + 1) % MILLION
        end
        return table.concat(many)
    end,
}

function init(arguments)
    kind = arguments[1]
    math.randomseed(tonumber(arguments[2]))
    for i = 3, #arguments do
        paths[#paths + 1] = arguments[i]
    end
    split()
    if batches[kind] then
        batches[kind]()
    elseif kind == "one" or kind == "thousand" then
        make_ready(kind == "one" and 1 or 1000)
    else
        request = makers[kind]
        return
    end
    local next_ready = 0
    request = function()
        next_ready = next_ready % #ready + 1
        return ready[next_ready]
    end
end
