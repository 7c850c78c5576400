// Twenty known servers with fifty tools each: the home of the rows about lists and starts.

import { type CommandLine, Home, rawServer } from "./toolcrib.ts";

const SERVERS = 20;
const TOOLS_EACH = 50;
/** With the server's name before the tool's, a list of about 435 kB. */
const DEFINITION_BYTES = 427;

export const TWENTY_TOOLS = SERVERS * TOOLS_EACH;

export function createTwentyServers(): Promise<Home> {
  const server = rawServer("n-tools", String(TOOLS_EACH), String(DEFINITION_BYTES));
  const names = Array.from({ length: SERVERS }, (_, index) => `s${String(index + 1).padStart(2, "0")}`);
  return Home.create(Object.fromEntries(names.map((name): [string, CommandLine] => [name, server])));
}
