// Bad input gets a clear answer: each case says what happened in one sentence, and leaves nothing half-made.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, writeFile } from "node:fs/promises";
import { type Appliance, Crib, type Ran } from "./appliance.ts";
import { type FakeRegistry, registryEnv, registryOf, serverPackage } from "./packages.ts";
import { raw, small } from "./servers.ts";
import { serverNamesOf, serverOf, serversOf, tokensOf } from "./views.ts";
import { until, within } from "./wait.ts";

setDefaultTimeout(60_000);

let crib: Crib;
let appliance: Appliance;
let registry: FakeRegistry;

beforeAll(async () => {
  crib = await Crib.create();
  registry = await registryOf(
    await serverPackage("tiny-mcp"),
    await serverPackage("slow-mcp"),
    { ...(await serverPackage("tampered-mcp")), claims: `sha512-${"A".repeat(86)}==` },
    await serverPackage("library", { bin: {} }),
    await serverPackage("lost-program", { bin: "not-there.js" }),
    await serverPackage("lost-dependency", { dependencies: { "nobody-published-this": "1.0.0" } }),
  );
  appliance = await crib.serve({ env: registryEnv(registry) });
  await crib.ok("add", "--yes", "--name", "good", ...small());
});
afterEach(async () => {
  // Whatever went wrong, the good one is there, works, and no installation is left in the middle.
  expect(await crib.ok("call", "good__pong")).toStartWith("pong ");
  expect((await crib.homeListing()).filter((path) => path.includes("staging"))).toEqual([]);
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await registry.stop();
  await crib.remove();
});

/** One clear sentence for a person: not a stack, not an object, not a screen full of text. */
function expectSentence({ stdout, stderr }: Ran): void {
  expect(stderr.trim()).not.toBe("");
  expect(stderr).not.toMatch(/^\s+at |\[object |undefined|\$bunfs|node:internal/m);
  expect(stderr.length).toBeLessThan(4000);
  expect(stdout).not.toContain("Error");
}

describe("packages", () => {
  const cases: Readonly<Record<string, { line: readonly string[]; says: RegExp }>> = {
    "that nobody published": { line: ["npx", "nobody-published-this"], says: /nobody-published-this/ },
    "of a version that nobody published": { line: ["npx", "tiny-mcp@9.9.9"], says: /9\.9\.9/ },
    "without a program": { line: ["npx", "library"], says: /library.*(bin|program)/s },
    "whose program is not in the archive": { line: ["npx", "lost-program"], says: /not-there\.js/ },
    "whose archive is not the one that was announced": {
      line: ["npx", "tampered-mcp"],
      says: /tampered-mcp/,
    },
    "with a dependency that nobody published": {
      line: ["npx", "lost-dependency"],
      says: /nobody-published-this/,
    },
  };
  for (const [label, { line, says }] of Object.entries(cases)) {
    test(label, async () => {
      const added = await crib.run(["add", "--yes", ...line]);

      expect(added.code).toBe(1);
      expect(added.stderr).toMatch(says);
      expectSentence(added);
      expect(await serverNamesOf(crib)).toEqual(["good"]);
      expect((await crib.homeListing()).filter((path) => /vault\/npm\/[^/]+\/$/.test(path))).toEqual([]);
    });
  }

  test("from a registry that is down, and again when it is up", async () => {
    registry.failWith = 503;
    const failed = await crib.run(["add", "--yes", "npx", "tiny-mcp"]);
    registry.failWith = undefined;
    expect(failed.code).toBe(1);
    expectSentence(failed);
    expect(await serverNamesOf(crib)).toEqual(["good"]);

    await crib.ok("add", "--yes", "npx", "tiny-mcp");
    expect(await crib.ok("call", "tiny__greet")).toBe("hello from the package\n");
    await crib.ok("rm", "tiny");
  });

  test("an interrupted installation leaves nothing and can be retried", async () => {
    // Not tiny-mcp: what is in the vault already is not asked for again.
    const asked = registry.hold(".tgz");
    const adding = crib.start(["add", "--yes", "npx", "slow-mcp"]);
    await within("the archive is asked for", asked);
    await adding.kill("SIGINT");
    registry.release();

    expect(adding.exitCode).toBe(130);
    expect(await serverNamesOf(crib)).toEqual(["good"]);
    await until("nothing of it is left", async () =>
      (await crib.homeListing()).every((path) => !path.includes("staging")),
    );
    await crib.ok("add", "--yes", "npx", "slow-mcp");
    expect(await crib.ok("call", "slow__greet")).toBe("hello from the package\n");
    await crib.ok("rm", "slow");
  });
});

describe("servers that do not start", () => {
  const cases: Readonly<Record<string, { line: readonly string[]; says: RegExp }>> = {
    "ends at once": { line: raw("exit-at-once"), says: /missing API key/ },
    "never answers initialize": {
      line: raw("hang-initialize"),
      says: /(initialize|handshake|answer).*1 ?s|1 ?s.*(initialize|handshake|answer)/is,
    },
    "speaks another language": {
      line: raw("other-language"),
      says: /HTTP\/1\.1 400|not JSON|initialize|handshake/i,
    },
  };
  for (const [label, { line, says }] of Object.entries(cases)) {
    test(label, async () => {
      const added = await crib.run(["add", "--yes", "--name", "bad", "--start-timeout", "1s", ...line]);

      expect(added.code).toBe(1);
      expect(added.stderr).toMatch(says);
      expectSentence(added);
      // Whole or not at all: what is kept can be shown, and says why it does not run.
      const kept = (await serversOf(crib)).find(({ name }) => name === "bad");
      if (kept === undefined) return;
      expect(added.stderr).toMatch(/saved|kept|added|configured/i);
      expect((await serverOf(crib, "bad")).reason).toMatch(says);
      await crib.ok("rm", "bad");
      expect(await serverNamesOf(crib)).toEqual(["good"]);
    });
  }

  test("a program that is not there", async () => {
    const added = await crib.run(["add", "--yes", "--name", "bad", "/opt/nothing/here"]);
    expect(added.code).not.toBe(0);
    expect(added.stderr).toContain("/opt/nothing/here");
    expectSentence(added);
    await crib.run(["rm", "bad"]);
  });

  test("a program that may not be run", async () => {
    await writeFile(crib.file("plain.txt"), "text");
    await chmod(crib.file("plain.txt"), 0o644);
    const added = await crib.run(["add", "--yes", "--name", "bad", crib.file("plain.txt")]);
    expect(added.code).not.toBe(0);
    expect(added.stderr).toContain("plain.txt");
    expectSentence(added);
    await crib.run(["rm", "bad"]);
  });

  test("a project that only the host's uv could run, where it has none: how to get it", async () => {
    const words = ["uv", "--directory", crib.work, "run", "server.py"];
    const added = await crib.run(["add", "--yes", "--name", "bad", ...words]);
    expect(added.code).not.toBe(0);
    expect(added.stderr).toMatch(/install uv\b/);
    expectSentence(added);
    await crib.run(["rm", "bad"]);
  });
});

describe("calls", () => {
  test("to a tool that is not there: the nearest name", async () => {
    const called = await crib.run(["call", "good__pnog"]);
    expect(called.code).toBe(1);
    expect(called.stderr).toContain("good__pnog");
    expect(called.stderr).toContain("good__pong");
    expectSentence(called);
  });

  test("with arguments that are not JSON, or not an object", async () => {
    for (const args of ["{", "[]", "7", '{"a":}']) {
      const called = await crib.run(["call", "good__pong", args]);
      expect([1, 2]).toContain(called.code);
      expectSentence(called);
    }
  });

  test("to a disabled server: says so, and starts nothing; enabled it answers again", async () => {
    await crib.ok("add", "--yes", "--name", "switched", ...small());
    await crib.ok("disable", "switched");
    const called = await crib.run(["call", "switched__pong"]);
    expect(await serverOf(crib, "switched")).toMatchObject({ state: "disabled", enabled: false });
    expect(await serverOf(crib, "switched")).not.toHaveProperty("pid");
    await crib.ok("enable", "switched");
    expect(await crib.ok("call", "switched__pong")).toStartWith("pong ");
    await crib.ok("rm", "switched");

    expect(called.code).toBe(1);
    expect(called.stderr).toMatch(/disabled/);
    expect(called.stderr).toMatch(/toolcrib enable/);
  });

  test("to a crashing server: the error carries its last words; show keeps them", async () => {
    await crib.ok("add", "--yes", "--name", "crashing", ...raw("exit-after", "0"));
    const called = await crib.run(["call", "crashing__count"]);
    expect(called.code).toBe(1);
    expect(called.stderr).toContain("gone after 0 calls");
    expectSentence(called);
    const crashed = await until("the crash is seen", async () => {
      const server = await serverOf(crib, "crashing");
      return server.lastCrash === undefined ? undefined : server;
    });
    expect(crashed.lastCrash).toContain("gone after 0 calls");
    expect(crashed.exits).toBeGreaterThan(0);
    await crib.ok("rm", "crashing");
  });
});

describe("names", () => {
  test("in use: exit 5, and the one that has it is as it was", async () => {
    const before = await serverOf(crib, "good");
    const again = await crib.run(["add", "--yes", "--name", "good", ...raw("echo")]);
    expect(again.code).toBe(5);
    expect(again.stderr).toContain("good");
    expectSentence(again);
    expect((await serverOf(crib, "good")).runs).toBe(before.runs);

    await crib.ok("token", "create", "twice");
    const token = await crib.run(["token", "create", "twice"]);
    expect(token).toMatchObject({ code: 5, stdout: "" });
    expect((await tokensOf(crib)).filter(({ name }) => name === "twice")).toHaveLength(1);
    await crib.ok("token", "revoke", "twice");
  });

  test("that nobody has: the nearest one", async () => {
    for (const verb of ["show", "rm", "enable", "disable", "restart", "logs"]) {
      const ran = await crib.run([verb, "goood"]);
      expect({ verb, code: ran.code, stderr: ran.stderr }).toMatchObject({
        verb,
        code: 1,
        stderr: expect.stringContaining("good"),
      });
    }
    expect(await serverNamesOf(crib)).toEqual(["good"]);
    expect((await crib.run(["token", "revoke", "nobody"])).code).toBe(1);
    expect((await crib.run(["token", "create", "x", "--server", "goood"])).code).not.toBe(0);
  });

  test("that cannot be one", async () => {
    for (const name of ["a__b", "UPPER", "-", "x".repeat(41), "../up", ""]) {
      const added = await crib.run(["add", "--yes", "--name", name, ...small()]);
      expect([1, 2]).toContain(added.code);
      expectSentence(added);
    }
    expect(await serverNamesOf(crib)).toEqual(["good"]);
  });
});
