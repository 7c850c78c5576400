// One child: its lines both ways, its bounds, the ladder that ends it, and what is told of its end.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type LaunchPlan, uncaged } from "../../src/cage/launch-plan.ts";
import type { StartedFacts } from "../../src/cage/prepared-start.ts";
import { Child, type ChildOptions } from "../../src/process/child.ts";
import { OutputRing } from "../../src/process/output-ring.ts";
import { childOf } from "../cage/launcher/family.ts";
import { until, within } from "../e2e/wait.ts";
import { isAlive, openProcessLab, type ProcessLab } from "./launched.ts";

const MIB = 1_048_576;
let lab: ProcessLab;

beforeAll(async () => {
  lab = await openProcessLab();
});
afterAll(() => lab.close());

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));

describe("messages", () => {
  test("come and go as lines, in order, however many are written at once", async () => {
    const { child, line, lines } = lab.run(["/bin/cat"]);
    for (const number of numbers(1000)) expect(child.write(bytes(`${number}\n`))).toBe(true);
    await line("999");
    expect(lines).toEqual(numbers(1000));
    await child.stop();
  });

  test("written right before the end of input still arrive", async () => {
    const { child, lines } = lab.run(["/bin/cat"]);
    for (const number of numbers(100)) child.write(bytes(`${number}\n`));
    expect(await child.stop()).toEqual({ what: "exited with code 0", lastStderrLine: undefined });
    expect(lines).toEqual(numbers(100));
    expect(child.write(bytes("late\n"))).toBe(false);
    expect(lines).not.toContain("late");
  });

  test("of any size arrive whole", async () => {
    const { child, lines } = lab.run(["/usr/bin/wc", "-c"], { maxQueuedBytes: 8 * MIB });
    expect(child.write(bytes(`${"x".repeat(5 * MIB)}\n`))).toBe(true);
    await until("all of it taken", () => child.queuedBytes === 0);
    await child.stop();
    expect(lines.map((text) => text.trim())).toEqual([String(5 * MIB + 1)]);
  });

  test("are handed on as they came, garbage too", async () => {
    const seen: Uint8Array[] = [];
    const { child } = lab.sh(String.raw`printf 'a\r\n\n\377\000\n{"x":1}\nrest'`, {
      onLine: (line) => seen.push(line),
    });
    await child.exited;
    expect(seen.map((line) => Buffer.from(line).toString("latin1"))).toEqual(["a", "\u00ff\0", '{"x":1}']);
  });
});

describe("what it is given", () => {
  test("is its whole environment and its directory", async () => {
    const { child, lines } = lab.run(["/usr/bin/env"], { env: { ONLY: "this one" } });
    await child.exited;
    expect(lines).toEqual(["ONLY=this one"]);
    const { child: where, lines: path } = lab.run(["/bin/pwd"]);
    await where.exited;
    expect(path).toEqual([lab.directory]);
  });
});

describe("the end, in words", () => {
  test.each([
    ["exit 0", "exited with code 0", undefined],
    ["echo missing API key >&2; exit 3", "exited with code 3", "missing API key"],
    ["kill -KILL $$", "was ended by SIGKILL", undefined],
    ["kill -TERM $$", "was ended by SIGTERM", undefined],
    ["kill -SEGV $$", "was ended by SIGSEGV", undefined],
    ["kill -ABRT $$", "was ended by SIGABRT", undefined],
  ] as const)("%s", async (script, what, lastStderrLine) => {
    const { child } = lab.sh(script);
    expect(await child.exited).toEqual({ what, lastStderrLine });
    expect(isAlive(child.pid)).toBe(false);
  });

  test("of a program that is not there", async () => {
    const { child, stderr } = lab.run(["/no/such/program"]);
    expect((await child.exited).what).toBe("exited with code 127");
    expect(stderr.lastLine()).toContain("/no/such/program: No such file or directory");
  });

  test("comes after all of its output", async () => {
    const { child, lines, stderr } = lab.sh("seq 0 19999; seq 0 999 >&2; exit 5");
    const report = await child.exited;
    expect(lines).toEqual(numbers(20_000));
    expect(report).toEqual({ what: "exited with code 5", lastStderrLine: "999" });
    expect(stderr.text()).toBe(numbers(1000).join("\n") + "\n");
  });

  test("is the end of all that it started, a holder of its pipes too", async () => {
    const { child, lines } = lab.sh("sleep 300 & echo $!; exit 0");
    const report = await within("the end", child.exited);
    expect(report.what).toBe("exited with code 0");
    expect(isAlive(Number(lines[0]))).toBe(false);
  });

  test("of a launcher that is not there is an error at once", () => {
    const start = (): Child =>
      new Child({
        plan: uncaged({
          argv: ["/bin/cat"],
          env: {},
          cwd: lab.directory,
          launcher: `${lab.directory}/none`,
        }),
        maxLineBytes: 1,
        maxQueuedBytes: 1,
        stderr: new OutputRing(10),
        onLine: () => undefined,
      });
    expect(start).toThrow("ENOENT");
  });
});

describe("its start", () => {
  const options = (plan: Partial<LaunchPlan>, onStarted?: ChildOptions["onStarted"]): ChildOptions => ({
    plan: { ...lab.plan(["/bin/cat"]), ...plan },
    maxLineBytes: MIB,
    maxQueuedBytes: MIB,
    stderr: new OutputRing(1000),
    onLine: () => undefined,
    ...(onStarted && { onStarted }),
  });

  test("is told once, with the process above the server, before its end", async () => {
    const told: StartedFacts[] = [];
    const child = new Child(options({}, (facts) => told.push(facts)));
    await until("it runs", () => told.length === 1);
    expect(childOf(child.pid)).toBe(told[0]?.innerPid ?? 0);
    await child.stop();
    expect(told).toHaveLength(1);
  });

  test("that cannot be is no start: the report says why, and nothing ran", async () => {
    const told: StartedFacts[] = [];
    const child = new Child(options({ cwd: "/no/such" }, (facts) => told.push(facts)));
    child.write(bytes("early\n"));
    const { blocked, lastStderrLine } = await child.exited;
    expect(blocked?.code).toBe("blocked");
    expect(blocked?.message).toContain("cannot enter /no/such: No such file or directory");
    expect({ told, lastStderrLine }).toEqual({ told: [], lastStderrLine: undefined });
    expect(isAlive(child.pid)).toBe(false);
  });

  test("that is called off at once leaves nothing, and is told at most once", async () => {
    const told: StartedFacts[] = [];
    const child = new Child(options({}, (facts) => told.push(facts)));
    const report = await child.kill("was called off");
    expect(report).toEqual({ what: "was called off", lastStderrLine: undefined });
    expect(isAlive(child.pid)).toBe(false);
    expect(told.length).toBeLessThanOrEqual(1);
    for (const { innerPid } of told) expect(isAlive(innerPid ?? 0)).toBe(false);
  });
});

describe("a line over the limit", () => {
  test("ends that child, and no other", async () => {
    const good = lab.run(["/bin/cat"]);
    const bad = lab.sh("echo first; head -c 3000000 /dev/zero; sleep 300", { maxLineBytes: MIB });
    expect(await within("the end", bad.child.exited)).toEqual({
      what: "sent a line over 1 MiB",
      lastStderrLine: undefined,
    });
    expect(bad.lines).toEqual(["first"]);
    good.child.write(bytes("still here\n"));
    expect(await good.line("still here")).toBe("still here");
    await good.child.stop();
  });

  test("of exactly the limit is none", async () => {
    const { child, lines } = lab.sh("head -c 1000 /dev/zero; echo", { maxLineBytes: 1000 });
    expect((await child.exited).what).toBe("exited with code 0");
    expect(lines).toHaveLength(1);
  });
});

describe("a child that does not read", () => {
  test("takes no more than the limit and one message, and says so", async () => {
    const limit = MIB;
    const { child } = lab.run(["/bin/sleep", "300"], { maxQueuedBytes: limit });
    const message = new Uint8Array(64 * 1024).fill(0x78);
    let taken = 0;
    while (taken < 100 * MIB && child.write(message)) {
      taken += message.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Beside the limit: the kernel's pipe, and what the writer holds before it says that the pipe is full.
    expect(taken).toBeLessThan(limit + MIB);
    expect(child.queuedBytes).toBeGreaterThan(limit - message.length);
    expect(child.queuedBytes).toBeLessThanOrEqual(limit);
    expect(child.write(message)).toBe(false);
    await child.kill("enough");
    expect(child.write(message)).toBe(false);
    await until("nothing waits any more", () => child.queuedBytes === 0);
  });

  test("holds within one turn of the event loop too", async () => {
    const { child } = lab.run(["/bin/sleep", "300"], { maxQueuedBytes: 100_000 });
    const message = new Uint8Array(10_000);
    let taken = 0;
    while (taken < 1000 && child.write(message)) taken++;
    expect(taken).toBeLessThanOrEqual(11);
    await child.kill("enough");
  });

  test("holds for any number of short messages", async () => {
    const { child } = lab.run(["/bin/sleep", "300"], { maxQueuedBytes: MIB });
    const message = new Uint8Array(1);
    let taken = 0;
    while (taken < 1_000_000 && child.write(message)) taken++;
    // A message costs more than its bytes.
    expect(taken).toBeLessThan(10_000);
    await child.kill("enough");
  });

  test("gets one message of any size when nothing waits", async () => {
    const { child } = lab.run(["/bin/sleep", "300"], { maxQueuedBytes: 1000 });
    expect(child.write(new Uint8Array(300_000))).toBe(true);
    expect(child.write(new Uint8Array(300_000))).toBe(false);
    await child.kill("enough");
  });

  test("and that closed its stdin does no harm", async () => {
    const { child, line } = lab.sh("exec 0<&-; echo closed; sleep 300");
    await line("closed");
    for (let index = 0; index < 50; index++) {
      child.write(new Uint8Array(10_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until("nothing waits", () => child.queuedBytes === 0);
    expect(isAlive(child.pid)).toBe(true);
    await child.kill("enough");
  });
});

test("a child that closes its stdout and lives on is ended: it would never answer", async () => {
  const { child } = lab.sh("exec 1>&-; exec sleep 300");
  expect((await within("its end", child.exited)).what).toBe("closed its stdout");
  expect(isAlive(child.pid)).toBe(false);
});

describe("a child that floods", () => {
  test("stdout: every line comes, and nothing piles up in here", async () => {
    let count = 0;
    const { child } = lab.sh("yes 0123456789012345678901234567890123456789 | head -n 2000000", {
      onLine: () => {
        count++;
      },
    });
    await child.exited;
    expect(count).toBe(2_000_000);
  });

  test("stderr: the ring keeps its size", async () => {
    const { child, stderr } = lab.sh("yes abcdefghi | head -c 20000000 >&2");
    await child.exited;
    expect(stderr.text()).toHaveLength(65_536);
  });
});

describe("stop", () => {
  // One after the other they would take their 9 seconds each in turn.
  test("goes from the end of input to SIGTERM to SIGKILL", async () => {
    const [polite, deaf, stubborn] = [
      lab.sh("cat; echo bye; exit 7"),
      lab.sh("trap 'echo asked; exit 9' TERM; echo up; while :; do sleep 300 & wait; done"),
      lab.raw(["ignores-term"]),
    ];
    await deaf.line("up");
    await until("the stubborn one is up", () => stubborn.stderr.text().includes("pids "));
    const begun = performance.now();
    const took = async (child: Child): Promise<readonly [string, number]> => {
      const { what } = await child.stop();
      return [what, performance.now() - begun];
    };
    const ended = await Promise.all([polite, deaf, stubborn].map(({ child }) => took(child)));
    expect(ended.map(([what]) => what)).toEqual([
      "exited with code 7",
      "exited with code 9",
      "did not end when it was asked to",
    ]);
    expect(polite.lines).toEqual(["bye"]);
    expect(deaf.lines).toEqual(["up", "asked"]);
    // Never earlier than the ladder has it; how much later is the host's business.
    expect(ended[1]?.[1]).toBeGreaterThanOrEqual(1_990);
    expect(ended[2]?.[1]).toBeGreaterThanOrEqual(6_990);
    for (const { child } of [polite, deaf, stubborn]) expect(isAlive(child.pid)).toBe(false);
  }, 30_000);

  test("twice, and after the end, gives the same report", async () => {
    const { child } = lab.sh("cat; exit 7");
    const [first, second] = await Promise.all([child.stop(), child.stop()]);
    expect(second).toEqual(first);
    expect(await child.stop()).toEqual(first);
    expect(await child.kill("too late")).toEqual(first);
    expect(first.what).toBe("exited with code 7");
  });
});

describe("kill", () => {
  test("ends it at once, and the first reason is told", async () => {
    const { child, line } = lab.sh("trap '' TERM INT HUP; echo up; while :; do sleep 300; done");
    await line("up");
    void child.kill("was too loud");
    expect((await within("the end", child.kill("second reason"))).what).toBe("was too loud");
    expect(isAlive(child.pid)).toBe(false);
  });

  test("reaches one that stopped its launcher", async () => {
    const { child, line } = lab.sh("echo up; kill -STOP $PPID; sleep 300");
    await line("up");
    expect((await within("the end", child.kill("stopped"))).what).toBe("stopped");
    expect(isAlive(child.pid)).toBe(false);
  });
});

test("a listener that throws ends the child, and nothing else", async () => {
  const { child } = lab.sh("echo one; sleep 300", {
    onLine: () => {
      throw new Error("a bug of ours");
    },
  });
  expect((await within("the end", child.exited)).what).toBe("gave output that could not be read");
});
