// ask.mjs URL CLIENT...: asks with each client at once, each for a key of its own name, as the client
// comes: no setting but what has it ask at all. Prints a line of JSON for each: what its user is given.
import Anthropic from "@anthropic-ai/sdk";
import { createDefaultHttpClient, createPipelineFromOptions, createPipelineRequest } from "@azure/core-rest-pipeline";
import OpenAI from "openai";
import axios from "axios";
import axiosRetry from "axios-retry";
import got from "got";
import ky from "ky";
import * as retryAxios from "retry-axios";
import { Agent, RetryAgent, request } from "undici";

const clients = {
  async undici(url) {
    const answer = await request(url, { dispatcher: new RetryAgent(new Agent()) });
    return [answer.statusCode, await answer.body.json()];
  },
  async got(url) {
    const answer = await got(url, { responseType: "json" });
    return [answer.statusCode, answer.body];
  },
  async ky(url) {
    const answer = await ky(url);
    return [answer.status, await answer.json()];
  },
  async "axios-retry"(url) {
    const client = axios.create();
    axiosRetry(client);
    const answer = await client.get(url);
    return [answer.status, answer.data];
  },
  async "retry-axios"(url) {
    const client = axios.create();
    client.defaults.raxConfig = {};
    retryAxios.attach(client);
    const answer = await client.get(url);
    return [answer.status, answer.data];
  },
  async openai(url) {
    return askSdk(new OpenAI({ baseURL: new URL(url).origin, apiKey: "none" }), url);
  },
  async anthropic(url) {
    return askSdk(new Anthropic({ baseURL: new URL(url).origin, apiKey: "none" }), url);
  },
  async azure(url) {
    const request = createPipelineRequest({ url, allowInsecureConnection: true });
    const answer = await createPipelineFromOptions({}).sendRequest(createDefaultHttpClient(), request);
    return [answer.status, JSON.parse(answer.bodyAsText)];
  },
};

async function askSdk(client, url) {
  const { pathname, search } = new URL(url);
  const { data, response } = await client.get(pathname + search).withResponse();
  return [response.status, data];
}

const [url, ...names] = process.argv.slice(2);
await Promise.all(
  names.map(async (name) => {
    try {
      const [status, body] = await clients[name](url.replace("KEY", name));
      console.log(JSON.stringify({ name, status, body }));
    } catch (error) {
      console.log(JSON.stringify({ name, error: String(error) }));
    }
  }),
);
process.exit();
