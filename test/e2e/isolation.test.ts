// One bad server is one bad server: while it hangs, floods, crashes or does not read, the others are listed and called
// at once, and the appliance does not grow. Bounds here are far from what is usual and far below the bad one's own.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Agent } from "./agent.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { residentKib, runs, signal } from "./processes.ts";
import { everything, raw, small } from "./servers.ts";
import { serverOf, textOf } from "./views.ts";
import { until, within } from "./wait.ts";

setDefaultTimeout(90_000);

const MIB = 1 << 20;
const LIMITS = {
  TOOLCRIB_MAX_BODY_BYTES: "2MiB",
  TOOLCRIB_MAX_LINE_BYTES: "4MiB",
  TOOLCRIB_MAX_QUEUED_BYTES: "4MiB",
};

let crib: Crib;
let appliance: Appliance;
let token: string;
let agent: Agent;

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await crib.serve({ env: LIMITS });
  await crib.ok("add", "--yes", "--name", "good", ...small());
  await crib.ok("add", "--yes", "--name", "everything", ...everything());
  token = (await crib.ok("token", "create", "agent")).trim();
  agent = await Agent.open(appliance.mcp(), token);
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
});

/** The good servers are listed and called, in the same session and in a new one. */
async function othersWork(): Promise<void> {
  const names = await within("tools/list", agent.toolNames(), 5000);
  expect(names).toEqual(expect.arrayContaining(["everything__echo", "good__pong"]));
  const { result } = await within("tools/call", agent.call("good__pong"), 5000);
  expect(textOf(result)).toStartWith("pong ");
  const another = await within("a new session", Agent.open(appliance.mcp(), token), 5000);
  const echoed = await within("tools/call", another.call("everything__echo", { message: "hi" }), 5000);
  expect(textOf(echoed.result)).toBe("Echo: hi");
  await another.close();
}

describe("a server that", () => {
  test("hangs at initialize", async () => {
    const adding = crib.start([
      "add",
      "--yes",
      "--name",
      "hangs",
      "--start-timeout",
      "60s",
      ...raw("hang-initialize"),
    ]);
    await until("it is starting", async () =>
      (await crib.run(["show", "hangs", "--json"])).stdout.includes('"starting"'),
    );
    await othersWork();
    expect((await serverOf(crib, "hangs")).state).toBe("starting");
    await adding.kill("SIGINT");
    await crib.ok("rm", "hangs");
  });

  test("hangs at initialize after a restart of the appliance", async () => {
    await crib.run(["add", "--yes", "--name", "hangs", "--start-timeout", "1s", ...raw("hang-initialize")]);
    await appliance.stop();
    appliance = await crib.serve({ env: LIMITS });
    agent = await Agent.open(appliance.mcp(), token);
    // Somebody wants it: it hangs, they wait, nobody else does.
    const waiting = Agent.open(appliance.mcp("hangs"), token).then(
      (opened) => opened.request("tools/list"),
      (error: unknown) => error,
    );
    await othersWork();
    await within("the one who wanted it has an answer", waiting, 20_000);
    await crib.run(["rm", "hangs"]);
  });

  test("floods stdout", async () => {
    await crib.ok("add", "--yes", "--name", "floods", ...raw("floods-stdout", "128"));
    await othersWork();
    expect(await residentKib(appliance.pid)).toBeLessThan(400 * 1024);
    await crib.ok("rm", "floods");
  });

  test("floods stderr", async () => {
    await crib.ok("add", "--yes", "--name", "noisy", ...raw("floods-stderr", "128"));
    await othersWork();
    expect((await crib.ok("logs", "noisy")).length).toBeLessThan(4 * MIB);
    expect(await residentKib(appliance.pid)).toBeLessThan(400 * 1024);
    await crib.ok("rm", "noisy");
  });

  test("begins a line and does not end it", async () => {
    await crib.run(["add", "--yes", "--name", "endless", ...raw("endless-line", "initialized")]);
    await othersWork();
    const ended = await until("it was ended", async () => {
      const server = await serverOf(crib, "endless");
      return server.exits > 0 ? server : undefined;
    });
    expect(ended.reason).toMatch(/line/);
    expect(await residentKib(appliance.pid)).toBeLessThan(400 * 1024);
    await crib.ok("rm", "endless");
  });

  test("does not read: what waits for it is bounded, what cannot wait is told so", async () => {
    await crib.ok("add", "--yes", "--name", "deaf", ...raw("never-reads", "4"));
    const big = { text: "x".repeat(MIB) };
    const calls = Array.from({ length: 24 }, () => agent.call("deaf__noop", big));
    const first = await within("somebody is told", Promise.race(calls), 20_000);
    expect(first.error?.message).toMatch(/deaf/);
    await othersWork();
    expect(await residentKib(appliance.pid)).toBeLessThan(400 * 1024);
    // Its end is an answer for everybody who waits.
    await crib.ok("disable", "deaf");
    const answers = await within("all are answered", Promise.all(calls), 20_000);
    // It read, and answered, four messages after its handshake.
    expect(answers.filter(({ error }) => error !== undefined).length).toBeGreaterThanOrEqual(20);
    await crib.ok("rm", "deaf");
  });

  test("crashes at every call", async () => {
    await crib.ok("add", "--yes", "--name", "crashes", ...raw("exit-after", "0"));
    for (let round = 0; round < 3; round++) {
      const { error } = await within("an error", agent.call("crashes__count"), 20_000);
      expect(error?.message).toMatch(/gone after 0 calls|crashes/);
      await othersWork();
    }
    await crib.ok("rm", "crashes");
  });

  test("prints noise between its answers: the answers count", async () => {
    await crib.ok("add", "--yes", "--name", "noise", ...raw("garbage"));
    for (let round = 0; round < 5; round++) {
      expect(textOf((await agent.call("noise__find")).result)).toBe("found");
    }
    await crib.ok("rm", "noise");
  });

  test("lies about ids: nobody gets a lie, and everybody an answer", async () => {
    await crib.ok("add", "--yes", "--name", "lies", "--call-timeout", "2s", ...raw("lies"));
    const names = (await agent.toolNames()).filter((name) => name.startsWith("lies__"));
    expect(names.length).toBeGreaterThan(5);
    const answers = await within(
      "all are answered",
      Promise.all(names.map((name) => agent.call(name))),
      20_000,
    );
    for (const [index, { result, error }] of answers.entries()) {
      const name = names[index];
      // Not an object, or result and error at once: any answer will do that is not the lie.
      if (/number_result|both/.test(name ?? ""))
        expect(JSON.stringify({ name, result, error })).not.toMatch(/"text":"lie"/);
      // Two ids: the last one counts for some readers, none for others.
      else if (error !== undefined) expect(name).toMatch(/duplicate_id/);
      else expect({ name, text: textOf(result) }).toEqual({ name, text: "true" });
    }
    await othersWork();
    await crib.ok("rm", "lies");
  });
});

describe("kill -9 of a server", () => {
  test("under load: every call is answered, and the same session works again", async () => {
    const over = new AbortController();
    const errors: string[] = [];
    let answered = 0;
    const load = Array.from({ length: 16 }, async () => {
      while (!over.signal.aborted) {
        const { result, error } = await within(
          "an answer",
          agent.call("everything__echo", { message: "hi" }),
          20_000,
        );
        if (error !== undefined) errors.push(error.message);
        else expect(textOf(result)).toBe("Echo: hi");
        answered++;
      }
    });
    await until("calls are answered", () => answered > 200);
    const { pid = 0 } = await serverOf(crib, "everything");
    const mark = answered;
    signal(pid, "SIGKILL");
    await until("it is gone", async () => !(await runs(pid)));
    await until("calls of the same session are answered again", async () => {
      const { result } = await agent.call("everything__echo", { message: "back" });
      return result !== undefined && textOf(result) === "Echo: back";
    });
    over.abort();
    await Promise.all(load);
    expect(answered).toBeGreaterThan(mark);
    for (const message of errors) expect(message).toContain("everything");
    expect((await serverOf(crib, "everything")).pid).not.toBe(pid);
  });

  test("with a call that it would never have answered: an error at once, which says so", async () => {
    await crib.ok("add", "--yes", "--name", "silent", ...raw("hang", "tools/call"));
    const call = agent.call("silent__noop");
    await until("the call is there", async () => (await serverOf(crib, "silent")).inFlight === 1);
    signal((await serverOf(crib, "silent")).pid ?? 0, "SIGKILL");
    const { error } = await within("the error", call, 10_000);
    expect(error?.message).toContain("silent");
    await othersWork();
    await crib.ok("rm", "silent");
  });
});
