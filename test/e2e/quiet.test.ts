// Streams that are quiet for longer than a runtime's usual patience (10 s): a call that takes its time, a GET stream
// on which nothing happens, followed logs. All at once, so that the wait is one.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Agent } from "./agent.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { connectV1 } from "./clients.ts";
import { sdk, small } from "./servers.ts";
import { textOf } from "./views.ts";
import { until } from "./wait.ts";

setDefaultTimeout(90_000);

/** Longer than 10 s between two signs of life: the tool reports four times in this time, to those who ask. */
const QUIET_MS = 13_000;

let crib: Crib;
let appliance: Appliance;
const over = new AbortController();

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await crib.serve();
  await crib.ok("add", "--yes", "--name", "sdk", ...sdk());
});
afterAll(async () => {
  over.abort();
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
});

test("nobody is cut off", async () => {
  const token = (await crib.ok("token", "create", "agent")).trim();
  const agent = await Agent.open(appliance.mcp(), token);
  const stream = await agent.stream(over.signal);
  const official = await connectV1(appliance.mcp(), token);
  const logs = crib.start(["logs", "sdk", "-f"]);
  const call = { method: "tools/call", params: { name: "sdk__slow", arguments: { ms: QUIET_MS } } };

  const [events, json, sdkResult, cli] = await Promise.all([
    agent.send({ jsonrpc: "2.0", id: 1, ...call }, { accept: "text/event-stream" }),
    agent.send({ jsonrpc: "2.0", id: 2, ...call }, { accept: "application/json" }),
    official.call("sdk__slow", { ms: QUIET_MS }),
    crib.run(["call", "sdk__slow", JSON.stringify({ ms: QUIET_MS })]),
  ]);

  expect(textOf(events.messages.at(-1)?.result)).toBe("done");
  expect(textOf(json.messages.at(-1)?.result)).toBe("done");
  expect(textOf(sdkResult)).toBe("done");
  expect(cli).toEqual({ code: 0, stdout: "done\n", stderr: "" });

  // The streams that had nothing to say all that time still speak.
  await crib.ok("add", "--yes", "--name", "new", ...small());
  await until("the GET stream hears of a change", () =>
    stream.messages.some(({ method }) => method === "notifications/tools/list_changed"),
  );
  expect(logs.ended).toBe(false);
  await crib.run(["call", "sdk__crash", '{"message":"heard live"}']);
  await until("the followed log has the last words", () => logs.output.includes("crash: heard live"));
  await logs.kill("SIGINT");
  await official.close();
});
