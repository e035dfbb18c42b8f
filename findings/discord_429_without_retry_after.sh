#!/bin/sh
# npm @discordjs/rest 2.6.3, with retries: 1: a 429 without Retry-After, or with Retry-After as an
# HTTP date, is repeated 50 times a second for as long as it is answered so. With seconds in it the
# client waits for them.
#
# One would guess that some backoff is there where the server names no time, and that "retries" bounds
# it. But it counts 5xx and timeouts only, and a field that is no number is a wait of nothing; what
# stops the client from more is its own ceiling of 50 requests a second. So a denial that waiting never
# cures is better not a 429 to it.
#
# Needs npm and node 20 or newer; takes 15 seconds. Output with node 20.20:
#
#   @discordjs/rest 2.6.3
#   429, Retry-After: 10: 1 request within 2 s
#   429, Retry-After a date in an hour: more than 50 requests within 2 s, and no end
#   429, no Retry-After: more than 50 requests within 2 s, and no end
#   503: 2 requests within 2 s, then an error
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=@discordjs/rest@2.6.3
npm install --loglevel=error --no-audit --no-fund --ignore-scripts --prefix . "$package" >npm.log 2>&1 ||
    { cat npm.log >&2; echo "$0: npm cannot install $package" >&2; exit 1; }

cat >ask.mjs <<'END'
import fs from 'node:fs'
import http from 'node:http'
import { REST } from '@discordjs/rest'

async function look(name, status, fields) {
  let requests = 0
  let ended = ''
  const server = http.createServer((request, response) => {
    requests++
    response.writeHead(status, fields).end()
  })
  await new Promise(listening => server.listen(0, '127.0.0.1', listening))
  const client = new REST({ api: `http://127.0.0.1:${server.address().port}`, retries: 1 }).setToken('none')
  client.get('/gateway').then(() => { ended = ', then an answer' }, () => { ended = ', then an error' })
  await new Promise(over => setTimeout(over, 2000))
  if (requests > 50) console.log(`${name}: more than 50 requests within 2 s${ended || ', and no end'}`)
  else console.log(`${name}: ${requests} request${requests === 1 ? '' : 's'} within 2 s${ended}`)
  server.close()
  server.closeAllConnections()
  await new Promise(over => setTimeout(over, 100))
}

const { version } = JSON.parse(fs.readFileSync('node_modules/@discordjs/rest/package.json'))
console.log(`@discordjs/rest ${version}`)
await look('429, Retry-After: 10', 429, { 'Retry-After': '10' })
await look('429, Retry-After a date in an hour', 429, { 'Retry-After': new Date(Date.now() + 3600e3).toUTCString() })
await look('429, no Retry-After', 429, {})
await look('503', 503, {})
process.exit()
END
node ask.mjs | tee seen

cat >expected <<'END'
@discordjs/rest 2.6.3
429, Retry-After: 10: 1 request within 2 s
429, Retry-After a date in an hour: more than 50 requests within 2 s, and no end
429, no Retry-After: more than 50 requests within 2 s, and no end
503: 2 requests within 2 s, then an error
END
cmp -s seen expected || { echo "$0: @discordjs/rest does otherwise now" >&2; exit 1; }
