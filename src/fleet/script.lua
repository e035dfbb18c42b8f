#!lua
-- What a store does for a fleet of allowds, version 1: it keeps the buckets of each key under a limit of scope fleet in a
-- record, and grants tokens out of them to sessions, its holders. src/brain/order.h says what for.
--
-- Each record is read, changed and written here at once, by one SET, which is the last thing done to it. So a record is
-- as before or as after, whatever happens. The commands used are TIME, MGET and SET.
--
--     KEYS[2i - 1], KEYS[2i]   the name of a record, which is there once in a call, and of its epoch
--     ARGV[i]                  an order
--     the reply                an answer each
--
-- Layouts, in the words of struct.pack, all little-endian. A number that may be below 0 is written 2^52 higher. Times are
-- milliseconds of this server's clock since 1970. For each bucket:
--
--     order    B version   B flags       B buckets     I4 terms      I4 ttl       I4 grace
--              c8 session  I4 seq        I6 epoch known, 0: none     I7 latest time that its clock allows, 0: any
--              each bucket: I7 burst  I5 units a token  I7 units a ms  I7 tokens that may be out
--                           I6 granted  I6 disposed  I7 net  I6 want
--     answer   B version   B result      B 1: of other terms before  B holders    I6 epoch     I6 time
--              I4 by so much the server's clock is behind that time, or was held back
--              each bucket: I6 granted  I7 level in units  I7 tokens out
--     record   B version   I4 terms      B buckets     B holders     I6 time
--              each bucket: I7 level in units  I5 units a token
--              each holder: c8 session  I6 dead at  I4 seq
--                           each bucket: I6 granted  I6 disposed  I7 net
--     epoch    decimal digits: since when this server remembers what is in the shard; 0: since ever
--
-- Numbers are doubles, which are exact up to 2^53: burst times units a token is at most 2^52, a level at least -2^51, totals of a
-- session at most 2^47. What is larger on the way is compared and clamped, never stored. tests/support/store_model.c is
-- the same in exact integers, and tests/prop/prop_script.c holds the two against each other.

-- Results, as in order.h.
local DONE, AGAIN, EPOCH, SESSION, OLD, REPEATED, FULL, UNSOUND, VERSION = 0, 1, 2, 3, 4, 5, 6, 7, 8
local HOLDERS_MAX = 100

local read, write, sub, byte, floor, ceil = struct.unpack, struct.pack, string.sub, string.byte, math.floor, math.ceil

local function clock_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + floor(time[2] / 1000)
end

local clock = clock_ms()
local values = redis.call('MGET', unpack(KEYS))
local epochs = {} -- by their text; those that begin in this call by their name

-- Of the order at hand, by bucket: what it says, and what the record says. They are made once, for the sake of speed.
local burst, token, step, room, granted, disposed, net, want = {}, {}, {}, {}, {}, {}, {}, {}
local level, unit, out, out_before, own_granted, own_disposed, own_net = {}, {}, {}, {}, {}, {}, {}

-- The most that a level may be while so many tokens are out.
local function most(b, tokens)
    local units = (burst[b] - tokens) * token[b]
    return units < -2^51 and -2^51 or units
end

-- An answer that tells of no record.
local function tell(result, n, epoch, now)
    return write('<BBBBI6I6I4', 1, result, 0, 0, epoch, now, math.min(clock - now, 2^32 - 1)) ..
        string.rep(write('<I6I7I7', 0, 2^52, 0), n)
end

-- An epoch's number; nil: the text is none.
local function read_epoch(text)
    local epoch = text and #text < 16 and string.find(text, '^%d+$') and tonumber(text)
    if epoch and epoch < 2^47 then
        epochs[text] = epoch
        return epoch
    end
end

-- Reads an order. nil: it is of another version, or none.
local function read_order(order)
    if #order < 40 or byte(order) ~= 1 then
        return nil
    end
    local _, flags, n, terms, ttl, grace, session, seq, known, not_after, at = read('<BBBI4I4I4c8I4I6I7', order)
    if n < 1 or n > 4 or #order ~= 40 + 51 * n then
        return nil
    end
    local has_grants = false
    for b = 1, n do
        local B, T, S, r, g, d, x, w
        B, T, S, r, g, d, x, w, at = read('<I7I5I7I7I6I6I7I6', order, at)
        if T == 0 or S == 0 or B * T > 2^52 or g + w > 2^47 or x > 2^53 then
            return nil
        end
        burst[b], token[b], step[b], room[b], granted[b], disposed[b], net[b], want[b] = B, T, S, r, g, d, x, w
        has_grants = has_grants or g > 0
    end
    return n, flags, terms, ttl + grace, session, seq, known, not_after, has_grants
end

-- Reads a record, and leaves the dead out. nil: it is damaged.
local function read_record(value, now, session)
    if #value < 13 then
        return nil
    end
    local _, terms, m, h, time, at = read('<BI4BBI6', value)
    if m < 1 or m > 4 or h > HOLDERS_MAX or time >= 2^47 or #value ~= 13 + 12 * m + h * (18 + 19 * m) then
        return nil
    end
    for b = 1, m do
        local units, size
        units, size, at = read('<I7I5', value, at)
        if units < 2^51 or units > 2^53 or size == 0 then
            return nil
        end
        level[b], unit[b], out[b], out_before[b] = units - 2^52, size, 0, 0
    end
    if time > now then
        now = time
    end
    -- Others than the session, who live: how many, their bytes, of which those from `run` on are still to be added, and
    -- when the last of them dies; and when the last one died.
    local count, others, run, dies, died, has_own, own_seq = 0, '', at, 0, 0, false, nil
    for _ = 1, h do
        local start, is_own, lives, whose, dead, seq = at
        whose, dead, seq, at = read('<c8I6I4', value, at)
        is_own, lives = whose == session, dead >= now
        for b = 1, m do
            local g, d, x
            g, d, x, at = read('<I6I6I7', value, at)
            if d > g or g > 2^47 or x > 2^53 then
                return nil
            end
            out_before[b] = out_before[b] + g - d
            if lives then
                out[b] = out[b] + g - d
                if is_own then
                    own_granted[b], own_disposed[b], own_net[b] = g, d, x
                end
            end
        end
        if is_own and has_own then
            return nil
        end
        has_own = has_own or is_own
        if lives and not is_own then
            count, dies = count + 1, dead > dies and dead or dies
        else
            others, run = others .. sub(value, run, start - 1), at
            if is_own and lives then
                own_seq = seq
            elseif dead > died then
                died = dead
            end
        end
    end
    return time, m, terms, count, others .. sub(value, run), dies, died, own_seq
end

-- A level in other units: whole tokens, and of a part of one what is told exactly.
local function convert_level(units, old, new)
    local whole = floor(units / old)
    local part, converted = (units - whole * old) * new, whole * new
    if converted > 2^52 then
        return 2^52
    elseif converted < -2^51 then
        return -2^51
    end
    return converted + (part < 2^53 and floor(part / old) or 0)
end

-- Has a record of m buckets be of these n. Returns whether it was of others, and the holders' bytes.
local function convert(n, m, others)
    local is_converted = m ~= n
    for b = 1, n do
        if b > m then
            level[b], out[b], out_before[b], own_granted[b], own_disposed[b], own_net[b] = 0, 0, 0, 0, 0, 2^52
        elseif unit[b] ~= token[b] then
            level[b], is_converted = convert_level(level[b], unit[b], token[b]), true
        end
    end
    if m ~= n then
        local size, kept = 18 + 19 * m, 18 + 19 * math.min(m, n)
        local added, pieces = string.rep(write('<I6I6I7', 0, 0, 2^52), n - m), {}
        for at = 1, #others, size do
            pieces[#pieces + 1] = sub(others, at, at + kept - 1) .. added
        end
        others = table.concat(pieces)
    end
    return is_converted, others
end

-- A record that was empty at some time, and has had no holders since.
local function begin_empty(n, empty, now)
    for b = 1, n do
        local full = burst[b] * token[b]
        local units = now > empty and (now - empty) * step[b] or 0
        level[b], out[b], out_before[b] = units < full and units or full, 0, 0
    end
    return now > empty and now or empty
end

local function begin_full(n, now)
    for b = 1, n do
        level[b], out[b], out_before[b] = burst[b] * token[b], 0, 0
    end
    return now
end

local function pass_time(n, time, died, now)
    local since = died > time and died or time
    for b = 1, n do
        local units = level[b]
        if died > 0 then
            units = math.min(units + (since - time) * step[b], most(b, out_before[b]))
        end
        units = units + (now - since) * step[b]
        local full = most(b, out[b])
        level[b] = units < full and units or full
    end
end

-- Takes what the order tells of a bucket.
local function take_totals(b, reset)
    local T, units = token[b], level[b]
    local more = granted[b] - own_granted[b]
    if more > 0 then -- the server was rolled back
        units = math.max(units - more * T, -2^51)
        out[b], own_granted[b] = out[b] + more, granted[b]
    end
    local done = disposed[b] < own_granted[b] and disposed[b] or own_granted[b]
    if done > own_disposed[b] then
        out[b], own_disposed[b] = out[b] - (done - own_disposed[b]), done
    end
    if net[b] ~= own_net[b] then
        units = math.max(math.min(units + (net[b] - own_net[b]) * T, most(b, out[b])), -2^51)
        own_net[b] = net[b]
    end
    level[b] = reset and most(b, out[b]) or units
end

local function grant(b, tokens)
    own_granted[b], out[b], level[b] = own_granted[b] + tokens, out[b] + tokens, level[b] - tokens * token[b]
end

-- All that is wanted of every bucket, or nothing.
local function grant_exactly(n)
    for b = 1, n do
        if level[b] < want[b] * token[b] then
            return
        end
    end
    for b = 1, n do
        grant(b, want[b])
    end
end

-- What is wanted, but no more than a share for one of so many holders, than is there, and than may be out.
local function grant_share(b, holders)
    local tokens, share, there, free = want[b], floor(burst[b] / (2 * holders)), floor(level[b] / token[b]), room[b] - out[b]
    if share < 1 then
        share = 1
    end
    if tokens > share then
        tokens = share
    end
    if tokens > there then
        tokens = there
    end
    if tokens > free then
        tokens = free
    end
    if tokens > 0 then
        grant(b, tokens)
    end
end

local function store(name, n, terms, now, count, holders, dies)
    local data, wait, ends = write('<BI4BBI6', 1, terms, n, count, now), dies > now and dies - now or 0, 1
    for b = 1, n do
        data = data .. write('<I7I5', level[b] + 2^52, token[b])
        local units, full = level[b], burst[b] * token[b]
        if wait > 0 then
            units = math.min(units + wait * step[b], most(b, out[b]))
        end
        local full_after = wait + ceil((full - units) / step[b])
        ends = full_after > ends and full_after or ends
    end
    redis.call('SET', name, data .. holders, 'PXAT', (now > clock and now or clock) + ends)
end

local function do_order(name, epoch_name, value, epoch_text, order)
    local n, flags, terms, lease, session, seq, known, not_after, has_grants = read_order(order)
    if not n then
        return tell(VERSION, 0, 0, clock)
    end
    local exact, release, reset, loss_full, probe
    if flags > 0 then
        exact, release, reset = flags % 2 >= 1, flags % 4 >= 2, flags % 8 >= 4
        loss_full, probe = flags % 16 >= 8, flags % 32 >= 16
    end
    local now = not_after > 0 and not_after < clock and not_after or clock

    -- Without an epoch, that is all that is written; with another one, the session's tokens are void.
    local epoch = epochs[epoch_text] or epochs[epoch_name] or read_epoch(epoch_text)
    if not epoch then
        epoch = loss_full and 0 or clock
        epochs[epoch_name] = epoch
        redis.call('SET', epoch_name, string.format('%.0f', epoch))
        return tell(AGAIN, n, epoch, now)
    end
    if known > 0 and known ~= epoch then
        return tell(EPOCH, n, epoch, now)
    end

    -- The record as it is now, with the session not among the others.
    local result, is_fresh, is_converted, behind = DONE, false, false, clock - now
    local time, m, old_terms, others, holders, dies, died, own_seq
    if value then
        if byte(value) ~= 1 and value ~= '' then
            return tell(VERSION, n, epoch, now)
        end
        time, m, old_terms, others, holders, dies, died, own_seq = read_record(value, now, session)
    end
    if time then
        is_converted, holders = convert(n, m, holders)
        is_converted = is_converted or terms ~= old_terms
    else
        others, holders, dies, died = 0, '', 0, 0
        if value then
            result, is_fresh, time = UNSOUND, true, begin_empty(n, now + lease, now)
        elseif loss_full or epoch == 0 and not has_grants then
            time = begin_full(n, now)
        elseif has_grants then -- it was evicted
            is_fresh, time = true, begin_empty(n, now + lease, now)
        else
            time = begin_empty(n, epoch + lease, now)
        end
    end
    if time - clock > behind then
        behind = time - clock
    end
    if time > now then
        now = time
    end
    pass_time(n, time, died, now)

    -- The session.
    local count = others + (own_seq and 1 or 0)
    local writes = is_fresh
    if result == UNSOUND then
        -- nobody is known
    elseif own_seq and seq <= own_seq then
        result = OLD
    elseif not own_seq and has_grants then
        result = SESSION
    elseif not own_seq and others == HOLDERS_MAX then
        result = FULL
    else
        for b = 1, n do
            if not own_seq then
                own_granted[b], own_disposed[b], own_net[b] = 0, 0, 2^52
            elseif granted[b] < own_granted[b] then
                result = REPEATED
            end
        end
        for b = 1, n do
            take_totals(b, reset)
        end
        if result == DONE and not release then
            if exact then
                grant_exactly(n)
            else
                for b = 1, n do
                    grant_share(b, others + 1)
                end
            end
        end

        -- It is remembered for as long as it may have something out, unless there is nothing to remember. One that ends without
        -- having had anything, but has told of a refund or a charge, is too: nothing else tells a late copy of its order.
        local stays, has_had = false, false
        for b = 1, n do
            has_had = has_had or own_granted[b] > 0
            stays = stays or own_granted[b] > 0 or own_net[b] ~= 2^52
        end
        stays = stays and not (release and result == DONE and has_had)
        count = others + (stays and 1 or 0)
        writes = is_fresh or own_seq or stays or reset or probe
        if stays then
            holders = holders .. write('<c8I6I4', session, now + lease, seq)
            dies = now + lease > dies and now + lease or dies
        end
        for b = 1, n do
            if stays then
                holders = holders .. write('<I6I6I7', own_granted[b], own_disposed[b], own_net[b])
            else
                out[b] = out[b] - (own_granted[b] - own_disposed[b])
            end
        end
        own_seq = seq
    end

    local answer = write('<BBBBI6I6I4', 1, result, is_converted and 1 or 0, count, epoch, now, math.min(behind, 2^32 - 1))
    for b = 1, n do
        answer = answer .. write('<I6I7I7', own_seq and own_granted[b] or 0, level[b] + 2^52, out[b])
    end
    if writes then
        store(name, n, terms, now, count, holders, dies)
    end
    return answer
end

local answers = {}
for i = 1, #KEYS / 2 do
    answers[i] = do_order(KEYS[2 * i - 1], KEYS[2 * i], values[2 * i - 1], values[2 * i], ARGV[i])
end
return answers
