#!/bin/sh
# npm @slack/web-api 8.2.0: a 429 whose Retry-After is an HTTP date, or that has none, ends the call
# with an error at once. It is neither waited nor tried again, though the client by default repeats a
# call up to ten times, and does so for a 503 that has nothing more to say.
#
# One would guess that both forms of RFC 9110 are read, and that without the field the client's own
# backoff is used. So the answer that says when to come back hurts more than the one that says
# nothing but "broken". Who answers such a client with 429 sends seconds, always.
#
# Needs npm and node 20 or newer; takes 15 seconds. Output with node 20.20:
#
#   @slack/web-api 8.2.0
#   429, Retry-After: 1: repeated, then ok
#   429, Retry-After a date in 2 s: error after 1 request, no valid timeout
#   429, no Retry-After: error after 1 request, no valid timeout
#   503, no Retry-After: repeated, then ok
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=@slack/web-api@8.2.0
npm install --loglevel=error --no-audit --no-fund --ignore-scripts --prefix . "$package" >npm.log 2>&1 ||
    { cat npm.log >&2; echo "$0: npm cannot install $package" >&2; exit 1; }

cat >ask.mjs <<'END'
import fs from 'node:fs'
import http from 'node:http'
import { WebClient } from '@slack/web-api'

const quiet = { debug() {}, info() {}, warn() {}, error() {},
                setLevel() {}, setName() {}, getLevel() { return 'error' } }

async function look(name, status, fields) {
  let requests = 0
  const server = http.createServer((request, response) => {
    request.resume().on('end', () => {
      if (++requests === 1) response.writeHead(status, fields).end()
      else response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"ok":true}')
    })
  })
  await new Promise(listening => server.listen(0, '127.0.0.1', listening))
  const client = new WebClient('none', { slackApiUrl: `http://127.0.0.1:${server.address().port}/`, logger: quiet })
  const seen = await client.auth.test().then(
    () => (requests === 2 ? 'repeated, then ok' : `ok after ${requests}`),
    error => `error after ${requests} request, ${error.message.includes('valid timeout') ? 'no valid timeout' : error}`)
  console.log(`${name}: ${seen}`)
}

const { version } = JSON.parse(fs.readFileSync('node_modules/@slack/web-api/package.json'))
console.log(`@slack/web-api ${version}`)
await look('429, Retry-After: 1', 429, { 'Retry-After': '1' })
await look('429, Retry-After a date in 2 s', 429, { 'Retry-After': new Date(Date.now() + 2000).toUTCString() })
await look('429, no Retry-After', 429, {})
await look('503, no Retry-After', 503, {})
process.exit()
END
node ask.mjs | tee seen

cat >expected <<'END'
@slack/web-api 8.2.0
429, Retry-After: 1: repeated, then ok
429, Retry-After a date in 2 s: error after 1 request, no valid timeout
429, no Retry-After: error after 1 request, no valid timeout
503, no Retry-After: repeated, then ok
END
cmp -s seen expected || { echo "$0: @slack/web-api does otherwise now" >&2; exit 1; }
