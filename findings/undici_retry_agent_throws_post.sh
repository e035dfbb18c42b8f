#!/bin/sh
# npm undici 7.30.2, RetryAgent: a POST that is answered 429 or 503 is not repeated, as POST is not among its
# methods; but the answer is not returned either. It is thrown, without its body, by request() as a
# RequestRetryError, by fetch() as "fetch failed", like a server that cannot be reached.
#
# One would guess that what is none of the retry agent's business passes through it, as a 403 does. So a caller
# that asks a limiter through it, and goes on when the limiter cannot be reached, takes a denial for an
# outage. Whoever asks for a verdict uses an agent that does not retry, or leaves 429 out of statusCodes.
#
# Needs npm and node 20 or newer; takes 10 seconds. Output with node 20.20:
#
#   undici 7.30.2, POST through RetryAgent, 1 request each
#   403: request() returns 403, fetch() returns 403
#   429: request() throws Request failed, fetch() throws fetch failed
#   503: request() throws Request failed, fetch() throws fetch failed
#   429, not in statusCodes: request() returns 429, fetch() returns 429
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=undici@7.30.2
npm install --loglevel=error --no-audit --no-fund --ignore-scripts --prefix . "$package" >npm.log 2>&1 ||
    { cat npm.log >&2; echo "$0: npm cannot install $package" >&2; exit 1; }

cat >ask.mjs <<'END'
import assert from 'node:assert'
import fs from 'node:fs'
import http from 'node:http'
import { Agent, RetryAgent, fetch, request } from 'undici'

async function look(name, status, options) {
  let requests = 0
  const server = http.createServer((asked, response) => {
    asked.resume().on('end', () => {
      requests++
      response.writeHead(status, { 'Content-Type': 'text/plain' }).end('why')
    })
  })
  await new Promise(listening => server.listen(0, '127.0.0.1', listening))
  const url = `http://127.0.0.1:${server.address().port}/`
  const sent = { method: 'POST', body: 'x', dispatcher: new RetryAgent(new Agent(), options) }
  const ask = ask => ask(url, sent).then(answer => `returns ${answer.statusCode ?? answer.status}`,
                                         error => `throws ${error.message}`)
  console.log(`${name}: request() ${await ask(request)}, fetch() ${await ask(fetch)}`)
  assert.equal(requests, 2)
}

const { version } = JSON.parse(fs.readFileSync('node_modules/undici/package.json'))
console.log(`undici ${version}, POST through RetryAgent, 1 request each`)
await look('403', 403, {})
await look('429', 429, {})
await look('503', 503, {})
await look('429, not in statusCodes', 429, { statusCodes: [500, 502, 503, 504] })
process.exit()
END
node ask.mjs | tee seen

cat >expected <<'END'
undici 7.30.2, POST through RetryAgent, 1 request each
403: request() returns 403, fetch() returns 403
429: request() throws Request failed, fetch() throws fetch failed
503: request() throws Request failed, fetch() throws fetch failed
429, not in statusCodes: request() returns 429, fetch() returns 429
END
cmp -s seen expected || { echo "$0: undici does otherwise now" >&2; exit 1; }
