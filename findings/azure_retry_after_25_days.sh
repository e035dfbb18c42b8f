#!/bin/sh
# npm @azure/core-rest-pipeline 1.22.2: Retry-After: 2147483 seconds, 24.8 days, is waited, and one
# second more is no wait at all: the tries that are left are spent within milliseconds.
#
# One would guess that so long a wait is waited, cut to a ceiling or given up. But the client hands
# whatever the server says to setTimeout in milliseconds, and that holds 31 bits: beyond them node
# warns on standard error and waits for 1 ms. Quotas of a month or a ban until some day meet it. Who
# says when to come back to clients in JavaScript caps Retry-After, at 20 days for instance; those
# that add a random fifth to the wait need the room.
#
# Needs npm and node 20 or newer; takes 10 seconds. Output with node 20.20:
#
#   @azure/core-rest-pipeline 1.22.2
#   Retry-After: 2147483: 1 request within 2 s
#   Retry-After: 2147484: 4 requests within 2 s, given up
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=@azure/core-rest-pipeline@1.22.2
npm install --loglevel=error --no-audit --no-fund --ignore-scripts --prefix . "$package" >npm.log 2>&1 ||
    { cat npm.log >&2; echo "$0: npm cannot install $package" >&2; exit 1; }

cat >ask.mjs <<'END'
import fs from 'node:fs'
import http from 'node:http'
import { createDefaultHttpClient, createEmptyPipeline, createPipelineRequest, defaultRetryPolicy }
  from '@azure/core-rest-pipeline'

async function look(seconds) {
  let requests = 0
  let end = ''
  const server = http.createServer((request, response) => {
    requests++
    response.writeHead(429, { 'Retry-After': seconds }).end()
  })
  await new Promise(listening => server.listen(0, '127.0.0.1', listening))
  const pipeline = createEmptyPipeline()
  pipeline.addPolicy(defaultRetryPolicy({ maxRetries: 3 }))
  pipeline.sendRequest(createDefaultHttpClient(), createPipelineRequest({
    url: `http://127.0.0.1:${server.address().port}/`, allowInsecureConnection: true
  })).then(() => { end = ', given up' })
  await new Promise(over => setTimeout(over, 2000))
  console.log(`Retry-After: ${seconds}: ${requests} request${requests === 1 ? '' : 's'} within 2 s${end}`)
}

const { version } = JSON.parse(fs.readFileSync('node_modules/@azure/core-rest-pipeline/package.json'))
console.log(`@azure/core-rest-pipeline ${version}`)
await look('2147483')
await look('2147484')
process.exit()
END
node ask.mjs 2>warnings | tee seen

cat >expected <<'END'
@azure/core-rest-pipeline 1.22.2
Retry-After: 2147483: 1 request within 2 s
Retry-After: 2147484: 4 requests within 2 s, given up
END
cmp -s seen expected || { cat warnings >&2; echo "$0: @azure/core-rest-pipeline does otherwise now" >&2; exit 1; }
