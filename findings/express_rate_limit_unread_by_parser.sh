#!/bin/sh
# npm express-rate-limit 8.7.5 with standardHeaders: 'draft-8', and ratelimit-header-parser 0.1.0, which is
# by the same authors and reads the earlier drafts well: of the field RateLimit of draft 8 it makes an object
# whose limit, used and remaining are NaN and whose reset is an invalid date.
#
# One would guess undefined, as for an answer without any such field, or the right numbers. An object is
# there, so a client that asks "if (info)" goes on, and "remaining < 1" is false for NaN, for ever: it
# never slows down. A client that has to heed a newer draft reads the field itself, or looks at Retry-After.
#
# Needs npm and node 20 or newer; takes 15 seconds. Output with node 20.20:
#
#   express-rate-limit 8.7.5, ratelimit-header-parser 0.1.0
#   none: undefined
#   draft-6: limit 10, used 1, remaining 9, reset is a time
#   draft-7: limit 10, used 1, remaining 9, reset is a time
#   draft-8: limit NaN, used NaN, remaining NaN, reset is no time
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
packages="express-rate-limit@8.7.5 ratelimit-header-parser@0.1.0 express@5.1.0"
# shellcheck disable=SC2086
npm install --loglevel=error --no-audit --no-fund --ignore-scripts --prefix . $packages >npm.log 2>&1 ||
    { cat npm.log >&2; echo "$0: npm cannot install $packages" >&2; exit 1; }

cat >ask.mjs <<'END'
import fs from 'node:fs'
import express from 'express'
import { rateLimit } from 'express-rate-limit'
import { parseRateLimit } from 'ratelimit-header-parser'

async function look(standardHeaders) {
  const app = express()
  app.use(rateLimit({ windowMs: 60_000, limit: 10, standardHeaders, legacyHeaders: false }))
  app.get('/', (request, response) => response.send('yes'))
  const server = app.listen(0, '127.0.0.1')
  await new Promise(listening => server.on('listening', listening))
  const info = parseRateLimit(await fetch(`http://127.0.0.1:${server.address().port}/`))
  console.log(`${standardHeaders || 'none'}: ` + (info === undefined ? 'undefined' :
    `limit ${info.limit}, used ${info.used}, remaining ${info.remaining}, ` +
    `reset is ${Number.isNaN(info.reset.getTime()) ? 'no' : 'a'} time`))
}

const version = name => JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version
console.log(['express-rate-limit', 'ratelimit-header-parser'].map(name => `${name} ${version(name)}`).join(', '))
await look(false)
await look('draft-6')
await look('draft-7')
await look('draft-8')
process.exit()
END
node ask.mjs | tee seen

cat >expected <<'END'
express-rate-limit 8.7.5, ratelimit-header-parser 0.1.0
none: undefined
draft-6: limit 10, used 1, remaining 9, reset is a time
draft-7: limit 10, used 1, remaining 9, reset is a time
draft-8: limit NaN, used NaN, remaining NaN, reset is no time
END
cmp -s seen expected || { echo "$0: the two do otherwise now" >&2; exit 1; }
