// Verbs of the command line against a running appliance, beyond the first five minutes: what they print, for people
// and as JSON, and what they change.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as v from "valibot";
import { Agent } from "./agent.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { raw, sdk, small } from "./servers.ts";
import { serverOf, serversOf, settingsOf, tokensOf } from "./views.ts";
import { until } from "./wait.ts";

setDefaultTimeout(60_000);

const SECRET = "s3cr3t-of-the-server";

let crib: Crib;
let appliance: Appliance;

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await crib.serve({ args: ["--listen", "127.0.0.1:0", "--log-level", "debug"] });
  await crib.ok("add", "--yes", "--name", "one", ...small());
  await crib.ok("add", "--yes", "--name", "sdk", "--env", `API_KEY=${SECRET}`, ...sdk());
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
});

describe("servers", () => {
  test("ls is a table with every server and its state; --json is the whole", async () => {
    const table = await crib.ok("ls");
    expect(table).toMatch(/^one\s+ready\s+isolated\s+(\d+ MiB\s+)?1\b/m);
    expect(table).toMatch(/^sdk\s+ready\s+isolated\s+(\d+ MiB\s+)?\d+\b/m);
    expect(table).not.toContain("\u001b");
    expect((await serversOf(crib)).map(({ name }) => name).toSorted()).toEqual(["one", "sdk"]);
  });

  test("restart is another process; the same server is never two", async () => {
    const before = await serverOf(crib, "one");
    await crib.ok("restart", "one");
    const after = await serverOf(crib, "one");
    expect(after).toMatchObject({ state: "ready", exits: before.exits });
    expect(after.pid).not.toBe(before.pid);
  });

  test("--replace takes the place of a server, and its process", async () => {
    await crib.ok("add", "--yes", "--name", "old", ...small());
    const before = await serverOf(crib, "old");
    await crib.ok("add", "--yes", "--name", "old", "--replace", ...raw("echo"));
    const after = await serverOf(crib, "old");
    expect(after.toolNames.toSorted()).toEqual(["odd", "raw"]);
    expect(after.pid).not.toBe(before.pid);
    await crib.ok("rm", "old");
    expect((await crib.run(["show", "old"])).code).toBe(1);
  });

  test("the same name twice at the same moment: one wins, the other is a conflict", async () => {
    const added = await Promise.all(
      [1, 2, 3].map(() => crib.run(["add", "--yes", "--name", "raced", ...small()])),
    );
    expect(added.map(({ code }) => code).toSorted()).toEqual([0, 5, 5]);
    expect((await serversOf(crib)).filter(({ name }) => name === "raced")).toHaveLength(1);
    await crib.ok("rm", "raced");
  });

  test("what it may read, write and reach is shown", async () => {
    const grants = ["--read", "/etc/hosts", "--write", crib.work, "--allow-host", "example.com:443"];
    await crib.ok("add", "--yes", "--name", "granted", ...grants, ...small());
    expect(await serverOf(crib, "granted")).toMatchObject({
      read: ["/etc/hosts"],
      write: [crib.work],
      network: ["example.com:443"],
    });
    const shown = await crib.ok("show", "granted");
    for (const text of ["/etc/hosts", crib.work, "example.com:443"]) expect(shown).toContain(text);
    await crib.ok("rm", "granted");
  });
});

describe("calls", () => {
  test("arguments from stdin; numbers beyond 2^53 come through", async () => {
    expect(await crib.run(["call", "sdk__echo", "-"], { stdin: '{"text":"from stdin"}' })).toEqual({
      code: 0,
      stdout: "from stdin\n",
      stderr: "",
    });
    await crib.ok("add", "--yes", "--name", "exact", ...raw("echo"));
    const args = '{"big":9007199254740993,"one":1.0,"huge":1e400,"minus":-0}';
    expect(await crib.ok("call", "exact__raw", args, "--json")).toContain(`"arguments":${args}`);
    expect(await crib.ok("call", "exact__odd", "--json")).toContain('"big":9007199254740993');
    await crib.ok("rm", "exact");
  });

  test("--as is what that token may, and no more", async () => {
    await crib.ok("token", "create", "narrow", "--server", "one");
    expect(await crib.ok("tools", "--as", "narrow")).toContain("one__pong");
    expect(await crib.ok("tools", "--as", "narrow")).not.toContain("sdk__");
    expect(await crib.ok("call", "one__pong", "--as", "narrow")).toStartWith("pong ");
    const refused = await crib.run(["call", "sdk__echo", '{"text":"x"}', "--as", "narrow"]);
    expect([1, 4]).toContain(refused.code);
    expect(refused.stdout).toBe("");
    expect((await crib.run(["tools", "--as", "nobody"])).code).toBe(1);
  });

  test("a result that is no text is described, not printed", async () => {
    const called = await crib.run(["call", "sdk__structured", '{"text":"four"}']);
    expect(called.code).toBe(0);
    expect(JSON.parse(called.stdout)).toEqual({ text: "four", length: 4 });
  });

  test("^C ends a call, here and at the server", async () => {
    const calling = crib.start(["call", "sdk__slow", '{"ms":600000}']);
    await until("the call is there", async () => (await serverOf(crib, "sdk")).inFlight === 1);
    expect(await calling.kill("SIGINT")).toBe(130);
    await until("the server has heard of it", async () =>
      (await crib.ok("logs", "sdk")).includes("slow: cancelled"),
    );
    expect((await serverOf(crib, "sdk")).inFlight).toBe(0);
  });
});

describe("tokens", () => {
  test("are listed with what they may and when they were last used, also after a restart", async () => {
    const secret = (await crib.ok("token", "create", "used", "--server", "one", "--expires", "90d")).trim();
    await Agent.open(appliance.mcp(), secret);
    await appliance.stop();
    appliance = await crib.serve({ args: ["--listen", "127.0.0.1:0", "--log-level", "debug"] });
    const token = (await tokensOf(crib)).find(({ name }) => name === "used");
    expect(token).toMatchObject({ servers: ["one"], expired: false });
    expect(token?.lastUsedAt).toBeDefined();
    expect(await crib.ok("token", "ls")).toContain("used");
    await crib.ok("token", "revoke", "used");
  });
});

describe("the appliance", () => {
  test("settings: value and source of each", async () => {
    expect(await settingsOf(crib)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ key: "log_level", value: "debug", source: "--log-level" }),
        expect.objectContaining({ key: "max_sessions", value: "10000", source: "default" }),
      ]),
    );
    expect(await crib.ok("settings")).toMatch(/^listen\s+127\.0\.0\.1:0\s+--listen/m);
  });

  test("doctor: each finding with a state", async () => {
    const ran = await crib.run(["doctor", "--json"]);
    const Finding = v.looseObject({
      name: v.string(),
      state: v.picklist(["ok", "partial", "missing"]),
      detail: v.string(),
    });
    const { findings } = v.parse(v.object({ findings: v.array(Finding) }), JSON.parse(ran.stdout));
    expect(findings.length).toBeGreaterThan(3);
  });

  test("setup-url says that the console comes later", async () => {
    const ran = await crib.run(["setup-url"]);
    expect(ran.code).not.toBe(0);
    expect(ran.stderr).toContain("console");
  });

  test("logs are lines of JSON; calls are in them at debug, and no secret at all", async () => {
    await crib.ok("call", "one__pong");
    await until("the line of the call", () => appliance.output.includes('"msg":"call"'));
    const lines = appliance.output
      .trimEnd()
      .split("\n")
      .filter((line) => line.startsWith("{"));
    for (const line of lines)
      v.assert(v.looseObject({ time: v.string(), level: v.string(), msg: v.string() }), JSON.parse(line));
    const metrics = await (await fetch(new URL("/metrics", appliance.url))).text();
    const printed = [
      appliance.output,
      metrics,
      await crib.ok("show", "sdk"),
      await crib.ok("show", "sdk", "--json"),
      await crib.ok("ls", "--json"),
      await crib.ok("settings", "--json"),
    ];
    for (const text of printed) expect(text).not.toContain(SECRET);
    expect(metrics).toMatch(/^toolcrib_server_state\{server="one",state="ready"\} 1$/m);
  });
});
