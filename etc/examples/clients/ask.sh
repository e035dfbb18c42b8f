#!/bin/sh
# ask.sh KEY: may KEY go on? Prints "go on", "wait SECONDS" or "never". Goes on while allowd is down.
# -q: no ~/.curlrc has it ask again.
answer=$(curl -q -s -m 0.5 -o /dev/null -w '%{http_code} %header{retry-after}' -G --data-urlencode "key=$1" \
    http://127.0.0.1:10429/allow)
case $answer in
    '429 ') echo never ;;
    '429 '*) echo "wait ${answer#429 }" ;;
    *) echo 'go on' ;;
esac
