// Shells as a client of the API meets them: over a Unix socket, one answer that lasts as long as the shell, and input
// in requests of its own.

import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApi } from "../../../src/http/api/api.ts";
import { until, within } from "../../e2e/wait.ts";
import { FakeAdmin, fakeServer } from "./fake-admin.ts";

const SECRET = "hunter2-SECRET";
const OPEN = "/api/v1/servers/files/shells";
const TERMINAL = { cols: 80, rows: 24, term: "xterm-256color" };

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

function serve() {
  const directory = mkdtempSync(join(tmpdir(), "api-shells-"));
  ends.push(() => rmSync(directory, { recursive: true }));
  const unix = join(directory, "admin.sock");
  const admin = new FakeAdmin();
  admin.all.set("files", fakeServer("files"));
  const unexpected: unknown[] = [];
  const api = createApi(admin, { version: "0.0.0", onUnexpected: (error) => unexpected.push(error) });
  const options: Bun.Serve.Options<undefined, never> = { unix, fetch: (request) => api.fetch(request) };
  // NB: the types refuse this with a socket, the runtime obeys it.
  const server = Bun.serve(Object.assign(options, { idleTimeout: 0 }));
  ends.push(() => server.stop(true));
  const send = (
    method: string,
    path: string,
    body?: string | Uint8Array<ArrayBuffer> | Blob,
    type = "application/json",
  ) =>
    fetch(`http://localhost${path}`, {
      method,
      unix,
      ...(body === undefined ? {} : { body, headers: { "content-type": type } }),
    });
  const open = async (request: object = { terminal: TERMINAL }, signal?: AbortSignal) => {
    const response = await fetch(`http://localhost${OPEN}`, {
      method: "POST",
      unix,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
      ...(signal === undefined ? {} : { signal }),
    });
    const shell = admin.shells.opened.at(-1);
    if (shell === undefined) throw new Error("no shell was opened");
    return { response, shell, events: eventsOf(response) };
  };
  return { admin, send, open, unexpected };
}

async function* eventsOf(response: Response): AsyncGenerator<unknown, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response.body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line);
  }
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const input = (id: string): string => `/api/v1/shells/${id}/input`;
const size = (id: string): string => `/api/v1/shells/${id}/size`;
const BYTES = "application/octet-stream";
const JSON_TYPE = "application/json";

describe("a shell", () => {
  test("is told of when it is open, with each piece at once, and to its end", async () => {
    const { open } = serve();
    const { response, shell, events } = await open();
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    expect(shell.request).toEqual({ terminal: TERMINAL, command: [] });
    const next = async (): Promise<unknown> => (await within("an event", events.next())).value;
    expect(await next()).toEqual({ event: "open", id: "shell-1" });
    shell.print("half of \xc3");
    expect(await next()).toEqual({ event: "out", bytes: base64("half of \xc3") });
    shell.print("trouble", "err");
    expect(await next()).toEqual({ event: "err", bytes: base64("trouble") });
    shell.end(7, "was tired");
    expect(await next()).toEqual({ event: "ended", exitCode: 7, reason: "was tired" });
    expect(await next()).toBeUndefined();
  });

  test("gets bytes as they are, their end, and sizes", async () => {
    const { open, send } = serve();
    const { shell } = await open();
    const all = new Uint8Array(256).map((_, index) => index);
    expect((await send("POST", input("shell-1"), all, BYTES)).status).toBe(204);
    expect((await send("POST", input("shell-1"), "\x03", BYTES)).status).toBe(204);
    expect(shell.inputEnded).toBe(false);
    expect((await send("POST", input("shell-1"), new Blob([]), BYTES)).status).toBe(204);
    expect(shell.input).toEqual(Buffer.concat([all, Buffer.from("\x03")]));
    expect(shell.inputEnded).toBe(true);
    const cells = { cols: 100, rows: 40 };
    expect((await send("POST", size("shell-1"), JSON.stringify(cells))).status).toBe(204);
    expect(shell.sizes).toEqual([cells]);
  });

  test("ends with its reader", async () => {
    const { open } = serve();
    const client = new AbortController();
    const { shell, events } = await open({ command: ["sleep", "1000"] }, client.signal);
    await events.next();
    expect(shell.left).toBe(0);
    client.abort();
    await until("its reader has left", () => shell.left > 0);
  });

  test("whose reader reads nothing keeps what it prints to itself", async () => {
    const { open } = serve();
    const { shell, events } = await open({ command: ["yes"] });
    const piece = "y".repeat(100_000);
    // 10 MB: more than a socket holds.
    for (let count = 0; count < 100; count++) shell.print(piece);
    let hasRoom = false;
    void shell.output.room().then(() => (hasRoom = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(hasRoom).toBe(false);
    shell.end(0);
    let bytes = 0;
    for await (const event of events) bytes += JSON.stringify(event).length;
    expect(bytes).toBeGreaterThan(13_000_000);
  });

  test("is listed, and can be closed by another", async () => {
    const { open, send } = serve();
    const { shell, events } = await open();
    expect(await (await send("GET", "/api/v1/shells")).json()).toEqual({ shells: [shell.view] });
    expect((await send("DELETE", "/api/v1/shells/shell-1")).status).toBe(204);
    expect(await Array.fromAsync(events)).toContainEqual({
      event: "ended",
      exitCode: 137,
      reason: "was closed by an administrator",
    });
  });
});

describe("refused, before anything is opened, and without a word of what was sent", () => {
  const json = (value: unknown): string => JSON.stringify(value);
  const term = (value: string): string => json({ terminal: { ...TERMINAL, term: value } });
  const TABLE: readonly [string, number, string, string, string | Uint8Array<ArrayBuffer>, string][] = [
    ["There is no cage", 503, "POST", "/api/v1/servers/blocked/shells", "{}", JSON_TYPE],
    ["not known", 400, "POST", OPEN, json({ [SECRET]: 1 }), JSON_TYPE],
    ["must be Array", 400, "POST", OPEN, json({ command: SECRET }), JSON_TYPE],
    ["NUL", 400, "POST", OPEN, json({ command: [`${SECRET}\0`] }), JSON_TYPE],
    ["at most 1024", 400, "POST", OPEN, json({ command: Array(1025).fill("x") }), JSON_TYPE],
    ["at least 1", 400, "POST", OPEN, json({ terminal: { ...TERMINAL, cols: 0 } }), JSON_TYPE],
    ["at most 4096", 400, "POST", OPEN, json({ terminal: { ...TERMINAL, rows: 4097 } }), JSON_TYPE],
    ["whole number", 400, "POST", OPEN, json({ terminal: { ...TERMINAL, rows: 1.5 } }), JSON_TYPE],
    ["term: is missing", 400, "POST", OPEN, json({ terminal: { cols: 80, rows: 24 } }), JSON_TYPE],
    ["kind of terminal", 400, "POST", OPEN, term(`../${SECRET}`), JSON_TYPE],
    ["kind of terminal", 400, "POST", OPEN, term(`xterm\n${SECRET}`), JSON_TYPE],
    ["kind of terminal", 400, "POST", OPEN, term(""), JSON_TYPE],
    ["stops being JSON", 400, "POST", OPEN, SECRET, JSON_TYPE],
    ["application/json", 400, "POST", OPEN, "{}", "text/plain"],
    ["nothing under this name", 404, "POST", "/api/v1/servers/%E0%A4%A/shells", "{}", JSON_TYPE],
    ["no such shell", 404, "POST", input("nobody"), SECRET, BYTES],
    [BYTES, 400, "POST", input("nobody"), SECRET, "text/plain"],
    ["larger than", 413, "POST", input("nobody"), new Uint8Array(1024 * 1024 + 1), BYTES],
    ["no such shell", 404, "POST", size("nobody"), json({ cols: 1, rows: 1 }), JSON_TYPE],
    ["rows: is missing", 400, "POST", size("nobody"), json({ cols: 1 }), JSON_TYPE],
  ];
  test.each(TABLE)("%s: %d for %s %s", async (words, status, method, path, body, type) => {
    const { admin, send, unexpected } = serve();
    const response = await send(method, path, body, type);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    const text = await response.text();
    expect(text).toContain(words);
    expect(text).not.toContain(SECRET);
    expect(admin.shells.opened).toEqual([]);
    expect(unexpected).toEqual([]);
  });
});

test("what is not there cannot be closed", async () => {
  const { send } = serve();
  expect((await send("DELETE", "/api/v1/shells/nobody")).status).toBe(404);
});

test("the document describes the routes and their bodies", async () => {
  const { send } = serve();
  const document: unknown = await (await send("GET", "/api/openapi.json")).json();
  for (const path of [
    "/shells",
    "/shells/{id}",
    "/shells/{id}/input",
    "/shells/{id}/size",
    "/servers/{name}/shells",
  ])
    expect(document).toHaveProperty(["paths", `/api/v1${path}`]);
  for (const body of ["ShellRequest", "ShellSize"])
    expect(document).toHaveProperty(["components", "requestBodies", body]);
});
