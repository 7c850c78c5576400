// A bare Bun.serve with canned answers: the ceiling of the load generator, and of any list. `bun bare.ts [file]`
// prints `listening <url>` and ends when stdin does. A call returns its text; a list returns the bytes of the file,
// the whole JSON-RPC message, with the number of the request where the file has its nine digits behind `"id":`.

import { readFileSync } from "node:fs";
import { findDigits, writeDigits } from "../load/numbers.ts";

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
/** Above what any row asks for at once. */
const MAX_AT_ONCE = 64;
const HEADERS = { "content-type": "application/json" };
const HELLO = '{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"bare","version":"1"}}';

const file = process.argv[2];
const list = file === undefined ? Buffer.alloc(0) : readFileSync(file);
const places = file === undefined ? [] : findDigits(list, idOf(list.toString()));
/** Copies that take turns, so that no list is copied for an answer, nor changed while it is on its way. */
const copies = Array.from({ length: MAX_AT_ONCE }, () => Buffer.from(list));
let turn = 0;

const http = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  maxRequestBodySize: MAX_MESSAGE_BYTES,
  fetch: async (request) => {
    const body = await request.text();
    const id = idOf(body);
    if (Number.isNaN(id)) return new Response(null, { status: 202 });
    return new Response(answer(body, id), { headers: HEADERS });
  },
});
process.stdout.write(`listening ${http.url.origin}/mcp\n`);
process.stdin.on("end", () => process.exit(0)).resume();

function answer(body: string, id: number): string | Buffer {
  if (body.includes('"method":"tools/list"')) {
    const bytes = copies[turn++ % MAX_AT_ONCE] ?? list;
    writeDigits(bytes, places, id);
    return bytes;
  }
  if (body.includes('"method":"initialize"')) return `{"jsonrpc":"2.0","id":${id},"result":${HELLO}}`;
  const text = body.slice(body.indexOf('"text":"') + 8, body.lastIndexOf('"'));
  return `{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":"${text}"}]}}`;
}

function idOf(text: string): number {
  return Number(/"id":(\d+)/.exec(text)?.[1]);
}
