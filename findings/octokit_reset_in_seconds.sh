#!/bin/sh
# npm @octokit/plugin-throttling 11.0.5 with @octokit/core 7.0.8: where X-RateLimit-Remaining is 0
# and X-RateLimit-Reset counts the seconds from now, as many servers and drafts have it, the request
# is repeated at once, though the same answer has Retry-After: 60. With GitHub's meaning, seconds
# since 1970, it is waited; and with Retry-After alone the plugin does nothing.
#
# One would guess that Retry-After, which has one meaning only, is heeded where it is there, the more
# so as a time of 1970 can be no time to wait for. But the plugin reads it only where the message
# speaks of a secondary rate limit. Who answers such clients sends the epoch in X-RateLimit-Reset.
#
# Needs npm and node 20 or newer; takes 10 seconds. Output with node 20.20:
#
#   plugin-throttling 11.0.5
#   Reset in 60, Retry-After 60: asked to retry after 0 s, 4 requests within 2 s
#   Reset at now + 60, Retry-After 60: asked to retry after about 60 s, 1 request within 2 s
#   Retry-After 60 alone: not asked, 1 request within 2 s
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
packages="@octokit/plugin-throttling@11.0.5 @octokit/core@7.0.8"
# shellcheck disable=SC2086
npm install --loglevel=error --no-audit --no-fund --ignore-scripts --prefix . $packages >npm.log 2>&1 ||
    { cat npm.log >&2; echo "$0: npm cannot install $packages" >&2; exit 1; }

cat >ask.mjs <<'END'
import fs from 'node:fs'
import http from 'node:http'
import { Octokit } from '@octokit/core'
import { throttling } from '@octokit/plugin-throttling'

const Throttled = Octokit.plugin(throttling)
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

async function look(name, fields) {
  let requests = 0
  let told = 'not asked'
  const server = http.createServer((request, response) => {
    requests++
    response.writeHead(429, { ...fields, 'Content-Type': 'application/json' }).end('{"message":"too many requests"}')
  })
  await new Promise(listening => server.listen(0, '127.0.0.1', listening))
  const again = (seconds, options, octokit, retries) => {
    const about = seconds > 55 && seconds < 65 ? 'about 60' : seconds
    told = `asked to retry after ${about} s`
    return retries < 3
  }
  const client = new Throttled({ baseUrl: `http://127.0.0.1:${server.address().port}`, log: quiet,
                                 throttle: { onRateLimit: again, onSecondaryRateLimit: again } })
  client.request('GET /').catch(() => {})
  await new Promise(over => setTimeout(over, 2000))
  console.log(`${name}: ${told}, ${requests} request${requests === 1 ? '' : 's'} within 2 s`)
}

const { version } = JSON.parse(fs.readFileSync('node_modules/@octokit/plugin-throttling/package.json'))
console.log(`plugin-throttling ${version}`)
const none = { 'X-RateLimit-Limit': 5, 'X-RateLimit-Remaining': 0, 'Retry-After': 60 }
await look('Reset in 60, Retry-After 60', { ...none, 'X-RateLimit-Reset': 60 })
await look('Reset at now + 60, Retry-After 60', { ...none, 'X-RateLimit-Reset': Math.ceil(Date.now() / 1000) + 60 })
await look('Retry-After 60 alone', { 'Retry-After': 60 })
process.exit()
END
node ask.mjs | tee seen

cat >expected <<'END'
plugin-throttling 11.0.5
Reset in 60, Retry-After 60: asked to retry after 0 s, 4 requests within 2 s
Reset at now + 60, Retry-After 60: asked to retry after about 60 s, 1 request within 2 s
Retry-After 60 alone: not asked, 1 request within 2 s
END
cmp -s seen expected || { echo "$0: plugin-throttling does otherwise now" >&2; exit 1; }
