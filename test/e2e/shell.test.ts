// `shell` with the compiled executable at a real terminal: a person inside a server's cage, at each of its levels, and
// nothing left of it, whoever is killed.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isolationObstacle, landlockVersion, users } from "../cage/launcher/attempts.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { processesOf, signal } from "./processes.ts";
import { small } from "./servers.ts";
import { serverOf } from "./views.ts";
import { until, within } from "./wait.ts";

setDefaultTimeout(60_000);

const BASH = existsSync("/bin/bash");
const PATH = "/usr/local/bin:/usr/bin:/bin";
/** No other test has a server of this name: its control groups are found by it. */
const NAME = `boxed-${process.pid}`;

const [self = { name: "", uid: 0 }, other] = users();
const isolated = isolationObstacle(self) === undefined;

interface Setting {
  readonly title: string;
  /** Who runs the appliance; undefined for whoever runs the tests. */
  readonly uid?: number;
  readonly without?: string;
  readonly options?: readonly string[];
}

const SETTINGS: readonly Setting[] = [
  ...(isolated ? [{ title: "isolated" }] : []),
  ...(other !== undefined && isolationObstacle(other) === undefined
    ? [{ title: "isolated, of an ordinary user", uid: other.uid }]
    : []),
  ...(landlockVersion() > 0
    ? [{ title: "confined", without: "namespaces", options: ["--minimum", "confined"] }]
    : []),
  { title: "off", options: ["--cage", "off"] },
];
if (SETTINGS.length < 4) console.log(`here only: ${SETTINGS.map(({ title }) => title).join("; ")}`);

let crib: Crib;
let appliance: Appliance;

async function move({ uid, without = "", options = [] }: Setting): Promise<void> {
  crib = await Crib.create(uid === undefined ? {} : { uid });
  // A confined server of root's has a user of its own, who has to get to its directory.
  chmodSync(crib.directory, 0o711);
  appliance = await crib.serve({ env: { PATH, TOOLCRIB_CAGE_WITHOUT: without } });
  await crib.ok("add", "--yes", "--name", NAME, "--env", "SECRET=s3cret", ...options, ...small());
}

async function leave(): Promise<void> {
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
  expect(groups()).toEqual([]);
}

/** Of the server and of its shells, where this host has control groups that can be written. */
function groups(): readonly string[] {
  const glob = new Bun.Glob(`**/cage-${NAME}.*`);
  return [...glob.scanSync({ cwd: "/sys/fs/cgroup", onlyFiles: false })];
}

interface Person {
  readonly pid: number;
  readonly screen: () => string;
  type(text: string): void;
  line(text: string): void;
  /** Waits for it in what came since the last time. */
  sees(text: string | RegExp): Promise<string>;
  resize(cols: number, rows: number): void;
  settings(): readonly number[];
  readonly ended: Promise<number>;
}

function sit(...words: readonly string[]): Person {
  let screen = "";
  let seen = 0;
  const decoder = new TextDecoder();
  const child = Bun.spawn([join(crib.directory, "bin/toolcrib"), "shell", NAME, ...words], {
    cwd: crib.work,
    env: crib.env({ TERM: "xterm" }),
    terminal: {
      cols: 100,
      rows: 30,
      data: (_terminal, bytes) => void (screen += decoder.decode(bytes, { stream: true })),
    },
  });
  const { terminal } = child;
  if (terminal === undefined) throw new Error("there is no terminal");
  const type = (text: string): void => void terminal.write(text);
  return {
    pid: child.pid,
    screen: () => screen,
    type,
    line: (text) => type(`${text}\r`),
    async sees(text) {
      const found = await until(`${text} on the screen`, () => {
        const at = typeof text === "string" ? screen.indexOf(text, seen) : screen.slice(seen).search(text);
        if (at < 0) return undefined;
        return typeof text === "string" ? text : text.exec(screen.slice(seen))?.[0];
      }).catch((thrown: unknown) => {
        throw new Error(`${String(thrown)}\n${JSON.stringify(screen)}`);
      });
      seen = screen.indexOf(found, seen) + found.length;
      return found;
    },
    resize: (cols, rows) => terminal.resize(cols, rows),
    settings: () => [terminal.inputFlags, terminal.outputFlags, terminal.localFlags, terminal.controlFlags],
    ended: child.exited,
  };
}

const PROMPT = `[cage ${NAME}] $ `;

/** At the prompt. */
async function inside(): Promise<Person> {
  const person = sit();
  await person.sees(PROMPT);
  return person;
}

/** What a command prints, without a terminal. */
async function ran(script: string): Promise<string> {
  const { code, stdout, stderr } = await crib.run(["shell", NAME, "--", "sh", "-c", script]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.trim();
}

/** Those that hold this word in what they run. */
async function running(word: string): Promise<readonly number[]> {
  return (await processesOf(crib.directory))
    .filter(({ command }) => command.includes(word))
    .map(({ pid }) => pid);
}

describe.each(SETTINGS.map((setting) => [setting.title, setting] as const))("%s:", (title, setting) => {
  beforeAll(() => move(setting));
  afterAll(leave);

  test("a terminal that follows the size of the person's", async () => {
    const person = await inside();
    person.line('test -t 0 && test -t 1 && test -t 2 && echo "a $TERM terminal"');
    await person.sees("a xterm terminal");
    person.line("stty size");
    await person.sees("30 100");
    person.resize(133, 44);
    await until("the new size", async () => {
      person.line("stty size");
      await person.sees(/\d+ \d+\r/);
      return person.screen().includes("44 133");
    });
    person.line("echo to the terminal > /dev/tty");
    await person.sees("to the terminal\r\n");
    person.line("exit 7");
    expect(await person.ended).toBe(7);
  });

  test("^C interrupts, ^Z stops, jobs are controlled, and nobody complains", async () => {
    const person = await inside();
    person.line("sleep 1001");
    await until("sleep", async () => (await running("sleep 1001")).length > 0);
    person.type("\x03");
    person.line("echo code $?");
    await person.sees("code 130");
    person.line("sleep 1002");
    await until("sleep", async () => (await running("sleep 1002")).length > 0);
    person.type("\x1a");
    await person.sees("Stopped");
    person.line("bg; jobs; kill %1; wait; echo 'all' done");
    await person.sees(/Running +sleep 1002/);
    await person.sees("all done");
    expect(await running("sleep 100")).toEqual([]);
    expect(person.screen()).not.toMatch(/no job control|cannot set terminal|not a tty|ioctl/i);
    person.type("\x04");
    expect(await person.ended).toBe(0);
  });

  test("the identity, the variables and the directory of the server", async () => {
    const { pid = 0 } = await serverOf(crib, NAME);
    const server = await until("the server's process", async () =>
      (await running("small.sh")).find((each) => each !== pid),
    );
    const status = await Bun.file(`/proc/${server}/status`).text();
    const uid = /^Uid:\t(\d+)/m.exec(status)?.[1] ?? "";
    const shown = await ran("id -u");
    if (setting.uid === undefined) expect(shown).toBe(uid);
    else expect(shown).not.toMatch(/^0$/);
    expect(await ran("echo $SECRET; pwd")).toBe(`s3cret\n${join(crib.home, "data/work", NAME)}`);
    expect(await ran("cat /proc/$$/environ | tr '\\0' '\\n'")).not.toContain("TOOLCRIB");
  });

  test("a command: its bytes, its input, its exit code", async () => {
    const script = "cat; printf '\\000\\377\\r\\n'; echo trouble >&2; exit 5";
    const words = ["shell", NAME, "--", "sh", "-c", script];
    expect(await crib.run(words, { stdin: "piped\n" })).toEqual({
      code: 5,
      stdout: "piped\n\0\ufffd\r\n",
      stderr: "trouble\n",
    });
    const { code, stderr } = await crib.run(["shell", NAME, "no-such-program"]);
    expect(code).toBe(127);
    expect(stderr).toContain("no-such-program");
  });

  if (title !== "off") {
    test("nothing of the appliance is in sight", async () => {
      const paths = [join(crib.home, "data"), join(crib.home, "run/admin.sock"), "/root", "/etc/shadow"];
      for (const path of paths) {
        const { code, stdout } = await crib.run(["shell", NAME, "--", "cat", path]);
        expect({ path, failed: code > 0, stdout }).toEqual({ path, failed: true, stdout: "" });
      }
    });
  }

  if (title.startsWith("isolated")) {
    test("only its own processes are there", async () => {
      const seen = (await ran("echo /proc/[0-9]*")).split(" ");
      expect(seen.length).toBeLessThanOrEqual(4);
      expect(seen).toContain("/proc/1");
      expect(seen).not.toContain(`/proc/${process.pid}`);
    });
  }

  test("kill -9 of the command line leaves no process and no control group", async () => {
    const before = groups();
    const person = await inside();
    person.line("trap '' HUP TERM; (setsid sleep 2001 &); sleep 2002");
    await until("all of it", async () => (await running("sleep 200")).length >= 2);
    if (before.length > 0) expect(groups().length).toBeGreaterThan(before.length);
    signal(person.pid, "SIGKILL");
    await person.ended;
    await until("nothing is left", async () => (await running("sleep 200")).length === 0);
    await until("its groups are gone", () => groups().length === before.length);
    await until("it is in the log", () => /shell ended.*was left/.test(appliance.output));
  });
});

describe("the end of a shell", () => {
  beforeAll(() => move(SETTINGS[0] ?? { title: "off" }));
  afterAll(leave);
  afterEach(async () => expect(await running("sleep 300")).toEqual([]));

  test("with its server", async () => {
    await crib.ok("add", "--yes", "--name", "brief", "--cage", isolated ? "on" : "off", ...small());
    const words = ["shell", "brief", "--", "sleep", "3001"];
    const command = crib.start(words);
    await until("sleep", async () => (await running("sleep 3001")).length > 1);
    await crib.ok("rm", "brief");
    await until("the shell is over", () => command.ended);
    expect(command.exitCode).toBe(137);
    expect(command.output).toContain("toolcrib: the shell was ended: its server was removed.");
  });

  test("with the appliance that is stopped", async () => {
    const person = await inside();
    const before = person.settings();
    person.line("sleep 3002");
    await until("sleep", async () => (await running("sleep 3002")).length > 0);
    expect(await appliance.stop()).toBe(0);
    expect([3, 137]).toContain(await within("the command line ends", person.ended));
    expect(person.settings()).not.toEqual(before);
    expect(await running("sleep 3002")).toEqual([]);
    appliance = await crib.serve({ env: { PATH } });
  });

  test("with kill -9 of the appliance: exit code 3, and the terminal as it was", async () => {
    const person = sit();
    const before = person.settings();
    await person.sees(PROMPT);
    expect(person.settings()).not.toEqual(before);
    person.line("(setsid sleep 3003 &); sleep 3003");
    await until("sleep", async () => (await running("sleep 3003")).length >= 2);
    await appliance.stop("SIGKILL");
    expect(await within("the command line ends", person.ended)).toBe(3);
    expect(person.settings()).toEqual(before);
    expect(person.screen()).toContain("toolcrib: The appliance went away");
    await until("nothing is left", async () => (await running("sleep 3003")).length === 0);
    appliance = await crib.serve({ env: { PATH } });
  });

  test("which is no agent's to begin", async () => {
    const token = (await crib.ok("token", "create", `agent-${Bun.randomUUIDv7()}`)).trim();
    const response = await fetch(new URL(`/api/v1/servers/${NAME}/shells`, appliance.url), {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ command: ["sleep", "3004"] }),
    });
    expect(response.status).toBe(403);
    expect(appliance.output).not.toContain("shell opened");
  });

  test("that was never begun, for want of a terminal", async () => {
    const { code, stderr } = await crib.run(["shell", NAME]);
    expect(code).toBe(2);
    expect(stderr).toContain("A shell needs a terminal");
  });
});

// What bash has and a plain shell has not.
test.skipIf(!BASH)("what the server left in its home decides nothing", async () => {
  await move(SETTINGS[0] ?? { title: "off" });
  try {
    await ran(
      "echo 'echo trap sprung; PS1=evil' | tee .bashrc .profile .bash_profile >/dev/null; echo '\"a\": \"b\"' > .inputrc",
    );
    const person = await inside();
    person.line("echo what a person types > typed");
    await person.sees(PROMPT);
    person.line("exit");
    expect(await person.ended).toBe(0);
    expect(person.screen()).not.toMatch(/trap sprung|evil/);
    const work = join(crib.home, "data/work", NAME);
    expect(await Bun.file(join(work, "typed")).text()).toBe("what a person types\n");
    expect(readdirSync(work)).not.toContain(".bash_history");
  } finally {
    await leave();
  }
});
