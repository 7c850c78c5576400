// The API as its clients meet it: over a Unix socket, with streams that stay open and clients that hang up.

import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApi } from "../../../src/http/api/api.ts";
import { FakeAdmin, fakeServer } from "./fake-admin.ts";

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

function serve() {
  const directory = mkdtempSync(join(tmpdir(), "api-"));
  ends.push(() => rmSync(directory, { recursive: true }));
  const unix = join(directory, "admin.sock");
  const admin = new FakeAdmin();
  admin.all.set("files", fakeServer("files"));
  const api = createApi(admin, { version: "0.0.0", onUnexpected: () => {} });
  const options: Bun.Serve.Options<undefined, never> = { unix, fetch: (request) => api.fetch(request) };
  // NB: the types refuse this with a socket, the runtime obeys it.
  const server = Bun.serve(Object.assign(options, { idleTimeout: 0 }));
  ends.push(() => server.stop(true));
  const send = (path: string, init: RequestInit = {}) => fetch(`http://localhost${path}`, { ...init, unix });
  const post = (path: string, body: unknown, signal?: AbortSignal) =>
    send(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
  return { admin, send, post };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("the condition did not come true within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const decoder = new TextDecoder();
const add = { name: "hang", spec: { kind: "stdio", command: "x" } };

test("each event of an add is sent when it happens, and hanging up aborts the add", async () => {
  const { admin, post } = serve();
  const client = new AbortController();
  const response = await post("/api/v1/servers", add, client.signal);
  const first = await response.body?.getReader().read();
  expect(decoder.decode(first?.value)).toBe('{"event":"progress","stage":"resolving","detail":"hang"}\n');
  expect(admin.abortedAdds).toBe(0);
  client.abort();
  await until(() => admin.abortedAdds === 1);
  expect(admin.all.has("hang")).toBe(false);
});

test("hanging up aborts a call", async () => {
  const { admin, post } = serve();
  const client = new AbortController();
  const answer = post("/api/v1/call", { tool: "hang" }, client.signal).catch(() => "aborted");
  await until(() => admin.calls.length === 1);
  client.abort();
  expect(await answer).toBe("aborted");
  await until(() => admin.abortedCalls === 1);
});

test("a followed log begins with what is kept, goes on, and ends with its reader", async () => {
  const { admin, send } = serve();
  const response = await send("/api/v1/servers/files/logs?follow=1");
  expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  const reader = response.body?.getReader();
  expect(decoder.decode((await reader?.read())?.value)).toBe("line 1\nline 2\n");
  admin.followers.get("files")?.("line 3\n");
  expect(decoder.decode((await reader?.read())?.value)).toBe("line 3\n");
  await reader?.cancel();
  await until(() => admin.followers.size === 0);
});

test("a reader of a log that does not read costs a bounded amount, and is told what it missed", async () => {
  const { admin, send } = serve();
  const response = await send("/api/v1/servers/files/logs?follow=1");
  const line = `${"x".repeat(99_999)}\n`;
  await until(() => admin.followers.size === 1);
  const push = admin.followers.get("files");
  // 100 MB in one go: nobody could read that fast.
  for (let count = 0; count < 1000; count++) push?.(line);
  const reader = response.body?.getReader();
  let received = 0;
  let told = false;
  const drain = async (): Promise<void> => {
    while (!told) {
      const part = await reader?.read();
      if (part?.value === undefined) return;
      received += part.value.length;
      told = decoder.decode(part.value).includes("characters were left out");
    }
  };
  const drained = drain();
  await until(() => {
    push?.("again\n");
    return told;
  });
  await drained;
  expect(received).toBeLessThan(10_000_000);
  await reader?.cancel();
});

test("a result of 12 MB passes", async () => {
  const response = await serve().post("/api/v1/call", { tool: "big" });
  expect((await response.bytes()).length).toBeGreaterThan(12_000_000);
});
