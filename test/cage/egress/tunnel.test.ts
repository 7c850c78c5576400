// Bytes through a tunnel: all of them, in order, as fast as the slower end, ended as they were ended.

import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import * as fc from "fast-check";
import { ending, received, standIn, type StandIn, until } from "./stand-in.ts";

const open: StandIn[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

const ADDRESS = "127.9.9.9";
/** Both ends of a tunnel. */
async function tunnel(): Promise<{ one: StandIn; agent: Socket; host: Socket }> {
  const one = await standIn({ rules: [`${ADDRESS}:443`] });
  open.push(one);
  const accepted = Promise.withResolvers<Socket>();
  await one.serve(ADDRESS, 443, (socket) => accepted.resolve(socket.pause()));
  const agent = await one.connect(ADDRESS, 443);
  return { one, agent: agent.pause(), host: await accepted.promise };
}

const MIB = 1024 ** 2;

test("large transfers arrive whole in both directions at once", async () => {
  const { one, agent, host } = await tunnel();
  const [up, down] = [Buffer.alloc(8 * MIB), Buffer.alloc(6 * MIB)];
  for (let at = 0; at < up.length; at += 4) up.writeUInt32LE(at, at);
  for (let at = 0; at < down.length; at += 4) down.writeUInt32LE(~at >>> 0, at);
  agent.end(up);
  host.end(down);
  const [atAgent, atHost] = await Promise.all([ending(agent), ending(host)]);
  expect(digest(atHost.bytes)).toBe(digest(up));
  expect(digest(atAgent.bytes)).toBe(digest(down));
  expect([atAgent.how, atHost.how]).toEqual(["end", "end"]);
  await until(() => one.egress.traffic()[0]?.open === 0);
  expect(one.egress.traffic()[0]).toMatchObject({ bytesUp: up.length, bytesDown: down.length });
});

describe("an end that does not read", () => {
  test.each(["agent", "host"] as const)("stops the %s that writes to it", async (writer) => {
    const { one, agent, host } = await tunnel();
    const [from, to] = writer === "agent" ? [agent, host] : [host, agent];
    const moved = (): number => {
      const { bytesUp = 0, bytesDown = 0 } = one.egress.traffic()[0] ?? {};
      return bytesUp + bytesDown;
    };
    const chunk = Buffer.alloc(256 * 1024, 7);
    let written = 0;
    // Until nothing moves any more: then all buffers on the way are full.
    for (let before = -1; written < 256 * MIB && before !== moved();) {
      before = moved();
      for (let round = 0; round < 8; round++) {
        from.write(chunk);
        written += chunk.length;
        for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    expect(written).toBeLessThan(256 * MIB);
    const stuck = moved();
    expect(stuck).toBeLessThan(written);
    // And goes on when it is read.
    from.end();
    const { bytes, how } = await ending(to);
    expect(bytes.length).toBe(written);
    expect(how).toBe("end");
  });
});

test("each direction ends by itself", async () => {
  const { agent, host } = await tunnel();
  agent.end("question");
  expect((await received(host, 8)).toString()).toBe("question");
  await once(host.resume(), "end");
  // Only now, and long after the other direction was over.
  host.write("answer");
  expect((await received(agent, 6)).toString()).toBe("answer");
  host.end("!");
  expect((await ending(agent)).bytes.toString()).toBe("!");
});

test("a reset of one end is a reset of the other", async () => {
  for (const which of ["agent", "host"] as const) {
    const { one, agent, host } = await tunnel();
    const [gone, left] = which === "agent" ? [agent, host] : [host, agent];
    gone.write("x");
    await received(left);
    gone.resetAndDestroy();
    expect((await ending(left)).how).toBe("reset");
    await until(() => one.egress.traffic()[0]?.open === 0);
  }
});

test("whatever the pieces and pauses, nothing is lost or out of order", async () => {
  const piece = fc.record({
    size: fc.integer({ min: 1, max: 200_000 }),
    up: fc.boolean(),
    pause: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 20 }), async (pieces) => {
      const { one, agent, host } = await tunnel();
      const sent = { up: createHash("sha256"), down: createHash("sha256") };
      const both = Promise.all([ending(agent), ending(host)]);
      for (const [index, { size, up, pause }] of pieces.entries()) {
        const [from, to] = up ? [agent, host] : [host, agent];
        const bytes = Buffer.alloc(size, index);
        sent[up ? "up" : "down"].update(bytes);
        if (pause) to.pause();
        from.write(bytes);
        await new Promise((resolve) => setImmediate(resolve));
        to.resume();
      }
      agent.end();
      host.end();
      const [atAgent, atHost] = await both;
      expect(digest(atHost.bytes)).toBe(sent.up.digest("hex"));
      expect(digest(atAgent.bytes)).toBe(sent.down.digest("hex"));
      await one.close();
    }),
    { numRuns: 15 },
  );
});

function digest(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
