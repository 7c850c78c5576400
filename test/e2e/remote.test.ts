// Servers behind a URL: added, listed and called like the others; what goes wrong there is told and mends itself.

import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { Agent } from "./agent.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { sdkHttp, small } from "./servers.ts";
import { serverNamesOf, serverOf, textOf } from "./views.ts";
import { until, within } from "./wait.ts";

setDefaultTimeout(60_000);

let crib: Crib;
let appliance: Appliance;
let token: string;

/** Stands before the real server with a URL that stays, so that the server can go and come back. */
let front: Bun.Server<undefined>;
let remote: Bun.Subprocess<"pipe", "pipe", "inherit">;
let target: string;
let answer: ((request: Request) => Response | Promise<Response> | undefined) | undefined;
let url: string;

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await crib.serve();
  await crib.ok("add", "--yes", "--name", "good", ...small());
  token = (await crib.ok("token", "create", "agent")).trim();
  front = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: (request) =>
      answer?.(request) ?? fetch(target, request).catch(() => new Response("nobody there", { status: 502 })),
  });
  url = `http://127.0.0.1:${front.port}/mcp`;
});
beforeEach(async () => {
  await startRemote();
  answer = undefined;
});
afterEach(async () => {
  if ((await serverNamesOf(crib)).includes("far")) await crib.ok("rm", "far");
  expect(await crib.ok("call", "good__pong")).toStartWith("pong ");
  await stopRemote();
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await front.stop(true);
  await crib.remove();
});

async function startRemote(...args: readonly string[]): Promise<void> {
  remote = Bun.spawn([...sdkHttp(...args)], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  let printed = "";
  for await (const chunk of remote.stdout.values({ preventCancel: true })) {
    printed += new TextDecoder().decode(chunk);
    if (printed.includes("\n")) break;
  }
  target = /listening (\S+)/.exec(printed)?.[1] ?? "";
}

async function stopRemote(): Promise<void> {
  remote.kill("SIGKILL");
  await remote.exited;
}

function addFar(...options: readonly string[]) {
  return crib.run(["add", "--yes", "--name", "far", ...options, url]);
}

test("is added by its URL, listed and called, with progress and large messages", async () => {
  expect(await addFar()).toMatchObject({ code: 0 });
  expect(await serverOf(crib, "far")).toMatchObject({ kind: "http", state: "ready", runs: url });
  expect(await crib.ok("call", "far__echo", '{"text":"hi"}')).toBe("hi\n");

  const agent = await Agent.open(appliance.mcp(), token);
  expect(await agent.toolNames()).toEqual(expect.arrayContaining(["far__echo", "far__slow", "good__pong"]));
  const slow = await agent.send({
    jsonrpc: "2.0",
    id: 77,
    method: "tools/call",
    params: { name: "far__slow", arguments: { ms: 100 }, _meta: { progressToken: "mine" } },
  });
  expect(slow.messages.map(({ method }) => method ?? "answer")).toEqual([
    "notifications/progress",
    "notifications/progress",
    "notifications/progress",
    "notifications/progress",
    "answer",
  ]);
  expect(slow.messages[0]?.params).toMatchObject({ progressToken: "mine" });
  const text = "é".repeat(1 << 19);
  expect(textOf((await agent.call("far__echo", { text })).result) === text).toBe(true);
  expect(textOf((await agent.call("far__big", { bytes: 12 << 20 })).result)).toHaveLength(12 << 20);
});

test("is found again with the sessions that it lost", async () => {
  await addFar();
  const agent = await Agent.open(appliance.mcp(), token);
  const before = textOf((await agent.call("far__pid")).result);

  await stopRemote();
  const lost = await within("an error", agent.call("far__pid"), 20_000);
  expect(lost.error?.message).toContain("far");
  await startRemote();

  const after = await until(
    "the same session of the agent has answers again",
    async () => {
      const { result } = await agent.call("far__pid");
      return result === undefined ? undefined : textOf(result);
    },
    20_000,
  );
  expect(after).not.toBe(before);
});

test("may forget its sessions as often as it likes: the next call works, and it is no crash", async () => {
  await addFar();
  const agent = await Agent.open(appliance.mcp(), token);
  for (let round = 0; round < 10; round++) {
    answer = (request) =>
      request.method === "POST" && request.headers.has("mcp-session-id")
        ? new Response("no such session", { status: 404 })
        : undefined;
    const { error } = await agent.call("far__pid");
    expect(error).toMatchObject({
      data: { code: "session-over" },
      message: expect.stringContaining("the next call opens a new one"),
    });
    answer = undefined;
    expect((await agent.call("far__pid")).error).toBeUndefined();
  }
  expect(await serverOf(crib, "far")).toMatchObject({ state: "ready", exits: 0 });
});

test("that is down, not there, or something else: a sentence, and no 401 for the agent", async () => {
  const answers: Readonly<Record<string, () => Response>> = {
    "503": () => new Response("down for repairs", { status: 503 }),
    "401": () => new Response("who are you", { status: 401, headers: { "www-authenticate": "Bearer" } }),
    "404": () => new Response("nothing here", { status: 404 }),
    page: () => new Response("<h1>Hello</h1>", { headers: { "content-type": "text/html" } }),
    nonsense: () => new Response("{]", { headers: { "content-type": "application/json" } }),
    "another id": () => Response.json({ jsonrpc: "2.0", id: "not yours", result: {} }),
  };
  for (const [label, make] of Object.entries(answers)) {
    answer = make;
    const added = await addFar("--start-timeout", "2s");
    expect({ label, code: added.code }).toEqual({ label, code: 1 });
    expect(added.stderr).toContain("far");
    expect(added.stderr).not.toMatch(/^\s+at |\[object /m);
    if (!(await serverNamesOf(crib)).includes("far")) continue;
    const agent = await Agent.open(appliance.mcp(), token);
    expect((await agent.send({ jsonrpc: "2.0", id: 3, method: "tools/list" })).status).toBe(200);
    await crib.ok("rm", "far");
  }

  const nobody = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const gone = `http://127.0.0.1:${nobody.port}/mcp`;
  await nobody.stop(true);
  const refused = await crib.run(["add", "--yes", "--name", "far", "--start-timeout", "2s", gone]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(gone);
});

test("that never answers initialize is given up after its start timeout", async () => {
  answer = () => new Promise<Response>(() => {});
  const added = await addFar("--start-timeout", "1s");
  expect(added.code).toBe(1);
  expect(added.stderr).toMatch(/1 ?s/);
});

test("gets its headers from the file, and nobody else sees them", async () => {
  const secret = "Bearer not-for-everybody";
  await stopRemote();
  await startRemote("--require", `authorization=${secret}`);
  expect((await addFar("--start-timeout", "2s")).code).toBe(1);
  await crib.run(["rm", "far"]);

  const servers = { far: { type: "http", url, headers: { Authorization: secret } } };
  await writeFile(crib.file("far.json"), JSON.stringify({ mcpServers: servers }));
  const added = await crib.run(["add", "--yes", "far.json"]);
  expect(added).toMatchObject({ code: 0 });
  expect(await crib.ok("call", "far__echo", '{"text":"hi"}')).toBe("hi\n");
  const shown = [
    await crib.ok("show", "far"),
    await crib.ok("show", "far", "--json"),
    await crib.ok("ls", "--json"),
  ];
  for (const text of [...shown, added.stdout, added.stderr, appliance.output]) {
    expect(text).not.toContain("not-for-everybody");
  }
  expect(shown[0]).toContain("Authorization");

  // Nor does another place that the server sends us to.
  const seen: (string | null)[] = [];
  const other = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      seen.push(request.headers.get("authorization"));
      return new Response();
    },
  });
  answer = () => Response.redirect(`http://127.0.0.1:${other.port}/mcp`, 307);
  await crib.run(["call", "far__echo", '{"text":"hi"}']);
  await crib.run(["restart", "far"]);
  expect(seen.filter((header) => header !== null)).toEqual([]);
  await other.stop(true);
});
