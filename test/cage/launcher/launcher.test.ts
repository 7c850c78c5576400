// What the launcher promises, tried on real processes: nothing is left after any end of the server, the launcher or
// the appliance; and a server gets what it was given, nothing else.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installLauncher } from "../../../src/cage/launcher.ts";
import * as families from "./family.ts";
import {
  childOf,
  exterminate,
  family,
  linesWith,
  procFile,
  restOf,
  server,
  status,
  until,
} from "./family.ts";

const TEST_TIMEOUT_MS = 30_000;
let directory = "";
let launcher = "";
let started: families.Launched[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "launcher-test-"));
  launcher = await installLauncher(join(directory, "launcher"));
});
afterEach(() => {
  for (const { mark } of started) exterminate(mark);
  started = [];
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function launch(...command: string[]): families.Launched {
  const launched = families.launch(launcher, command, directory);
  started.push(launched);
  return launched;
}

function sh(name: string, ...args: string[]): families.Launched {
  return launch("/bin/sh", server(name), ...args);
}

/** The launcher's arguments as they are, where a test gets them wrong. */
async function words(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([launcher, ...args], { env: {}, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [code, out, err] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
  return { code, out, err };
}

describe("the status of the server is passed on", () => {
  const table = [
    { script: "exit 0", code: 0 },
    { script: "exit 7", code: 7 },
    { script: "exit 255", code: 255 },
    { script: "kill -TERM $$", code: 143 },
    { script: "kill -SEGV $$", code: 139 },
    { script: "kill -KILL $$", code: 137 },
  ];
  test.each(table)("$script", async ({ script, code }) => {
    const { outer } = launch("/bin/sh", "-c", script);
    expect(await outer.exited).toBe(code);
    expect(outer.signalCode).toBeNull();
    expect(await outer.stderr.text()).toBe("");
  });
});

describe("what cannot run is told in one line", () => {
  const table = [
    { name: "missing", content: undefined, mode: 0, code: 127, why: "No such file or directory" },
    { name: "plain", content: "text", mode: 0o644, code: 126, why: "Permission denied" },
    { name: "nonsense", content: "text", mode: 0o755, code: 126, why: "Exec format error" },
    {
      name: "no-interpreter",
      content: "#!/missing/interpreter\n",
      mode: 0o755,
      code: 127,
      why: "The interpreter that it asks for does not exist",
    },
  ];
  test.each(table)("$name: $why", async ({ name, content, mode, code, why }) => {
    const path = join(directory, name);
    if (content !== undefined) {
      writeFileSync(path, content);
      chmodSync(path, mode);
    }
    const { outer } = launch(path);
    expect(await outer.exited).toBe(code);
    expect(await outer.stderr.text()).toBe(`toolcrib-launcher: cannot run ${path}: ${why}\n`);
    expect(await outer.stdout.text()).toBe("");
  });

  const wrong = [
    [],
    ["--help"],
    ["12", "--"],
    ["12x", "--", "/bin/echo"],
    ["12", "/bin/echo", "x"],
    ["12", "--", "echo"],
  ];
  test.each(wrong.map((args) => ({ args })))("wrong usage: $args", async ({ args }) => {
    const { code, out, err } = await words(...args);
    expect({ code, out }).toEqual({ code: 125, out: "" });
    expect(err).toMatch(/^toolcrib-launcher: usage: .*\n$/);
  });

  test("a spawner that is gone already: nothing is started", async () => {
    // Process 1 did not spawn it: what the launcher finds when its spawner dies before it can ask for the signal.
    expect(await words("1", "--", "/bin/echo", "started")).toEqual({ code: 125, out: "", err: "" });
  });
});

describe("a server gets what it was given", () => {
  test("arguments, environment, working directory, stdin, stdout and stderr, untouched", async () => {
    const script = 'printf "%s|" "$@"; pwd; env | sort; cat; echo wrong >&2';
    const { mark, outer } = launch("/bin/sh", "-c", script, "sh", "a b", "", "--", "ü\n");
    outer.stdin.write("input");
    await outer.stdin.end();
    const env = `${families.MARK}=${mark}\nPATH=/usr/bin:/bin\nPWD=${directory}\n`;
    expect(await outer.stdout.text()).toBe(`a b||--|ü\n|${directory}\n${env}input`);
    expect(await outer.stderr.text()).toBe("wrong\n");
    expect(await outer.exited).toBe(0);
  });

  test("default signals, a session of its own, no way to new privileges", async () => {
    const { outer } = launch("/bin/cat", "/proc/self/status", "/proc/self/stat");
    const told = await outer.stdout.text();
    for (const set of ["SigBlk", "SigIgn"]) expect(told).toMatch(new RegExp(`^${set}:\t0{16}$`, "m"));
    expect(told).toMatch(/^NoNewPrivs:\t1$/m);
    // PID (NAME) STATE PARENT GROUP SESSION …
    expect(told).toMatch(/^(\d+) \(cat\) R \d+ \1 \1 /m);
  });

  test("no other descriptor, and the launchers hold none at all", async () => {
    const child = Bun.spawn(
      [launcher, String(process.pid), "--", "/bin/sh", "-c", "ls /proc/$$/fd; read -r _"],
      { env: { PATH: "/usr/bin:/bin" }, stdio: ["pipe", "pipe", "pipe", "pipe", Bun.file("/dev/null")] },
    );
    // A shell keeps its script at 10 or above, where it has one.
    expect(await linesWith(child.stdout, "2", 1)).toBe("0\n1\n2\n");
    const inner = childOf(child.pid);
    expect([child.pid, inner].map((pid) => readdirSync(`/proc/${pid}/fd`))).toEqual([[], []]);
    expect([child.pid, inner].map((pid) => readlinkSync(`/proc/${pid}/cwd`))).toEqual(["/", "/"]);
    child.stdin.end();
    await child.exited;
  });

  test("its end of a pipe is the only one: what it closes is closed", async () => {
    const { outer } = launch("/bin/sh", "-c", "exec >&- 2>&-; read -r _; exit 4");
    expect(await outer.stdout.text()).toBe("");
    expect(await outer.stderr.text()).toBe("");
    expect(outer.exitCode).toBeNull();
    await outer.stdin.end();
    expect(await outer.exited).toBe(4);
  });

  test("not the signals of a terminal", async () => {
    const { outer } = launch("/bin/sh", "-c", "echo here; read -r answer; echo $answer");
    await linesWith(outer.stdout, "here", 1);
    for (const signal of ["SIGINT", "SIGHUP", "SIGQUIT", "SIGTSTP"] as const) outer.kill(signal);
    outer.stdin.write("alive\n");
    await outer.stdin.flush();
    expect(await linesWith(outer.stdout, "alive", 1)).toBe("alive\n");
    expect(await outer.exited).toBe(0);
  });
});

describe("the memory of a launcher", () => {
  test("is a few pages", async () => {
    const { outer } = sh("leaver.sh");
    await linesWith(outer.stdout, "here", 2);
    const sizes = [outer.pid, childOf(outer.pid)].map((pid) => status(pid, "VmRSS") ?? "unknown");
    console.log(`resident memory of outer and inner launcher: ${sizes.join(", ")}`);
    for (const size of sizes) expect(Number.parseInt(size, 10)).toBeLessThanOrEqual(200);
    await outer.stdin.end();
    expect(await outer.exited).toBe(3);
  });
});

describe("SIGTERM", () => {
  test("reaches every descendant, once each time", async () => {
    const { mark, outer } = sh("polite.sh", "3");
    await linesWith(outer.stdout, "here", 3);
    for (const _ of [1, 2]) {
      outer.kill("SIGTERM");
      expect(await linesWith(outer.stdout, "asked", 3)).toBe("asked\n".repeat(3));
    }
    expect(outer.exitCode).toBeNull();
    outer.kill("SIGUSR1");
    expect(await restOf(outer.stdout)).toBe("");
    await outer.exited;
    expect(family(mark)).toEqual([]);
  });

  test("leaves the last word to the server", async () => {
    const { outer } = launch(
      "/bin/sh",
      "-c",
      "trap 'exit 5' TERM; echo here; while :; do sleep 1000 & wait $!; done",
    );
    await linesWith(outer.stdout, "here", 1);
    outer.kill("SIGTERM");
    expect(await outer.exited).toBe(5);
  });
});

describe("nothing is left", () => {
  test(
    "after the server ended and left a detached process",
    async () => {
      const { mark, outer } = sh("leaver.sh");
      await linesWith(outer.stdout, "here", 2);
      await outer.stdin.end();
      expect(await outer.exited).toBe(3);
      expect(family(mark)).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "after SIGUSR1, of a server that ignores end of input and SIGTERM",
    async () => {
      const { mark, outer } = sh("stubborn.sh");
      await linesWith(outer.stdout, "here", 4);
      await outer.stdin.end();
      outer.kill("SIGTERM");
      expect(family(mark).length).toBeGreaterThanOrEqual(6);
      outer.kill("SIGUSR1");
      expect(await outer.exited).toBe(137);
      expect(family(mark)).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  const victims = [
    { victim: "the outer launcher", pick: (outer: number) => outer },
    { victim: "the inner launcher", pick: (outer: number) => childOf(outer) },
    { victim: "the server", pick: (outer: number) => childOf(childOf(outer)) },
  ];
  test.each(victims)(
    "after kill -9 of $victim",
    async ({ pick }) => {
      const { mark, outer } = sh("stubborn.sh");
      await linesWith(outer.stdout, "here", 4);
      process.kill(pick(outer.pid), "SIGKILL");
      await outer.exited;
      await until("every process is gone", () => family(mark).length === 0);
    },
    TEST_TIMEOUT_MS,
  );

  test.each(["stubborn.sh", "leaver.sh", "polite.sh"])(
    "after kill -9 of the spawner of %s",
    async (name) => {
      const mark = crypto.randomUUID();
      const script = [
        process.execPath,
        join(import.meta.dir, "spawner.ts"),
        launcher,
        mark,
        "/bin/sh",
        server(name),
        "2",
      ];
      const spawner = Bun.spawn(script, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
      await linesWith(spawner.stdout, "here", 2);
      expect(family(mark).length).toBeGreaterThanOrEqual(4);
      spawner.kill("SIGKILL");
      await spawner.exited;
      try {
        await until("every process is gone", () => family(mark).length === 0);
      } finally {
        exterminate(mark);
      }
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "of a storm of forks, while it rises",
    async () => {
      const { mark, outer } = sh("storm.sh", "8");
      await linesWith(outer.stdout, "here", 20);
      outer.kill("SIGUSR1");
      expect(await outer.exited).toBe(137);
      expect(family(mark)).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    "of a chain of processes that flees faster than one can look",
    async () => {
      const log = join(directory, "hops");
      const { mark, outer } = launch(
        "/bin/sh",
        "-c",
        `sh ${server("fugitive.sh")} 20000 ${log}; echo here; read -r _`,
      );
      await linesWith(outer.stdout, "here", 1);
      outer.kill("SIGUSR1");
      expect(await outer.exited).toBe(137);
      expect(family(mark)).toEqual([]);
      // Caught on its way, not come to its end.
      const hopsLeft = Number(readFileSync(log, "utf8").trim().split("\n").at(-1));
      expect(hopsLeft).toBeGreaterThan(0);
    },
    TEST_TIMEOUT_MS,
  );
});

test("no signal reaches a process that is not of the family", async () => {
  const bystander = Bun.spawn(["/bin/sleep", "1000"], { stdin: "ignore", stdout: "ignore" });
  const { outer } = sh("stubborn.sh");
  await linesWith(outer.stdout, "here", 4);
  outer.kill("SIGTERM");
  outer.kill("SIGUSR1");
  await outer.exited;
  expect(procFile(bystander.pid, "cmdline")).toContain("sleep");
  bystander.kill();
  expect(await bystander.exited).toBe(143);
});
