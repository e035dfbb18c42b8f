-- A token bucket for Redis, exact: whole units, the fraction of a token included.
--
-- EVALSHA sha 1 KEY BURST RATE PERIOD_US TOKENS -> allowed, remaining, retry_after_ms, reset_after_ms
--
-- A token is PERIOD_US units, and each microsecond brings RATE of them. A bucket is one string
-- of 16 bytes: its units, and when that was; with GET and SET it costs two calls where a hash
-- would take three. It is gone when it is full again, for then there is nothing to remember. Doubles
-- hold whole numbers up to 2^53, which is room for 100,000,000 tokens of a minute each.
local burst, rate, token, tokens = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full = burst * token
local level = full

local kept = redis.call('GET', KEYS[1])
if kept then
    local was, at = struct.unpack('<dd', kept)
    if now > at then
        level = math.min(full, was + (now - at) * rate)
    else
        level, now = was, at
    end
end

local need = tokens * token
local allowed, retry_ms = 0, 0
if level >= need then
    allowed = 1
    level = level - need
else
    retry_ms = math.ceil((need - level) / rate / 1000)
end
local reset_ms = math.ceil((full - level) / rate / 1000)
if allowed == 1 and reset_ms > 0 then
    redis.call('SET', KEYS[1], struct.pack('<dd', level, now), 'PX', reset_ms)
end
return {allowed, math.floor(level / token), retry_ms, reset_ms}
