#!/bin/sh
# npm stripe 23.1.0: an answer of 429, 403 or 503 whose body is a problem of RFC 9457 is no error to
# it. The promise is resolved, and the problem is returned as though it were the customer made.
#
# One would guess that the status decides. But the client only asks whether the JSON has a member
# "error", as Stripe's own has; the status of an answer without one is looked at by nobody, unless
# it is a 503 or another that is repeated first. So a limiter, a gateway or a mock between the two
# that refuses in the standard's form is read as a payment that went through, whereas 429 with
# {"error": {}} is thrown as the rate limit's error. The client's own lastResponse tells the truth.
#
# Needs npm and node 20 or newer; takes 10 seconds. Output with node 20.20:
#
#   stripe 23.1.0
#   429 {"error":{"message":"slower"}}: StripeRateLimitError
#   429 {"title":"Too Many Requests","status":429}: resolved, title: Too Many Requests, lastResponse 429
#   403 {"title":"Forbidden","status":403}: resolved, title: Forbidden, lastResponse 403
#   503 {"title":"Overloaded","status":503}: resolved, title: Overloaded, lastResponse 503
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=stripe@23.1.0
npm install --loglevel=error --no-audit --no-fund --ignore-scripts --prefix . "$package" >npm.log 2>&1 ||
    { cat npm.log >&2; echo "$0: npm cannot install $package" >&2; exit 1; }

cat >pay.mjs <<'END'
import fs from 'node:fs'
import http from 'node:http'
import Stripe from 'stripe'

async function look(status, answer) {
  const body = JSON.stringify(answer)
  const server = http.createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(status, { 'Content-Type': answer.error ? 'application/json' : 'application/problem+json' })
      response.end(body)
    })
  })
  await new Promise(listening => server.listen(0, '127.0.0.1', listening))
  const stripe = new Stripe('sk_test_none', { host: '127.0.0.1', port: server.address().port, protocol: 'http',
                                              telemetry: false, maxNetworkRetries: 1 })
  const seen = await stripe.customers.create({ name: 'somebody' }).then(
    made => `resolved, title: ${made.title}, lastResponse ${made.lastResponse.statusCode}`,
    error => error.type)
  console.log(`${status} ${body}: ${seen}`)
}

console.log(`stripe ${JSON.parse(fs.readFileSync('node_modules/stripe/package.json')).version}`)
await look(429, { error: { message: 'slower' } })
await look(429, { title: 'Too Many Requests', status: 429 })
await look(403, { title: 'Forbidden', status: 403 })
await look(503, { title: 'Overloaded', status: 503 })
process.exit()
END
node pay.mjs | tee seen

cat >expected <<'END'
stripe 23.1.0
429 {"error":{"message":"slower"}}: StripeRateLimitError
429 {"title":"Too Many Requests","status":429}: resolved, title: Too Many Requests, lastResponse 429
403 {"title":"Forbidden","status":403}: resolved, title: Forbidden, lastResponse 403
503 {"title":"Overloaded","status":503}: resolved, title: Overloaded, lastResponse 503
END
cmp -s seen expected || { echo "$0: stripe does otherwise now" >&2; exit 1; }
