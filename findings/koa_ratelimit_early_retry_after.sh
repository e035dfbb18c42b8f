#!/bin/sh
# npm koa-ratelimit 6.0.0 (koa 3.3.0, driver memory): Retry-After is cut down to whole seconds, so
# that a client which comes back exactly when it was told to is denied once more, and is then told
# Retry-After: 0. And X-RateLimit-Reset is a time with fractions of a second.
#
# One would guess that it is rounded up, as a wait that is too short is no wait, and that the reset is
# an integer, as in the interface that the name comes from. A client that is denied on its return may
# take the limiter for broken; one that repeats at "0" asks on without a pause to the end of the second.
#
# Needs npm and node 20 or newer; takes 10 seconds. Output with node 20.20:
#
#   koa-ratelimit 6.0.0, 1 request in 2.9 s
#   first: 200, X-RateLimit-Reset has a fraction
#   second: 429, Retry-After: 2
#   2 s later: 429, Retry-After: 0
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
packages="koa-ratelimit@6.0.0 koa@3.3.0"
# shellcheck disable=SC2086
npm install --loglevel=error --no-audit --no-fund --ignore-scripts --prefix . $packages >npm.log 2>&1 ||
    { cat npm.log >&2; echo "$0: npm cannot install $packages" >&2; exit 1; }

cat >ask.mjs <<'END'
import fs from 'node:fs'
import Koa from 'koa'
import limit from 'koa-ratelimit'

const app = new Koa()
app.use(limit({ driver: 'memory', db: new Map(), id: () => 'everybody', max: 1, duration: 2900 }))
app.use(context => { context.body = 'yes' })
const server = app.listen(0, '127.0.0.1')
await new Promise(listening => server.on('listening', listening))
const ask = () => fetch(`http://127.0.0.1:${server.address().port}/`)

const { version } = JSON.parse(fs.readFileSync('node_modules/koa-ratelimit/package.json'))
console.log(`koa-ratelimit ${version}, 1 request in 2.9 s`)
await ask() // opens the connection
await new Promise(over => setTimeout(over, 3000))
const first = await ask()
const fraction = /^\d+\.\d+$/.test(first.headers.get('X-RateLimit-Reset'))
console.log(`first: ${first.status}, X-RateLimit-Reset ${fraction ? 'has a fraction' : 'is an integer'}`)
const second = await ask()
const wait = second.headers.get('Retry-After')
console.log(`second: ${second.status}, Retry-After: ${wait}`)
await new Promise(over => setTimeout(over, wait * 1000))
const third = await ask()
console.log(`${wait} s later: ${third.status}, Retry-After: ${third.headers.get('Retry-After')}`)
process.exit()
END
node ask.mjs | tee seen

cat >expected <<'END'
koa-ratelimit 6.0.0, 1 request in 2.9 s
first: 200, X-RateLimit-Reset has a fraction
second: 429, Retry-After: 2
2 s later: 429, Retry-After: 0
END
cmp -s seen expected || { echo "$0: koa-ratelimit does otherwise now" >&2; exit 1; }
