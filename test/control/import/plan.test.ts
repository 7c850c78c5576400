// What no golden file shows well: the bounds of a plan, and that nothing of the appliance's environment enters it.

import { expect, test } from "bun:test";
import { plan } from "../../../src/control/import/plan.ts";
import { AppError } from "../../../src/errors.ts";
import type { PlanRequest } from "../../../src/model/api.ts";

const OPTIONS = { env: {}, read: [], write: [], allowHosts: [] };

function fromDocument(value: unknown, options: Partial<PlanRequest> = {}): ReturnType<typeof plan> {
  return plan({ ...OPTIONS, document: { name: "x.json", text: JSON.stringify(value) }, ...options });
}

function failure(act: () => unknown): AppError {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was thrown");
}

function servers(count: number): Record<string, { command: string }> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`s${at}`, { command: "x" }]));
}

test("500 servers are planned, 501 are refused", () => {
  expect(fromDocument({ mcpServers: servers(500) }).servers).toHaveLength(500);
  expect(failure(() => fromDocument({ mcpServers: servers(501) })).message).toContain(
    "more than 500 servers",
  );
});

test("timeouts hold for every server of a file", () => {
  const view = fromDocument({ mcpServers: servers(2) }, { startTimeoutMs: 90_000, callTimeoutMs: 5_000 });
  for (const { spec } of view.servers)
    expect(spec).toMatchObject({ startTimeoutMs: 90_000, callTimeoutMs: 5_000 });
});

test("notes stay readable, however many there are causes for", () => {
  const unknown = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`args${at}`, 1]));
  const args = Array.from({ length: 5_000 }, (_, at) => `\${V${at}}`);
  const env = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`E${at}`, null]));
  const { notes } = fromDocument({ mcpServers: { a: { command: "x", args, env, ...unknown } }, ...unknown });
  expect(notes.length).toBeLessThanOrEqual(201);
  for (const note of notes) expect(note.length).toBeLessThan(2_000);
});

test("nothing is taken from the environment", () => {
  const { PATH = "", HOME = "" } = process.env;
  const view = fromDocument({
    mcpServers: { a: { command: "x", args: ["${PATH}", "$PATH", "~"], env: { P: "${PATH}" } } },
  });
  expect(view.servers[0]?.spec).toMatchObject({ args: ["${PATH}", "$PATH", "~"], env: { P: "${PATH}" } });
  for (const value of [PATH, HOME]) expect(JSON.stringify(view)).not.toContain(value);
});

test("the command line is shown whole", () => {
  const long = "x".repeat(30_000);
  const view = plan({ ...OPTIONS, words: ["npx", "pkg", long, "end"] });
  expect(view.servers[0]?.summary[0]).toBe(`runs: npx pkg ${long} end`);
});

test.each([
  ["@".repeat(32_000)],
  [`uvx:${"@".repeat(32_000)}\n`],
  [`https://x/${"?key".repeat(8_000)}`],
  ["${".repeat(16_000)],
  [`a${"-_".repeat(16_000)}`],
])("a hostile word of 32,000 characters is dealt with", (word) => {
  const outcome = (): unknown => {
    try {
      return plan({ ...OPTIONS, words: [word] });
    } catch (thrown) {
      return thrown;
    }
  };
  const first = outcome();
  if (first instanceof Error) expect(first).toBeInstanceOf(AppError);
});
