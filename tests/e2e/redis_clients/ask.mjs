// Asks as users of two clients of Redis do, each with its defaults, and prints what they are given:
// node ask.mjs PORT TOKEN
import Redis from "ioredis";
import { createClient } from "redis";

const [port, token] = process.argv.slice(2);
const COMMANDS = 10000;

async function withIoredis() {
    const client = new Redis({ port: Number(port), password: token });
    await client.call("RESET", "ioredis");
    const first = await client.call("ALLOW", "ioredis", 10);
    const error = await client.call("ALLOW", "ioredis", "x").catch((fault) => fault.message);
    const pipeline = client.pipeline();
    for (let i = 0; i < COMMANDS; i++)
        pipeline.call("ALLOW", "ioredis-pipeline");
    const answers = await pipeline.exec();
    const allowed = answers.filter(([fault, answer]) => fault === null && answer[0] === 0).length;
    const throttle = await client.call("CL.THROTTLE", "ioredis", 15, 30, 60);
    const ping = await client.ping();
    await client.quit();
    return { name: "ioredis", first, error, answers: answers.length, allowed, throttle, ping };
}

async function withNodeRedis(RESP) {
    const name = `redis-${RESP}`;
    const client = createClient({ url: `redis://default:${token}@127.0.0.1:${port}`, RESP, name });
    await client.connect();
    await client.sendCommand(["RESET", name]);
    const first = await client.sendCommand(["ALLOW", name, "10"]);
    const error = await client.sendCommand(["ALLOW", name, "x"]).catch((fault) => fault.message);
    const answers = await Promise.all(
        Array.from({ length: COMMANDS }, () => client.sendCommand(["ALLOW", `${name}-pipeline`])));
    const allowed = answers.filter((answer) => answer[0] === 0).length;
    const throttle = await client.sendCommand(["CL.THROTTLE", name, "15", "30", "60"]);
    const ping = await client.ping();
    await client.close();
    return { name, first, error, answers: answers.length, allowed, throttle, ping };
}

for (const given of [await withIoredis(), await withNodeRedis(2), await withNodeRedis(3)])
    console.log(JSON.stringify(given));
