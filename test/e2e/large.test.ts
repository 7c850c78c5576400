// Large messages in both directions, through real servers: what goes in comes out, byte for byte.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as v from "valibot";
import { Agent } from "./agent.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { residentKib } from "./processes.ts";
import { bigEcho, everything, raw, small } from "./servers.ts";
import { textOf, ToolResult } from "./views.ts";
import { until } from "./wait.ts";

setDefaultTimeout(120_000);

const MIB = 1 << 20;

let crib: Crib;
let appliance: Appliance;
let token: string;

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await crib.serve();
  await crib.ok("add", "--yes", "--name", "everything", ...everything());
  await crib.ok("add", "--yes", "--name", "echo", ...bigEcho());
  await crib.ok("add", "--yes", "--name", "line", ...raw("line"));
  await crib.ok("add", "--yes", "--name", "other", ...small());
  token = (await crib.ok("token", "create", "agent")).trim();
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
});

/** Text of so many bytes in which a lost or moved piece is seen. */
function sized(bytes: number): string {
  const words: string[] = [];
  for (let length = 0, index = 0; length < bytes; index++) {
    const word = `${index} né 😀 "\\ `;
    words.push(word);
    length += Buffer.byteLength(word);
  }
  return words.join("");
}

// 12 MiB is more than the packaged server takes: its own limit for one message is 10 MiB.
test("1 MiB through a packaged server", async () => {
  const agent = await Agent.open(appliance.mcp(), token);
  const message = sized(MIB);
  const { result, error } = await agent.call("everything__echo", { message });
  expect(error).toBeUndefined();
  expect(textOf(result) === `Echo: ${message}`).toBe(true);
});

for (const mib of [1, 12]) {
  describe(`${mib} MiB`, () => {
    test("as a request and in its result", async () => {
      const agent = await Agent.open(appliance.mcp(), token);
      const text = sized(mib * MIB);
      const { result, error } = await agent.call("echo__echo", { text });
      expect(error).toBeUndefined();
      expect(textOf(result) === text).toBe(true);
    });

    test("as a result, four at once, in JSON and as events", async () => {
      const agent = await Agent.open(appliance.mcp(), token);
      const call = { method: "tools/call", params: { name: "line__line", arguments: { bytes: mib * MIB } } };
      const answers = await Promise.all(
        [1, 2, 3, 4].map((id) =>
          agent.send(
            { jsonrpc: "2.0", id, ...call },
            id % 2 === 0 ? { accept: "application/json" } : { accept: "text/event-stream" },
          ),
        ),
      );
      for (const [index, { status, messages }] of answers.entries()) {
        expect(status).toBe(200);
        const message = messages.find(({ id }) => id === index + 1);
        const [block] = v.parse(ToolResult, message?.result).content;
        expect(block?.text?.length ?? 0).toBeGreaterThan(mib * MIB - 200);
      }
    });
  });
}

test("the command line sends and prints large values too", async () => {
  const { stdout } = await crib.run(["call", "line__line", JSON.stringify({ bytes: 12 * MIB })]);
  expect(stdout.length).toBeGreaterThan(12 * MIB - 200);
});

test("a line over 64 MiB ends its server with an error for the caller, and no other server", async () => {
  const agent = await Agent.open(appliance.mcp(), token);
  const { error } = await agent.call("line__line", { bytes: 65 * MIB });
  expect(error?.message).toMatch(/line/);
  expect(textOf((await agent.call("other__pong")).result)).toStartWith("pong ");
  await until(
    "the server answers again",
    async () => (await agent.call("line__line", { bytes: 1000 })).result,
  );
});

test("memory comes back", async () => {
  await until(
    "less than 600 MiB after all this",
    async () => (await residentKib(appliance.pid)) < 600 * 1024,
  );
});
