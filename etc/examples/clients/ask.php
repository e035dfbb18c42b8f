<?php
// ask.php KEY: may KEY go on? Prints "go on", "wait SECONDS" or "never". Goes on while allowd is down.

// 0: go on; -1: waiting does not help.
function wait_s(string $key): int
{
    $context = stream_context_create(['http' => ['ignore_errors' => true, 'timeout' => 0.5]]);
    @file_get_contents('http://127.0.0.1:10429/allow?key=' . rawurlencode($key), false, $context);
    $head = implode("\n", $http_response_header ?? []); // none: allowd is down; from PHP 8.4 on http_get_last_response_headers()
    if (!preg_match('~^HTTP/1\.1 429 ~', $head)) {
        return 0;
    }
    return preg_match('~^Retry-After: (\d+)$~mi', $head, $found) ? (int) $found[1] : -1;
}

$seconds = wait_s($argv[1]);
echo $seconds === 0 ? 'go on' : ($seconds > 0 ? "wait $seconds" : 'never'), "\n";
