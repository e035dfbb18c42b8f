// Reads lines of KIND VALUE, the kind being list or item, and answers each with a line
// of JSON: what a structured field of that value says (RFC 9651), or what is wrong with it.
import { createInterface } from "node:readline";
import { parseItem, parseList } from "structured-headers";

const parsers = {
  item: (value) => plainItem(parseItem(value)),
  list: (value) => parseList(value).map(plainItem),
};

function plainItem([value, parameters]) {
  if (!["string", "number", "boolean"].includes(typeof value))
    throw new Error("neither a string, a number nor a boolean");
  return { value, parameters: Object.fromEntries(parameters) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [, kind, value] = line.match(/^(\w+) (.*)$/);
  let answer;
  try {
    answer = parsers[kind](value);
  } catch (error) {
    answer = { error: error.message };
  }
  console.log(JSON.stringify(answer));
}
