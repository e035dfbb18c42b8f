#!/bin/sh
# Holds the script against its model on real stores (tests/prop/prop_script.c); then plants faults in copies of the script, one
# after the other, each of which must be found, or the comparison is worth nothing.
#
# A fault is what sed makes of the script. If sed changes nothing, the script has changed: plant the same fault anew.
# ALLOWD_SHARE=3/8 tries the third of eight shares of the faults, and sees of all that they can be planted.
set -eu
script="$TOP_SRCDIR/src/fleet/script.lua"
program="$BUILDDIR/tests/prop/prop_script"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# a run that finds a fault leaves its server's directory behind
export TMPDIR="$work"
failed=0
number=0
in_share=" $("$TOP_SRCDIR/tests/share" of $(seq 99) | xargs) "

"$program"

planted() {
    number=$((number + 1))
    sed -E "$@" "$script" >"$work/faulty.lua"
    if cmp -s "$script" "$work/faulty.lua"; then
        echo "fault $number: the script has changed, and this fault cannot be planted: sed -E $*"
        failed=1
        return
    fi
    case $in_share in *" $number "*) ;; *) return ;; esac
    if ALLOWD_SCRIPT=$work/faulty.lua ALLOWD_STORES=redis-server ALLOWD_SEED=1 ALLOWD_CALLS=20000 \
        "$program" >"$work/out" 2>&1; then
        echo "fault $number: nothing finds it: sed -E $*"
        failed=1
    elif ! grep -q -E 'differs|cannot be read|granted|refused' "$work/out"; then
        echo "fault $number: something else went wrong:"
        tail -3 "$work/out"
        failed=1
    fi
}

# what is read
planted 's/if T == 0 or S == 0 or B \* T > 2\^52 then/if T == 0 or S == 0 then/'
planted 's/^( *)if g \+ w > 2\^47 or x > 2\^53 then/\1if x > 2^53 then/'
planted "s/'\^%d\+\\$'/'%d'/"
planted 's/if units < 2\^51 or units > 2\^53 then/if units > 2^53 then/'
planted 's/^( *)if is_own and has_own then/\1if false then/'
planted 's/if epoch and epoch < 2\^47 then/if epoch then/'
# epochs
planted 's/if known > 0 and known ~= epoch then/if known > 0 and known < epoch then/'
planted 's/epoch = on_loss_full and 0 or clock/epoch = clock/'
planted 's/epochs\[epoch_name\] = epoch$/epochs[epoch_name] = nil/'
# how a record begins
planted 's/begin_empty\(n, epoch \+ lease, now\)/begin_empty(n, epoch, now)/'
planted 's/UNSOUND, true, begin_empty\(n, now \+ lease, now\)/UNSOUND, true, begin_empty(n, now, now)/'
planted 's/elseif has_news and not on_loss_full then/elseif false then/'
# time
planted 's|^        now = math.max\(now, time\)$||'
planted 's/units \+ \(since - time\) \* step\[b\], most\(b, out_before\[b\]\)/units + (since - time) * step[b], most(b, out[b])/'
planted 's/local is_own, lives = whose == session, dead >= now/local is_own, lives = whose == session, dead > now/'
planted 's/return units < -2\^51 and -2\^51 or units/return units/'
# sessions and totals
planted 's/elseif own_seq and seq <= own_seq then/elseif own_seq and seq < own_seq then/'
planted 's/elseif not own_seq and others == HOLDERS_MAX then/elseif false then/'
planted 's/units = math.max\(units - more \* token\[b\], -2\^51\)/units = units/'
planted 's/math.min\(disposed\[b\], own_granted\[b\]\)/disposed[b]/'
planted 's/level\[b\] = resets and most\(b, out\[b\]\) or units/level[b] = units/'
planted 's/if result == DONE and not releases then/if not releases then/'
planted 's/^( *stays = stays and not \(releases) and result == DONE/\1/'
planted 's/ and seq <= now\)$/)/'
planted 's/local stays = own_seq or joins/local stays = joins/'
planted 's/has_news or g > 0 or x ~= 2\^52/has_news or g > 0/'
planted 's/ or flags % 8 >= 4, 0, nil$/, 0, nil/'
planted 's/local has_news, keep, former = seq >= 2\^32 or/local has_news, keep, former =/'
planted 's/own_seq and seq or math.max\(seq, now\)/seq/'
planted 's/elseif not own_seq and has_news and not claims then/elseif not own_seq and has_news then/'
planted 's/math.max\(lease, keep\)/lease/'
# who takes another one over
planted 's/if \(more == 12\) ~= \(flags >= 128\) then/if false then/'
planted 's/if former and time and not own_seq then/if former and time then/'
planted 's/read_record\(value, now, former\)/read_record(value, now, session)/'
planted 's/elseif own_seq and seq <= own_seq then/elseif own_seq and seq <= own_seq and not has_taken then/'
planted 's/result = has_taken and SESSION or OLD/result = OLD/'
# grants
planted 's/floor\(burst\[b\] \/ \(2 \* holders\)\), 1\)/floor(burst[b] \/ (2 * holders)), 0)/'
planted 's/floor\(level\[b\] \/ token\[b\]\), room\[b\] - out\[b\]/floor(level[b] \/ token[b])/'
planted 's/if level\[b\] < want\[b\] \* token\[b\] then/if level[b] <= want[b] * token[b] then/'
# other terms
planted 's/\(part < 2\^53 and floor\(part \/ old\) or 0\)/floor(part \/ old)/'
planted 's/local size, kept = 20 \+ 19 \* m, 20 \+ 19 \* math.min\(m, n\)/local size, kept = 20 + 19 * m, 20 + 19 * m/'
# ends
planted 's/ends <= need \+ 2 \* terms.lease then/true then/'
planted 's/wait \+ ceil\(\(burst\[b\] \* token\[b\] - units\) \/ step\[b\]\)/wait + floor((burst[b] * token[b] - units) \/ step[b])/'
planted 's/need = math.max\(now, clock\) \+ need/need = now + need/'
# the usual order
planted 's/known > 0 and known ~= epoch or/false or/'
planted 's/x > 2\^53 or head ~= usual_head or/x > 2^53 or/'
planted 's/time > now or time >= 2\^47/time >= 2^47/'
planted 's/if dead < now or d > g or/if d > g or/'
planted 's/if whose ~= session or dead < now or/if dead < now or/'
planted 's/if whose ~= session or dead < now or/if whose ~= session or/'
planted 's/g ~= own_g or g == 0 then/g == 0 then/'
planted 's/seq <= own_seq or g ~= own_g/g ~= own_g/'
planted 's/^        if L > most then$/        if false then/'
planted 's/w \* 2 \* count > B then/w * count > B then/'
planted 's/^        if w > R - out then$/        if false then/'
planted 's/^        if w \* T > L then$/        if false then/'
planted 's/ends <= need \+ 2 \* lease$/true/'
planted 's/^        if full > most then$/        if false then/'
planted 's/^        if size == 97 then$/        if false then/'
planted 's/dead = math.max\(dead, now \+ read/dead = math.max(0, now + read/'
planted 's/sub\(value, own_at \+ 39\)/sub(value, own_at + 40)/'

echo "$number faults planted"
exit $failed
