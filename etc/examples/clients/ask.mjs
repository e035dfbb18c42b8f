// ask.mjs KEY: may KEY go on? Prints "go on", "wait SECONDS" or "never". Goes on while allowd is down.

// 0: go on; -1: waiting does not help.
async function waitS(key) {
  const url = `http://127.0.0.1:10429/allow?key=${encodeURIComponent(key)}`;
  const res = await fetch(url, { signal: AbortSignal.timeout(500) }).catch(() => null); // null: allowd is down
  return res?.status === 429 ? Number(res.headers.get("Retry-After") ?? -1) : 0;
}

const seconds = await waitS(process.argv[2]);
console.log(seconds === 0 ? "go on" : seconds > 0 ? `wait ${seconds}` : "never");
