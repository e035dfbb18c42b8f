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
--     order    its terms, which many orders of a call have in common:
--              B version   B buckets     I4 tag        I4 ttl        I4 grace
--              each bucket: I7 burst  I5 units a token  I7 units a ms  I7 tokens that may be out
--              and what it says:
--              B flags     c8 session    I6 seq        I6 epoch known, 0: none
--              I7 the latest time that the sidecar's clock allows, 0: any
--              each bucket: I6 granted  I6 disposed  I7 net  I6 want
--              and if the session is to be kept for longer than others: I4 for so many milliseconds at least
--              and if it takes another session over: that, and c8 the other one
--     answer   B version   B result      B flags       B holders    I6 epoch     I6 time
--              I4 by so much the server's clock is behind that time, or ahead of it
--              flags: 1: of other terms before; 2: the server was rolled back, and knew of fewer grants
--              each bucket: I6 granted  I7 level in units  I7 tokens out
--     record   its head, which follows from the terms:
--              B version   B buckets     I4 tag        each bucket: I5 units a token
--              and how it is:
--              B holders   I6 time       I7 when the server ends it     each bucket: I7 level in units
--              each holder: c8 session  I6 dead at  I6 seq
--                           each bucket: I6 granted  I6 disposed  I7 net
--     epoch    decimal digits: since when this server remembers what is in the shard; 0: since ever
--
-- Numbers are doubles, which are exact up to 2^53: burst times units a token is at most 2^52, a level at least -2^51, totals of a
-- session at most 2^47. What is larger on the way is compared and clamped, never stored. tests/support/store_model.c is
-- the same in exact integers, and tests/prop/prop_script.c holds the two against each other.
--
-- A session is remembered from its first grant on, or from its first order if that joins, until it ends or dies. Only what
-- is remembered has totals or resets anything, so no copy of an order, however late, does that twice: once the session is
-- forgotten, copies with news find none; and if a copy of its first order begins it anew, its seq begins at the time, later than
-- all that it had before. One that ends sooner is remembered until it dies. A seq below 2^32 says that the session does not know
-- yet that it is remembered. A late copy of an order that claims makes a session anew, and what that claims is out until it dies.
--
-- A session that takes another one over has its totals from then on, and the other one is not known any more: so of two that
-- take over the same one, the first has it. It goes on from the seq of the last order of that one that it knows of. If there was
-- a later one, it goes by totals of before, and the other one is left to die.

local call, read, write, sub, byte, digits = redis.call, struct.unpack, struct.pack, string.sub, string.byte, string.format
local floor, ceil = math.floor, math.ceil

local time = redis.call('TIME')
local clock = time[1] * 1000 + floor(time[2] / 1000)
local values = call('MGET', unpack(KEYS))
local epochs = {} -- by their text; those that begin in this call by their name

-- ---- what all orders need ----

-- An epoch's number; nil: the text is none.
local function read_epoch(text)
    local epoch = text and #text < 16 and string.find(text, '^%d+$') and tonumber(text)
    if epoch and epoch < 2^47 then
        epochs[text] = epoch
        return epoch
    end
end

local terms_of = {} -- by their bytes

-- The terms of an order. nil: they are of another version, or none.
local function read_terms(bytes)
    local version, n, tag, ttl, grace, at = read('<BBI4I4I4', bytes)
    if version ~= 1 or n < 1 or n > 4 or #bytes ~= 14 + 26 * n then
        return nil
    end
    local terms = { n = n, lease = ttl + grace, head = write('<BBI4', 1, n, tag), burst = {}, token = {}, step = {}, room = {} }
    for b = 1, n do
        local B, T, S, R
        B, T, S, R, at = read('<I7I5I7I7', bytes, at)
        if T == 0 or S == 0 or B * T > 2^52 then
            return nil
        end
        terms.burst[b], terms.token[b], terms.step[b], terms.room[b] = B, T, S, R
        terms.head = terms.head .. write('<I5', T)
    end
    terms_of[bytes] = terms
    return terms
end

-- ---- any order ----

-- Returns the function that does it. Most calls need none, and are spared all that is made here.
local function any()
    -- Results, as in order.h.
    local DONE, AGAIN, EPOCH, SESSION, OLD, REPEATED, FULL, UNSOUND, VERSION = 0, 1, 2, 3, 4, 5, 6, 7, 8
    local HOLDERS_MAX = 100
    -- Of the order at hand, by bucket: what it says, and what the record says. They are made once a call.
    local burst, token, step, room, was_rolled_back
    local granted, disposed, net, want = {}, {}, {}, {}
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

    -- Reads an order: its terms, flags, session, seq, epoch known, bound of the time, how long it is to be kept, whether it
    -- has news, which only a record does that knows the session, and which one it takes over. nil: it is none.
    local function read_order(order)
        local n = byte(order, 2)
        local size = n and 42 + 51 * n
        local more = n and #order - size
        if not n or more ~= 0 and more ~= 4 and more ~= 12 then
            return nil
        end
        local bytes = sub(order, 1, 14 + 26 * n)
        local terms = terms_of[bytes] or read_terms(bytes)
        if not terms then
            return nil
        end
        burst, token, step, room = terms.burst, terms.token, terms.step, terms.room
        local flags, session, seq, known, not_after, at = read('<Bc8I6I6I7', order, 15 + 26 * n)
        local has_news, keep, former = seq >= 2^32 or flags % 8 >= 4, 0, nil
        if (more == 12) ~= (flags >= 128) then
            return nil
        end
        for b = 1, n do
            local g, d, x, w
            g, d, x, w, at = read('<I6I6I7I6', order, at)
            if g + w > 2^47 or x > 2^53 then
                return nil
            end
            granted[b], disposed[b], net[b], want[b] = g, d, x, w
            has_news = has_news or g > 0 or x ~= 2^52
        end
        if more >= 4 then
            keep, at = read('<I4', order, at)
        end
        if more == 12 then
            former = read('<c8', order, at)
        end
        return terms, flags, session, seq, known, not_after, keep, has_news, former
    end

    -- Reads a record, and leaves the dead out: its time, its buckets, when it ends; others than the session: how many, their
    -- bytes, when the last of them dies; when the last one died; and the session's seq. nil: it is damaged.
    local function read_record(value, now, session)
        local m = byte(value, 2)
        if not m or m < 1 or m > 4 or #value < 20 + 12 * m then
            return nil
        end
        local at, h, time, ends = 7
        for b = 1, m do
            unit[b], at = read('<I5', value, at)
            if unit[b] == 0 then
                return nil
            end
        end
        h, time, ends, at = read('<BI6I7', value, at)
        if h > HOLDERS_MAX or time >= 2^47 or #value ~= 20 + 12 * m + h * (20 + 19 * m) then
            return nil
        end
        for b = 1, m do
            local units
            units, at = read('<I7', value, at)
            if units < 2^51 or units > 2^53 then
                return nil
            end
            level[b], out[b], out_before[b] = units - 2^52, 0, 0
        end
        if time > now then
            now = time
        end
        -- The bytes of others from `run` on are still to be added.
        local count, others, run, dies, died, has_own, own_seq = 0, '', at, 0, 0, false, nil
        for _ = 1, h do
            local start, whose, dead, seq = at
            whose, dead, seq, at = read('<c8I6I6', value, at)
            local is_own, lives = whose == session, dead >= now
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
                if lives then
                    own_seq = seq
                elseif dead > died then
                    died = dead
                end
            end
        end
        return time, m, ends, count, others .. sub(value, run), dies, died, own_seq
    end

    -- ---- what becomes of a record by itself ----

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

    -- Has a record of m buckets be of these n. Returns the holders' bytes.
    local function convert(n, m, others)
        for b = 1, n do
            if b > m then
                level[b], out[b], out_before[b], own_granted[b], own_disposed[b], own_net[b] = 0, 0, 0, 0, 0, 2^52
            elseif unit[b] ~= token[b] then
                level[b] = convert_level(level[b], unit[b], token[b])
            end
        end
        if m == n then
            return others
        end
        local size, kept = 20 + 19 * m, 20 + 19 * math.min(m, n)
        local added, pieces = string.rep(write('<I6I6I7', 0, 0, 2^52), n - m), {}
        for at = 1, #others, size do
            pieces[#pieces + 1] = sub(others, at, at + kept - 1) .. added
        end
        return table.concat(pieces)
    end

    -- A record that was empty at some time, and has had no holders since. Returns its time.
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

    -- Refills up to now. Until the last one died, what the dead had out counted too.
    local function pass_time(n, time, died, now)
        local since = died > time and died or time
        for b = 1, n do
            local units = level[b]
            if died > 0 then
                units = math.min(units + (since - time) * step[b], most(b, out_before[b]))
            end
            level[b] = math.min(units + (now - since) * step[b], most(b, out[b]))
        end
    end

    -- ---- what an order does ----

    -- Takes what it tells of a bucket.
    local function take_totals(b, resets)
        local units = level[b]
        local more = granted[b] - own_granted[b]
        if more > 0 then -- the server was rolled back
            units = math.max(units - more * token[b], -2^51)
            out[b], own_granted[b] = out[b] + more, granted[b]
            was_rolled_back = true
        end
        local done = math.min(disposed[b], own_granted[b])
        if done > own_disposed[b] then
            out[b], own_disposed[b] = out[b] - (done - own_disposed[b]), done
        end
        if net[b] ~= own_net[b] then
            units = math.max(math.min(units + (net[b] - own_net[b]) * token[b], most(b, out[b])), -2^51)
            own_net[b] = net[b]
        end
        level[b] = resets and most(b, out[b]) or units
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
    local function grant_shares(n, holders)
        for b = 1, n do
            local share = math.max(floor(burst[b] / (2 * holders)), 1)
            local tokens = math.min(want[b], share, floor(level[b] / token[b]), room[b] - out[b])
            if tokens > 0 then
                grant(b, tokens)
            end
        end
    end

    -- Writes a record, which ends when it would say no more than that it is full. A server takes long to change an end, so it
    -- is set a lease later than need be, and kept until it is too early, or much too late; but not if nobody has anything.
    local function store(name, terms, now, ends, count, holders, dies)
        local data, wait, need = '', dies > now and dies - now or 0, 1
        for b = 1, terms.n do
            data = data .. write('<I7', level[b] + 2^52)
            local units = level[b]
            if wait > 0 then
                units = math.min(units + wait * step[b], most(b, out[b]))
            end
            need = math.max(need, wait + ceil((burst[b] * token[b] - units) / step[b]))
        end
        need = math.max(now, clock) + need
        if count > 0 and ends >= need and ends <= need + 2 * terms.lease then
            call('SET', name, terms.head .. write('<BI6I7', count, now, ends) .. data .. holders, 'KEEPTTL')
        else
            ends = count > 0 and need + terms.lease or need
            call('SET', name, terms.head .. write('<BI6I7', count, now, ends) .. data .. holders, 'PXAT', digits('%d', ends))
        end
    end

    return function(name, epoch_name, value, epoch_text, order)
        local terms, flags, session, seq, known, not_after, keep, has_news, former = read_order(order)
        if not terms then
            return tell(VERSION, 0, 0, clock)
        end
        local n, lease = terms.n, terms.lease
        local exact, releases, resets = flags % 2 >= 1, flags % 4 >= 2, flags % 8 >= 4
        local on_loss_full, probes, joins = flags % 16 >= 8, flags % 32 >= 16, flags % 64 >= 32
        local claims, has_taken = flags % 128 >= 64, false
        local now = not_after > 0 and math.min(not_after, clock) or clock

        -- Without an epoch, that is all that is written; with another one, the session's tokens are void.
        local epoch = epochs[epoch_text] or epochs[epoch_name] or read_epoch(epoch_text)
        if not epoch then
            epoch = on_loss_full and 0 or clock
            epochs[epoch_name] = epoch
            call('SET', epoch_name, digits('%d', epoch))
            return tell(AGAIN, n, epoch, now)
        end
        if known > 0 and known ~= epoch then
            return tell(EPOCH, n, epoch, now)
        end

        -- The record as it is now, with the session not among the others.
        local result, is_fresh, is_converted = DONE, false, false
        was_rolled_back = false
        local time, m, ends, others, holders, dies, died, own_seq
        if value then
            if byte(value) ~= 1 and value ~= '' then
                return tell(VERSION, n, epoch, now)
            end
            time, m, ends, others, holders, dies, died, own_seq = read_record(value, now, session)
            if former and time and not own_seq then
                time, m, ends, others, holders, dies, died, own_seq = read_record(value, now, former)
                has_taken = own_seq
            end
        end
        if time then
            is_converted = sub(value, 1, #terms.head) ~= terms.head
            if is_converted then
                holders = convert(n, m, holders)
            end
        else
            ends, others, holders, dies, died = 0, 0, '', 0, 0
            if not value then
                now = clock -- by which it has ended: held back, a clock that stepped ahead would refill it once more
            end
            if value then
                result, is_fresh, time = UNSOUND, true, begin_empty(n, now + lease, now)
            elseif has_news and not on_loss_full then -- it was evicted
                is_fresh, time = true, begin_empty(n, now + lease, now)
            elseif on_loss_full or epoch == 0 then
                time = begin_full(n, now)
            else
                time = begin_empty(n, epoch + lease, now)
            end
        end
        now = math.max(now, time)
        local behind = math.abs(clock - now)
        pass_time(n, time, died, now)

        -- The session.
        local count, writes = others + (own_seq and 1 or 0), is_fresh
        if result == UNSOUND then
            result = UNSOUND -- and nobody is known
        elseif own_seq and seq <= own_seq then
            result = has_taken and SESSION or OLD
        elseif not own_seq and has_news and not claims then
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
                take_totals(b, resets)
            end
            if result == DONE and not releases then
                if exact then
                    grant_exactly(n)
                else
                    grant_shares(n, others + 1)
                end
            end

            local stays = own_seq or joins
            for b = 1, n do
                stays = stays or own_granted[b] > 0
            end
            stays = stays and not (releases and result == DONE and seq <= now)
            writes = is_fresh or own_seq or stays or probes
            count, own_seq = others + (stays and 1 or 0), own_seq and seq or math.max(seq, now)
            if stays then
                local dead = now + math.max(lease, keep)
                dies = math.max(dies, dead)
                holders = holders .. write('<c8I6I6', session, dead, own_seq)
            end
            for b = 1, n do
                if stays then
                    holders = holders .. write('<I6I6I7', own_granted[b], own_disposed[b], own_net[b])
                else
                    out[b] = out[b] - (own_granted[b] - own_disposed[b])
                end
            end
        end

        local flags_told = (is_converted and 1 or 0) + (was_rolled_back and 2 or 0)
        local answer = write('<BBBBI6I6I4', 1, result, flags_told, count, epoch, now, math.min(behind, 2^32 - 1))
        for b = 1, n do
            answer = answer .. write('<I6I7I7', own_seq and own_granted[b] or 0, level[b] + 2^52, out[b])
        end
        if writes then
            store(name, terms, now, ends, count, holders, dies)
        end
        return answer
    end
end

-- ---- the call ----

local keys, orders, answers, do_any = KEYS, ARGV, {}, nil
-- The terms of the last usual order.
local usual_bytes, usual_head, B, T, S, R, lease

for i = 1, #keys / 2 do
    local at = 2 * i
    local value, epoch_text, order = values[at - 1], values[at], orders[i]
    local name, epoch, answer = keys[at - 1], epochs[epoch_text] or read_epoch(epoch_text), nil

    -- What any() does, twice as fast, for what nearly all orders are: of one bucket and no flags, while terms and epoch are
    -- as before, of a session that the record knows, and nobody is dead. break: this one is not, and nothing is done. It is no
    -- function, because that would be made in each call.
    repeat
        local size = #order
        if not epoch or not value or size ~= 93 and size ~= 97 or #value < 71 then
            break
        end
        local bytes, flags, session, seq, known, not_after, g, d, x, w = read('<c40Bc8I6I6I7I6I6I7I6', order)
        if bytes ~= usual_bytes then
            local terms = terms_of[bytes] or read_terms(bytes)
            if not terms then
                break
            end
            usual_bytes, usual_head, lease = bytes, terms.head, terms.lease
            B, T, S, R = terms.burst[1], terms.token[1], terms.step[1], terms.room[1]
        end
        local now = clock
        if not_after > 0 and not_after < clock then
            now = not_after
        end
        local head, count, time, ends, L, whose, dead, own_seq, own_g, own_d, own_x =
            read(#value == 71 and '<c11BI6I7I7c8I6I6I6I6I7' or '<c11BI6I7I7', value)
        if flags > 0 or known > 0 and known ~= epoch or g + w > 2^47 or x > 2^53 or head ~= usual_head or
            count > 100 or #value ~= 32 + 39 * count or time > now or time >= 2^47 or L < 2^51 or L > 2^53 then
            break
        end

        local out, dies, own_at = 0, 0, nil
        if count == 1 then
            if whose ~= session or dead < now or own_d > own_g or own_x > 2^53 then
                break
            end
            out = own_g - own_d
        else
            for at = 33, #value, 39 do
                local whose, dead, seq, g, d, x = read('<c8I6I6I6I6I7', value, at)
                if dead < now or d > g or g > 2^47 or x > 2^53 or whose == session and own_at then
                    own_seq = nil
                    break
                end
                out = out + g - d
                if whose == session then
                    own_at, own_seq, own_g, own_d, own_x = at, seq, g, d, x
                elseif dead > dies then
                    dies = dead
                end
            end
            if not own_seq then
                break
            end
        end
        if seq <= own_seq or g ~= own_g or g == 0 then
            break
        end

        local most = (B - out) * T
        if most < -2^51 then
            most = -2^51
        end
        L = L - 2^52 + (now - time) * S
        if L > most then
            L = most
        end
        if d > g then
            d = g
        end
        if d > own_d then
            out = out - (d - own_d)
        else
            d = own_d
        end
        if x ~= own_x then
            L = math.max(math.min(L + (x - own_x) * T, (B - out) * T), -2^51)
        end

        -- no more than a share, which is one at least, than is there, and than may be out
        if w > 1 and w * 2 * count > B then
            w = B > 2 * count and floor(B / (2 * count)) or 1
        end
        if w * T > L then
            w = floor(L / T)
        end
        if w > R - out then
            w = R - out
        end
        if w > 0 then
            g, out, L = g + w, out + w, L - w * T
        end

        dead = now + lease
        if size == 97 then
            dead = math.max(dead, now + read('<I4', order, 94))
        end
        if dead > dies then
            dies = dead
        end
        local full = L + (dies - now) * S
        most = (B - out) * T
        if most < -2^51 then
            most = -2^51
        end
        if full > most then
            full = most
        end
        local need = dies - now + ceil((B * T - full) / S)
        need = clock + (need > 1 and need or 1)
        local keeps = ends >= need and ends <= need + 2 * lease
        if not keeps then
            ends = need + lease
        end
        local data
        if count == 1 then
            data = write('<c11BI6I7I7c8I6I6I6I6I7', head, 1, now, ends, L + 2^52, session, dead, seq, g, d, x)
        else
            data = write('<c11BI6I7I7', head, count, now, ends, L + 2^52) .. sub(value, 33, own_at - 1) ..
                sub(value, own_at + 39) .. write('<c8I6I6I6I6I7', session, dead, seq, g, d, x)
        end
        if keeps then
            call('SET', name, data, 'KEEPTTL')
        else
            call('SET', name, data, 'PXAT', digits('%d', ends))
        end
        local behind = clock - now
        if behind >= 2^32 then
            behind = 2^32 - 1
        end
        -- the first four bytes are one number: version, result, no flags, holders
        answer = write('<I4I6I6I4I6I7I7', 1 + count * 2^24, epoch, now, behind, g, L + 2^52, out)
    until true

    if not answer then
        do_any = do_any or any()
        answer = do_any(name, keys[at], value, epoch_text, order)
    end
    answers[i] = answer
end
return answers
