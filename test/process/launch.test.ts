// One start through the launcher: what is told of it, what is handed out, and what is left of it in this process.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LaunchPlan, type Listener, uncaged } from "../../src/cage/launch-plan.ts";
import { installLauncher } from "../../src/cage/launcher.ts";
import type { StartedFacts } from "../../src/cage/prepared-start.ts";
import { AppError } from "../../src/errors.ts";
import { closeAll } from "../../src/process/descriptors.ts";
import { launch, launchInTerminal } from "../../src/process/launch.ts";
import { isolationObstacle, users } from "../cage/launcher/attempts.ts";
import { childOf, procFile, until } from "../cage/launcher/family.ts";
import { isolatedPlan } from "../cage/launcher/plans.ts";
import { within } from "../e2e/wait.ts";

const PIPES = { stdin: "pipe", stdout: "pipe", stderr: "pipe" } as const;
const [self = { name: "", uid: 0 }] = users();
const obstacle = isolationObstacle(self);

let directory = "";
let launcher = "";
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "launch-test-"));
  launcher = await installLauncher(join(directory, "launcher"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const off = (...argv: string[]): LaunchPlan =>
  uncaged({ launcher, argv, env: { PATH: "/usr/bin:/bin" }, cwd: "/" });

const isolated = (listeners: readonly Listener[], ...argv: string[]): LaunchPlan => ({
  ...isolatedPlan({ launcher, work: directory }, self.uid, argv),
  network: { kind: "own", listeners },
  cwd: "/",
});

const openNow = (): number => readdirSync("/proc/self/fd").length;

async function refusal(started: Promise<StartedFacts>): Promise<AppError> {
  const thrown = await started.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof AppError) return thrown;
  throw new Error(`expected an AppError, got ${String(thrown)}`);
}

describe("started", () => {
  test("tells the process above the server, as the host counts", async () => {
    const { process: outer, started } = launch(off("/bin/cat"), PIPES);
    const { innerPid = 0, listeners, notes } = await started;
    expect({ listeners, notes }).toEqual({ listeners: [], notes: [] });
    expect(innerPid).toBe(childOf(outer.pid));
    expect(procFile(childOf(innerPid), "cmdline")).toBe("/bin/cat\0");
    await outer.stdin.end();
    expect(await outer.exited).toBe(0);
  });

  test("no secret is in an argument or in the environment of a launcher", async () => {
    const plan = { ...off("/bin/cat"), env: { TOKEN: "hush-hush" } };
    const { process: outer, started } = launch(plan, PIPES);
    const { innerPid = 0 } = await started;
    for (const pid of [outer.pid, innerPid]) {
      for (const file of ["cmdline", "environ"]) expect(procFile(pid, file)).not.toContain("hush");
    }
    expect(procFile(childOf(innerPid), "environ")).toBe("TOKEN=hush-hush\0");
    await outer.stdin.end();
    await outer.exited;
  });

  test("what is written before it runs is not lost", async () => {
    const { process: outer } = launch(off("/bin/cat"), PIPES);
    outer.stdin.write("early\n");
    await outer.stdin.end();
    expect(await outer.stdout.text()).toBe("early\n");
  });

  test("of a plan of almost 4 MiB, in many pieces", async () => {
    const big = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`V${n}`, "x".repeat(130_000)]));
    // Linux takes no more than a quarter of the stack for arguments and environment.
    const { process: outer, started } = launch({ ...off("/bin/echo", "it ran"), env: big }, PIPES);
    await started;
    const [out, err] = await Promise.all([outer.stdout.text(), outer.stderr.text()]);
    expect(out + err).toMatch(
      /^(it ran|toolcrib-launcher: cannot run \/bin\/echo: Argument list too long)\n$/,
    );
  });

  test("of a program that is not there comes, and then its end", async () => {
    const { process: outer, started } = launch(off("/no/such/program"), PIPES);
    expect((await started).notes).toEqual([]);
    expect(await outer.exited).toBe(127);
  });

  test("rejects with `blocked` and the reason when the plan cannot be carried out", async () => {
    const { process: outer, started } = launch({ ...off("/bin/true"), cwd: "/no/such" }, PIPES);
    const { code, message } = await refusal(started);
    expect(code).toBe("blocked");
    expect(message).toContain("cannot enter /no/such: No such file or directory");
    expect(await outer.exited).toBe(125);
  });

  test("rejects with `start-failed` when the launcher was killed before", async () => {
    const { process: outer, started } = launch(off("/bin/cat"), PIPES);
    outer.kill("SIGKILL");
    expect((await refusal(started)).code).toBe("start-failed");
    await outer.exited;
  });

  test("a plan that cannot be written down starts nothing", () => {
    const before = openNow();
    expect(() => launch(off("relative"), PIPES)).toThrow("Its program is no absolute path");
    expect(openNow()).toBeLessThanOrEqual(before);
  });
});

test("nothing is left open after 200 starts, good and bad", async () => {
  const listeners: readonly Listener[] = [{ protocol: "tcp", address: "0.0.0.0", port: 443 }];
  const round = async (number: number): Promise<void> => {
    const bad = number % 4 === 3;
    const plan =
      number % 2 === 0 || obstacle !== undefined ? off("/bin/true") : isolated(listeners, "/bin/true");
    const { process: outer, started } = launch(bad ? { ...plan, cwd: "/no/such" } : plan, PIPES);
    await started.then(
      (facts) => closeAll(facts.listeners),
      () => undefined,
    );
    await Promise.all([outer.exited, outer.stdout.text(), outer.stderr.text()]);
    await outer.stdin.end();
  };
  for (let number = 0; number < 8; number++) await round(number);
  const before = openNow();
  for (let number = 0; number < 200; number++) await round(number);
  await until("as many are open as before", () => openNow() <= before);
}, 60_000);

describe.skipIf(obstacle !== undefined)("listeners (skipped where nothing can be isolated)", () => {
  const run = async (listeners: readonly Listener[], script: string) => {
    const { process: outer, started } = launch(
      isolated(listeners, "/bin/bash", "--norc", "-c", script),
      PIPES,
    );
    const facts = await started;
    expect(facts.listeners).toHaveLength(listeners.length);
    return { outer, descriptors: facts.listeners };
  };

  test("every IPv4 address of a cage leads to them, and they see which one was dialled", async () => {
    const dial = (address: string) =>
      `exec 4<>/dev/tcp/${address}/443; read -r line <&4; echo "$line"; exec 4>&-`;
    const { outer, descriptors } = await run(
      [{ protocol: "tcp", address: "0.0.0.0", port: 443 }],
      ["198.18.0.7", "127.0.0.1", "8.8.8.8", "169.254.169.254"].map(dial).join("; "),
    );
    const answer = (socket: Socket) => socket.end(`${socket.localAddress}:${socket.localPort}\n`);
    const server = createServer(answer).listen({ fd: descriptors[0] });
    expect(await within("the answers", outer.stdout.text())).toBe(
      "198.18.0.7:443\n127.0.0.1:443\n8.8.8.8:443\n169.254.169.254:443\n",
    );
    server.close();
    await outer.exited;
  });

  test("port 53 of the cage is served from here, by UDP and TCP", async () => {
    const { outer, descriptors } = await run(
      [
        { protocol: "udp", address: "127.0.0.1", port: 53 },
        { protocol: "tcp", address: "127.0.0.1", port: 53 },
      ],
      "exec 4<>/dev/udp/127.0.0.1/53; echo who >&4; a=$(dd bs=99 count=1 status=none <&4); exec 5<>/dev/tcp/127.0.0.1/53; read -r b <&5; echo $a $b",
    );
    const udp = createSocket("udp4", (message, from) => udp.send(`udp ${message}`, from.port, from.address));
    udp.bind({ fd: descriptors[0] ?? -1 });
    const tcp = createServer((socket) => socket.end("tcp\n")).listen({ fd: descriptors[1] });
    expect(await within("the answers", outer.stdout.text())).toBe("udp who tcp\n");
    udp.close();
    tcp.close();
    await outer.exited;
  });

  test("as many as one message takes", async () => {
    const many = Array.from(
      { length: 253 },
      (_, n) => ({ protocol: "tcp", address: "0.0.0.0", port: 1000 + n }) as const,
    );
    const { outer, descriptors } = await run(many, "echo up");
    expect(new Set(descriptors).size).toBe(253);
    closeAll(descriptors);
    expect(await outer.stdout.text()).toBe("up\n");
  });

  test("two for one port are refused, and none stays open", async () => {
    const one = { protocol: "tcp", address: "0.0.0.0", port: 443 } as const;
    const { process: outer, started } = launch(isolated([one, one], "/bin/true"), PIPES);
    const { code, message } = await refusal(started);
    expect({ code, message }).toMatchObject({
      code: "blocked",
      message: expect.stringContaining("port 443"),
    });
    await outer.exited;
  });

  test("a port that nobody listens on is refused, whatever the address", async () => {
    const { outer } = await run(
      [],
      "for a in 127.0.0.1 8.8.8.8; do (exec 4<>/dev/tcp/$a/80) 2>&1 | grep -q refused && echo refused; done",
    );
    expect(await outer.stdout.text()).toBe("refused\nrefused\n");
  });
});

describe("a terminal", () => {
  const table: readonly (readonly [string, (...argv: string[]) => LaunchPlan])[] = [
    ["without a cage", off],
    ...(obstacle === undefined ? [["isolated", (...argv: string[]) => isolated([], ...argv)] as const] : []),
  ];
  test.each(table)(
    "%s: a size, ^C, job control and an end",
    async (_, planOf) => {
      let screen = "";
      const plan = {
        ...planOf("/bin/bash", "--norc", "-i"),
        terminal: true,
        env: { PATH: "/usr/bin:/bin", PS1: "> " },
      };
      const { process: outer, started } = launchInTerminal(plan, {
        cols: 100,
        rows: 30,
        data: (_terminal, data) => {
          screen += Buffer.from(data).toString();
        },
      });
      await started;
      const { terminal } = outer;
      const shows = (text: string): Promise<void> =>
        until(`${text} in ${screen}`, () => screen.includes(text));
      await shows("> ");
      terminal?.write("stty size\r");
      await shows("30 100");
      terminal?.resize(55, 11);
      terminal?.write("stty size; sleep 100; echo interrupted: $?\r");
      await shows("11 55");
      await until(
        "sleep runs in the foreground",
        () => procFile(outer.pid, "stat") !== "" && sleeps(outer.pid),
      );
      terminal?.write("\u0003");
      await shows("^C");
      terminal?.write("echo status $?\r");
      await shows("status 130");
      terminal?.write("sleep 100 & jobs; kill %1; exit 7\r");
      await shows("Running");
      terminal?.write("exit 7\r");
      expect(await within("the end", outer.exited)).toBe(7);
      expect(screen).not.toContain("no job control");
      terminal?.close();
    },
    20_000,
  );
});

/** Whether a `sleep` is among the descendants of a process. */
function sleeps(pid: number): boolean {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter(Boolean);
  return children.some((child) => procFile(Number(child), "comm") === "sleep\n" || sleeps(Number(child)));
}
