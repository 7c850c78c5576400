// A person at a terminal: `add` shows what it will do, asks, and shows how far it is.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { type Appliance, Crib } from "./appliance.ts";
import { type FakeRegistry, registryEnv, registryOf, serverPackage } from "./packages.ts";
import { small } from "./servers.ts";
import { serverNamesOf } from "./views.ts";
import { until, within } from "./wait.ts";

setDefaultTimeout(60_000);

let crib: Crib;
let appliance: Appliance;
let registry: FakeRegistry;

beforeAll(async () => {
  crib = await Crib.create();
  registry = await registryOf(await serverPackage("tiny-mcp"));
  appliance = await crib.serve({ env: registryEnv(registry) });
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await registry.stop();
  await crib.remove();
});

interface Session {
  readonly screen: () => string;
  type(text: string): void;
  /** Its exit code. */
  readonly ended: Promise<number>;
}

/** One verb on a terminal of its own. */
function atTerminal(words: readonly string[], env: Readonly<Record<string, string>> = {}): Session {
  let screen = "";
  const child = Bun.spawn([join(crib.directory, "bin/toolcrib"), ...words], {
    cwd: crib.work,
    env: crib.env({ TERM: "xterm-256color", ...env }),
    terminal: {
      cols: 100,
      rows: 30,
      data: (_terminal, bytes) => void (screen += new TextDecoder().decode(bytes)),
    },
  });
  return {
    screen: () => screen,
    type: (text) => void child.terminal?.write(text),
    ended: within(`${words.join(" ")} ends`, child.exited, 30_000),
  };
}

describe("add", () => {
  test("asks after it has shown the plan; n adds nothing", async () => {
    const asked = atTerminal(["add", "npx", "tiny-mcp"]);
    await until("a question", () => /\[y\/N\]/.test(asked.screen()));
    expect(asked.screen()).toContain("tiny");
    expect(asked.screen()).toContain("npx tiny-mcp");
    asked.type("n\r");
    expect(await asked.ended).toBe(1);
    expect(await serverNamesOf(crib)).toEqual([]);
    expect(registry.asked).toEqual([]);
  });

  test("^C at the question is 130 and adds nothing", async () => {
    const asked = atTerminal(["add", "npx", "tiny-mcp"]);
    await until("a question", () => /\[y\/N\]/.test(asked.screen()));
    asked.type("\u0003");
    expect(await asked.ended).toBe(130);
    expect(await serverNamesOf(crib)).toEqual([]);
  });

  test("y adds it, and each stage is shown", async () => {
    const asked = atTerminal(["add", "npx", "tiny-mcp"]);
    await until("a question", () => /\[y\/N\]/.test(asked.screen()));
    asked.type("y\r");
    expect(await asked.ended).toBe(0);
    for (const stage of ["resolving", "downloading", "starting", "ready"])
      expect(asked.screen()).toContain(stage);
    expect(asked.screen()).toMatch(/1 tool\b/);
    expect(await serverNamesOf(crib)).toEqual(["tiny"]);
  });

  test("what a server's words hide is shown, not obeyed", async () => {
    const asked = atTerminal(["add", "--name", "odd", "/bin/sh", "-c", "true \u001b[2J\u202e # evil"]);
    await until("a question", () => /\[y\/N\]/.test(asked.screen()));
    expect(asked.screen()).not.toContain("\u001b[2J");
    expect(asked.screen()).not.toContain("\u202e");
    asked.type("n\r");
    expect(await asked.ended).toBe(1);
  });
});

describe("colour", () => {
  test("is there on a terminal and not with NO_COLOR", async () => {
    await crib.ok("add", "--yes", "--name", "one", ...small());
    const coloured = atTerminal(["ls"]);
    expect(await coloured.ended).toBe(0);
    await until("the table", () => coloured.screen().includes("one"));
    expect(coloured.screen()).toContain("\u001b[");
    const plain = atTerminal(["ls"], { NO_COLOR: "1" });
    expect(await plain.ended).toBe(0);
    await until("the table", () => plain.screen().includes("one"));
    expect(plain.screen()).not.toContain("\u001b[");
  });
});
