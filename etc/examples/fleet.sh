#!/bin/sh
# Two sidecars, A and B, that share a limit by a Redis, all on loopback and in one terminal:
#
#     ./fleet.sh
#
# Each second it asks each of them 20 times for the same key, whose limit is 20 at once and 10 a second for both
# together, and says how many they have let go. Stop one from another terminal, and see what the others do: it
# prints the commands. Ctrl-C ends all.
#
# Needs allowd, redis-server, redis-cli and curl. What it writes is in a folder of its own, which goes with it.
set -u

allowd=${ALLOWD:-allowd}
here=$(cd -- "$(dirname -- "$0")" && pwd)
a=127.0.0.1:10441 b=127.0.0.1:10442 # as fleet-a.yaml and fleet-b.yaml have them
store=10443
folder=$(mktemp -d) || exit 2
a_pid='' b_pid='' store_pid='' asking=''

end() {
    trap '' INT TERM
    for pid in $asking $a_pid $b_pid $store_pid; do
        kill -CONT "$pid" 2>/dev/null
        kill "$pid" 2>/dev/null
    done
    wait
    rm -rf -- "$folder"
    exit "$1"
}
trap 'end 0' INT TERM HUP PIPE

fail() {
    echo "fleet.sh: $1" >&2
    cat "$folder"/*.log >&2
    end 1
}

# Tries a command for ten seconds.
until_done() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || return 1
        sleep 0.1
    done
}

redis-server --port $store --bind 127.0.0.1 --save '' --appendonly yes --dir "$folder" >"$folder/store.log" 2>&1 &
store_pid=$!
until_done redis-cli -p $store ping || fail "redis-server does not start"

# The store is new to this fleet, so its buckets are full. It does nothing to a fleet that is in use.
"$allowd" --begin-fleet -c "$here/fleet-a.yaml" || fail "the store does not take the fleet"

"$allowd" -c "$here/fleet-a.yaml" 2>"$folder/a.log" &
a_pid=$!
"$allowd" -c "$here/fleet-b.yaml" 2>"$folder/b.log" &
b_pid=$!
until_done curl -q -sf "http://$a/readyz" || fail "A does not start"
until_done curl -q -sf "http://$b/readyz" || fail "B does not start"

cat <<TEXT
stop A         kill $a_pid
freeze A       kill -STOP $a_pid     and on: kill -CONT $a_pid
freeze Redis   kill -STOP $store_pid     and on: kill -CONT $store_pid
A and B        curl 'http://$a/allow?key=you'    curl 'http://$b/allow?key=you'

TEXT

# How many of 20 are allowed; "-": nobody answers. What follows the # is not sent.
ask() {
    curl -q -s -m 5 -o /dev/null -w '%{http_code}\n' "http://$1/allow?key=demo#[1-20]" |
        awk '{ n += $1 == 200; m += $1 == 429 } END { print n + m == 0 ? "-" : n }'
}

tell_store() {
    case $(curl -q -s -m 1 "http://$a/readyz" || curl -q -s -m 1 "http://$b/readyz") in
        *'out of reach'*) echo 'out of reach' ;;
        *ready*) echo up ;;
        *) echo - ;;
    esac
}

printf '%6s %6s   %s\n' A B store
while :; do
    ask $a >"$folder/a" &
    asking=$!
    ask $b >"$folder/b"
    wait $asking
    printf '%6s %6s   %s\n' "$(cat "$folder/a")" "$(cat "$folder/b")" "$(tell_store)"
    sleep 1 &
    asking=$!
    wait $asking
    asking=''
done
