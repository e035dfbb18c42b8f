#!/bin/sh
# Does jobs, no more at a time than allowd has slots, however many runners there are:
#
#     job-runner.sh FOLDER COMMAND [ARGUMENT...]
#
# Each file in FOLDER/todo is a job: COMMAND ARGUMENT... FILE does it, called in FOLDER. The file then
# goes to done/, or after MAX_TRIES failures to failed/; what was written is in log/. The runner ends
# when no job is left.
#
# Start as many runners on one folder as you like. A job that runs is in running/, as LEASE.NAME. Its
# runner renews the lease; one that dies does not, so the lease ends by itself: its slot is free
# again, and another runner does the job. So a job may be begun twice: it has to bear that.
#
# Needs curl, and setsid and setpriv of util-linux. job_runner.py does the same, on the same folder.
set -u

url=${ALLOWD_URL:-http://127.0.0.1:10429}
key=${JOB_KEY:-jobs:all}
max_tries=${MAX_TRIES:-3}
wait_s=${WAIT_S:-10} # for a slot, before it looks around again; at most wait_max of allowd
ttl_s=${TTL_S:-30}   # of the lease, from each renewal on
# Two renewals may fail in a row, and the job is still over before its lease is:
# 2 * (renew_s + call_s) < ttl_s
renew_s=${RENEW_S:-10}
call_s=${CALL_S:-4}

[ $# -ge 2 ] || { echo "usage: $0 FOLDER COMMAND [ARGUMENT...]" >&2; exit 2; }
cd -- "$1" && mkdir -p todo running "done" failed log tries || exit 2
shift
reply=$(mktemp) || exit 2
asking='' lease='' working='' renewing=''

# Calls PATH, for at most SECONDS, with arguments for curl; sets status (000: no answer) and answer.
# In the background, for only "wait" lets a signal through at once. -q: no --retry of a ~/.curlrc.
ask() {
    path=$1 seconds=$2
    shift 2
    curl -q -s -m "$seconds" -w '\n%{http_code}' "$@" "$url$path" >"$reply" &
    asking=$!
    wait "$asking"
    asking=''
    status=$(tail -n 1 "$reply")
    answer=$(sed '$d' "$reply")
}

# The value of a member of the answer, which is a number or a word.
member() {
    printf '%s\n' "$answer" | sed -n "s/.*\"$1\":\"\{0,1\}\([0-9a-z_]*\).*/\1/p"
}

pause() {
    sleep "$1" &
    asking=$!
    wait "$asking"
    asking=''
}

# Waits for a slot, and sets lease. The call takes as long as the wait, so curl has to wait longer.
acquire() {
    ask /acquire $((wait_s + call_s)) --data-urlencode "key=$key" -d "wait=${wait_s}s&ttl=${ttl_s}s"
    case $status in
    200) lease=$(member lease) ;;
    429)
        [ "$(member reason)" != wait_over ] || return 1 # that was the wait
        later_ms=$(member retry_after_ms)
        [ "$later_ms" != null ] || refused # it never will
        later_s=$((${later_ms:-0} / 1000 + 1))
        pause $((later_s < wait_s ? later_s : wait_s))
        return 1
        ;;
    000 | 5??) # allowd is down: without a lease no job runs
        pause 1
        return 1
        ;;
    *) refused ;;
    esac
}

refused() {
    echo "$0: allowd refuses: $status $answer" >&2
    exit 1
}

# Says how much of the lease's token was used: the rest comes back. If that is lost, the lease ends by itself.
release() {
    ask /release "$call_s" -d "lease=$lease&used=$1"
    lease=''
}

# Takes a job that nobody else has: of two runners that rename a file one fails. Sets job and tries.
claim() {
    for file in todo/*; do
        job=${file#todo/}
        if [ -f "$file" ] && mv -- "$file" "running/$lease.$job" 2>/dev/null; then
            tries=$(cat "tries/$job" 2>/dev/null)
            tries=$((${tries:-0} + 1))
            echo "$tries" >"tries/$job"
            return 0
        fi
    done
    return 1
}

# A job's file, after a try that came to nothing: once more, or no more.
put_back() {
    tried=$(cat "tries/$2" 2>/dev/null) # if it is gone, another runner was faster
    if [ "${tried:-0}" -lt "$max_tries" ]; then
        mv -- "$1" "todo/$2" 2>/dev/null
    elif mv -- "$1" "failed/$2" 2>/dev/null; then
        echo "$0: $2 has failed $tried times, see log/$2" >&2
    fi
}

# Jobs whose lease is no more: their runner has died.
find_lost() {
    for file in running/*; do
        [ -f "$file" ] || continue
        name=${file#running/}
        ask "/status?lease=${name%%.*}" "$call_s"
        case $status.$(member state) in
        200.held) ;;
        200.* | 404.*) put_back "$file" "${name#*.}" ;;
        esac
    done
}

# Renews the lease for as long as the job runs; without a lease the job is ended. It is ended by the
# kernel if its runner dies, and then here all that it began.
renew() {
    trap 'kill "$!"; exit' TERM
    missed=0
    while sleep "$renew_s" & wait "$!" && kill -s 0 "$working"; do
        case $(curl -q -s -m "$call_s" -o /dev/null -w '%{http_code}' \
            -d "lease=$lease&ttl=${ttl_s}s" "$url/renew") in
        200) missed=0 ;;
        4??) break ;;
        *) missed=$((missed + 1)) ;;
        esac
        [ "$missed" -lt 2 ] || break
    done
    kill -s KILL -- "-$working"
} >/dev/null 2>&1

# Does the job, in a process group of its own.
work() {
    setsid setpriv --pdeathsig KILL "$@" "running/$lease.$job" </dev/null >>"log/$job" 2>&1 &
    working=$!
    renew &
    renewing=$!
    wait "$working"
    result=$?
    kill "$renewing"
    wait "$renewing"
    kill -s KILL -- "-$working" # what it has left behind
    working=''
    return "$result"
} 2>/dev/null # where a shell tells how a process has ended

# A signal: the job is ended and put back, and this try does not count. A call that waits is left: allowd
# sees that, and takes back what it has promised or given.
stop() {
    trap '' HUP INT TERM
    [ -z "$asking" ] || kill "$asking"
    if [ -n "$working" ]; then
        kill -s TERM -- "-$working"
        wait "$working" 2>/dev/null
        kill "$renewing"
        echo $((tries - 1)) >"tries/$job"
        mv -- "running/$lease.$job" "todo/$job"
    fi
    [ -z "$lease" ] || release 0
    exit $((128 + $1))
}
trap 'rm -f "$reply"' EXIT
trap 'stop 1' HUP
trap 'stop 2' INT
trap 'stop 15' TERM

any() {
    for file in "$1"/*; do
        [ ! -f "$file" ] || return 0
    done
    return 1
}

while find_lost; any todo || any running; do
    if ! any todo; then
        pause 1 # a runner may die yet
    elif acquire; then
        if ! claim; then
            release 0
        elif work "$@"; then
            mv -- "running/$lease.$job" "done/$job"
            release 1
        else
            put_back "running/$lease.$job" "$job"
            release 0 # its token comes back too
        fi
    fi
done
