#!/bin/sh
# npm openai 7.59.0, answered 429 with Retry-After: up to 60 seconds are waited, but 61 and more,
# an hour for instance, are thrown away: the request is repeated after half a second.
#
# One would guess that a longer wait is waited, cut to a ceiling, or given up with an error at once.
# Instead the client falls back on its own backoff, so the more a server asks it to stay away, the
# sooner it is back; its few tries are spent within seconds, each one charged by who counts denials.
# Who limits such clients keeps the waits that he tells within a minute.
#
# Needs npm and node (the package asks for 22 or newer; 20 does); takes 10 seconds. Output with
# node 20.20:
#
#   openai 7.59.0
#   Retry-After: 60: not repeated within 3 s
#   Retry-After: 61: repeated within 1 s
#   Retry-After: 3600: repeated within 1 s
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=openai@7.59.0
npm install --loglevel=error --no-audit --no-fund --ignore-scripts --prefix . "$package" >npm.log 2>&1 ||
    { cat npm.log >&2; echo "$0: npm cannot install $package" >&2; exit 1; }

cat >ask.mjs <<'END'
import fs from 'node:fs'
import http from 'node:http'
import OpenAI from 'openai'

const WATCHED_MS = 3000

async function look(seconds) {
  const asked = []
  const server = http.createServer((request, response) => {
    asked.push(performance.now())
    response.writeHead(429, { 'Retry-After': seconds }).end()
  })
  await new Promise(listening => server.listen(0, '127.0.0.1', listening))
  const client = new OpenAI({ apiKey: 'none', maxRetries: 1,
                              baseURL: `http://127.0.0.1:${server.address().port}/` })
  await Promise.race([client.models.list().catch(() => {}), new Promise(over => setTimeout(over, WATCHED_MS))])
  const repeated = asked.length === 2 && asked[1] - asked[0] < 1000
  const told = repeated ? 'repeated within 1 s' : `not repeated within ${WATCHED_MS / 1000} s`
  console.log(`Retry-After: ${seconds}: ${told}`)
}

console.log(`openai ${JSON.parse(fs.readFileSync('node_modules/openai/package.json')).version}`)
await look('60')
await look('61')
await look('3600')
process.exit()
END
node ask.mjs | tee seen

cat >expected <<'END'
openai 7.59.0
Retry-After: 60: not repeated within 3 s
Retry-After: 61: repeated within 1 s
Retry-After: 3600: repeated within 1 s
END
cmp -s seen expected || { echo "$0: openai does otherwise now" >&2; exit 1; }
