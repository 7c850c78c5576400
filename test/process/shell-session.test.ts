// Shells behind the real launcher, without a cage: a terminal that is one, pipes that are bytes, a program that is
// faster than its reader or slower than its writer, and an end that leaves nothing.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LaunchPlan, uncaged } from "../../src/cage/launch-plan.ts";
import { installLauncher } from "../../src/cage/launcher.ts";
import type { PreparedStart } from "../../src/cage/prepared-start.ts";
import { closeAll } from "../../src/process/descriptors.ts";
import { ShellSession } from "../../src/process/shell-session.ts";
import { nothingLeft, processesOf } from "../e2e/processes.ts";
import { until, within } from "../e2e/wait.ts";

setDefaultTimeout(30_000);

const SIZE = { cols: 90, rows: 20 };
const MIB = 1024 * 1024;

let directory = "";
let launcher = "";
const sessions: ShellSession[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "shell-session-"));
  launcher = await installLauncher(join(directory, "launcher"));
});
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.kill("the test is over")));
  await nothingLeft(directory);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Prepared {
  readonly start: PreparedStart;
  /** What was told, in order. */
  readonly told: string[];
}

function prepare(argv: readonly string[], change: Partial<LaunchPlan> = {}): Prepared {
  const told: string[] = [];
  const plan = { ...uncaged({ launcher, argv, env: { PATH: "/usr/bin:/bin" }, cwd: directory }), ...change };
  const start: PreparedStart = {
    plan,
    spawned: (pid) => void told.push(pid > 0 ? "spawned" : "?"),
    started({ listeners }) {
      closeAll(listeners);
      told.push("started");
    },
    ended() {
      told.push("ended");
      return { cause: undefined, freed: Promise.resolve() };
    },
  };
  return { start, told };
}

async function open(
  argv: readonly string[],
  { size, env = {} }: { size?: typeof SIZE; env?: Record<string, string> } = {},
) {
  const { start, told } = prepare(argv);
  const session = await ShellSession.open({ prepared: start, size, env }, new AbortController().signal);
  sessions.push(session);
  return { session, told };
}

/** Reads all of it, from now on. */
function screenOf(session: ShellSession) {
  const seen = { out: "", err: "", bytes: 0 };
  const read = async (): Promise<void> => {
    for await (const { stream, bytes } of session.output()) {
      seen[stream] += Buffer.from(bytes).toString();
      seen.bytes += bytes.length;
    }
  };
  return { seen, over: read() };
}

/** How much a process has written by the time it writes no more, for as long as 10 looks. */
async function standsStill(pid: number): Promise<number> {
  let before = 0;
  let same = 0;
  return until(`process ${pid} waits`, async () => {
    const now = Number(/^wchar: (\d+)/m.exec(await Bun.file(`/proc/${pid}/io`).text())?.[1]);
    same = now > 0 && now === before ? same + 1 : 0;
    before = now;
    return same === 10 && now;
  });
}

const sh = (script: string): readonly string[] => ["/bin/sh", "-c", script];

describe("on a terminal", () => {
  test("the program has one, of the size that was said and then of another", async () => {
    const script =
      "test -t 0 && test -t 1 && test -t 2 && echo $TERM; stty size; read -r _; stty size; exit 5";
    const { session, told } = await open(sh(script), { size: SIZE, env: { TERM: "xterm" } });
    const { seen, over } = screenOf(session);
    await until("the first size", () => seen.out.includes("20 90\r\n"));
    expect(seen.out).toStartWith("xterm\r\n");
    session.resize({ cols: 120, rows: 40 });
    await session.write(Buffer.from("\r"));
    await within("its end", over);
    expect(seen.out).toEndWith("40 120\r\n");
    expect(seen.err).toBe("");
    expect(await session.ended).toEqual({ exitCode: 5 });
    expect(told).toEqual(["spawned", "started", "ended"]);
  });

  test("^C interrupts what runs in the foreground, and the shell lives", async () => {
    const { session } = await open(["/bin/sh"], { size: SIZE, env: { PS1: "ready> " } });
    const { seen } = screenOf(session);
    await until("a prompt", () => seen.out.includes("ready> "));
    await session.write(Buffer.from("sleep 100\r"));
    await until("sleep", async () =>
      (await processesOf(directory)).some(({ command }) => command === "sleep 100"),
    );
    await session.write(Buffer.from("\x03"));
    await session.write(Buffer.from("echo code $?\r"));
    await until("the shell again", () => seen.out.includes("code 130"));
    session.endInput();
    expect(await session.ended).toEqual({ exitCode: 0 });
  });

  test("nothing is lost of what is faster than its reader", async () => {
    const { session } = await open(sh("stty -opost; seq 1000000"), { size: SIZE });
    const digest = new Bun.CryptoHasher("md5");
    let bytes = 0;
    for await (const part of session.output()) {
      digest.update(part.bytes);
      bytes += part.bytes.length;
      // A reader that takes some time for each piece.
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(bytes).toBe(6_888_896);
    const expected = Bun.spawnSync(sh("seq 1000000 | md5sum").slice()).stdout.toString();
    expect(expected).toStartWith(digest.digest("hex"));
  });

  test.each([
    ["as it is", ""],
    ["that takes ^S and ^Q for itself", "stty raw -echo; "],
  ])("a program %s waits while nobody reads, and goes on", async (_, setup) => {
    const { session } = await open(sh(`${setup}echo $$; exec yes`), { size: SIZE });
    const reader = session.output();
    const pid = Number.parseInt(Buffer.from((await reader.next()).value?.bytes ?? "").toString());
    const printed = await standsStill(pid);
    // NB: how much that was is the host's affair.
    for (let bytes = 0; bytes < printed + MIB;) bytes += (await reader.next()).value?.bytes.length ?? 0;
  });

  test("what is typed and not read is bounded, and the end frees whoever waits", async () => {
    const { session } = await open(sh("stty raw -echo; echo ready; sleep 100"), { size: SIZE });
    await session.output().next();
    const stuck = session.write(new Uint8Array(MIB));
    await expect(session.write(new Uint8Array(10))).rejects.toMatchObject({ code: "server-busy" });
    await session.kill("has to go");
    await within("the write is over", stuck);
    await session.write(new Uint8Array(10));
  });
});

describe("on pipes", () => {
  test("bytes pass as they are, each stream by itself, until the end of input", async () => {
    const { session, told } = await open(sh("cat; echo trouble >&2; exit 3"));
    const { seen, over } = screenOf(session);
    const all = new Uint8Array(256).map((_, index) => index);
    await session.write(all);
    session.endInput();
    await over;
    expect(seen.bytes).toBe(256 + "trouble\n".length);
    expect(seen.err).toBe("trouble\n");
    expect(await session.ended).toEqual({ exitCode: 3 });
    expect(told).toEqual(["spawned", "started", "ended"]);
  });

  test("all that was printed is read, though it ended long ago", async () => {
    const { session } = await open(sh("head -c 60000 /dev/zero"));
    await until("its end", async () => (await processesOf(directory)).length === 0);
    const { seen, over } = screenOf(session);
    await over;
    expect(seen.bytes).toBe(60_000);
  });

  test("a program waits while nobody reads", async () => {
    const { session } = await open(sh("echo $$ >&2; exec head -c 50000000 /dev/zero"));
    const reader = session.output();
    const pid = Number(Buffer.from((await reader.next()).value?.bytes ?? ""));
    expect(await standsStill(pid)).toBeLessThan(10 * MIB);
    let bytes = 0;
    for await (const part of reader) bytes += part.bytes.length;
    expect(bytes).toBe(50_000_000);
  });

  test("a program that reads no more is no error", async () => {
    const { session } = await open(sh("exec <&-; echo closed; sleep 1000"));
    await session.output().next();
    await session.write(new Uint8Array(MIB));
    await session.write(new Uint8Array(MIB));
    expect((await session.kill("has to go")).reason).toBe("has to go");
  });
});

describe("its end", () => {
  test.each([
    ["a terminal", SIZE],
    ["pipes", undefined],
  ])("on %s, by a kill, takes with it what it started and detached", async (_, size) => {
    const { session, told } = await open(
      sh("trap '' TERM HUP; setsid sleep 1000 & (sleep 1000 &) ; echo here; sleep 1000"),
      size === undefined ? {} : { size },
    );
    await session.output().next();
    await until("all of it", async () => (await processesOf(directory)).length >= 4);
    expect(await session.kill("had to go")).toEqual({ exitCode: 137, reason: "had to go" });
    expect(await processesOf(directory)).toEqual([]);
    expect(await session.kill("again")).toEqual({ exitCode: 137, reason: "had to go" });
    expect(told).toEqual(["spawned", "started", "ended"]);
  });

  test("of what cannot be started is told once, with the reason", async () => {
    const { start, told } = prepare(sh("echo never"), { cgroups: ["/nowhere/cgroup.procs"] });
    const opening = ShellSession.open({ prepared: start, size: SIZE, env: {} }, new AbortController().signal);
    await expect(opening).rejects.toMatchObject({ code: "blocked" });
    expect(told).toEqual(["spawned", "ended"]);
  });

  test("of a plan that cannot be written down is told, too", async () => {
    const { start, told } = prepare(sh("echo never"));
    const env = { BAD: "a\0b" };
    const opening = ShellSession.open(
      { prepared: start, size: undefined, env },
      new AbortController().signal,
    );
    await expect(opening).rejects.toMatchObject({ code: "bad-configuration" });
    expect(told).toEqual(["ended"]);
  });

  test("comes at once for a start that was called off", async () => {
    const { start, told } = prepare(sh("sleep 1000"));
    const opening = ShellSession.open({ prepared: start, size: SIZE, env: {} }, AbortSignal.abort());
    await expect(opening).rejects.toMatchObject({ code: "start-failed" });
    expect(told[0]).toBe("spawned");
    expect(told.at(-1)).toBe("ended");
  });

  test("leaves no descriptor", async () => {
    const once = async (size?: typeof SIZE): Promise<void> => {
      const { session } = await open(sh("echo hi"), size === undefined ? {} : { size });
      await screenOf(session).over;
      await session.ended;
    };
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    await once(SIZE);
    await once();
    const before = descriptors();
    for (let count = 0; count < 10; count++) {
      await once(SIZE);
      await once();
    }
    await until("no more descriptors than before", () => descriptors() <= before);
  });
});
