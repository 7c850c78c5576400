// An open GET stream hears when what its caller sees has changed, and only then.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Agent, type EventReader } from "./agent.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { sdk, small } from "./servers.ts";
import { textOf, toolNamesOf } from "./views.ts";
import { until } from "./wait.ts";

setDefaultTimeout(60_000);

const CHANGED = "notifications/tools/list_changed";

let crib: Crib;
let appliance: Appliance;
let wide: Agent;
let narrow: Agent;
const over = new AbortController();

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await crib.serve();
  await crib.ok("add", "--yes", "--name", "first", ...small());
  wide = await Agent.open(appliance.mcp(), (await crib.ok("token", "create", "wide")).trim());
  narrow = await Agent.open(
    appliance.mcp(),
    (await crib.ok("token", "create", "narrow", "--server", "first")).trim(),
  );
});
afterAll(async () => {
  over.abort();
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
});

function changes(reader: EventReader): number {
  return reader.messages.filter(({ method }) => method === CHANGED).length;
}

test("of added, disabled, enabled and removed servers", async () => {
  const seen = await wide.stream(over.signal);
  const unmoved = await narrow.stream(over.signal);

  const steps: readonly { words: readonly string[]; tools: readonly string[] }[] = [
    { words: ["add", "--yes", "--name", "second", ...small()], tools: ["first__pong", "second__pong"] },
    { words: ["disable", "second"], tools: ["first__pong"] },
    { words: ["enable", "second"], tools: ["first__pong", "second__pong"] },
    { words: ["rm", "second"], tools: ["first__pong"] },
  ];
  for (const { words, tools } of steps) {
    const before = changes(seen);
    await crib.ok(...words);
    await until(`${CHANGED} after ${words[0]}`, () => changes(seen) > before);
    expect(await wide.toolNames()).toEqual([...tools]);
  }

  // What this caller may see did not change once; the same stream still works.
  expect(changes(unmoved)).toBe(0);
  await crib.ok("rm", "first");
  await until("the narrow caller hears of its own server", () => changes(unmoved) > 0);
  expect(await narrow.toolNames()).toEqual([]);
});

test("of tools that a server adds while it runs", async () => {
  await crib.ok("add", "--yes", "--name", "sdk", ...sdk());
  const seen = await wide.stream(over.signal);
  await wide.call("sdk__add_tool", { name: "later" });
  await until(`${CHANGED} after the new tool`, () => changes(seen) > 0);
  expect(await wide.toolNames()).toContain("sdk__later");
  expect(textOf((await wide.call("sdk__later")).result)).toBe("later");
  expect(await toolNamesOf(crib)).toContain("sdk__later");
});
