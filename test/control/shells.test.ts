// Shells of an appliance behind the real launcher, without a cage: what is asked for and started, how many, and
// everything that ends one.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { uncaged } from "../../src/cage/launch-plan.ts";
import { installLauncher } from "../../src/cage/launcher.ts";
import { bareStart } from "../../src/cage/prepared-start.ts";
import { type OpenShell, type ShellLimits, Shells } from "../../src/control/shells.ts";
import { AppError } from "../../src/errors.ts";
import { createBus } from "../../src/events.ts";
import { createLog } from "../../src/log.ts";
import { type ConfiguredServer, ServerSpec } from "../../src/model/server-spec.ts";
import type { ShellRequest } from "../../src/model/shell.ts";
import { nothingLeft, processesOf } from "../e2e/processes.ts";
import { until, within } from "../e2e/wait.ts";

setDefaultTimeout(30_000);

const TERMINAL = { cols: 80, rows: 24, term: "xterm" };
const GO = new AbortController().signal;

let directory = "";
let launcher = "";
const made: Shells[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "shells-"));
  launcher = await installLauncher(join(directory, "launcher"));
});
afterEach(async () => {
  await Promise.all(made.splice(0).map((shells) => shells.closeAll()));
  await nothingLeft(directory);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function server(name: string, spec: object = { kind: "stdio", command: "/bin/cat" }): ConfiguredServer {
  return {
    name,
    spec: v.parse(ServerSpec, spec),
    package: undefined,
    enabled: true,
    specHash: "",
    createdAt: 0,
  };
}

function lab(limits: Partial<ShellLimits> = {}) {
  const servers = [server("one"), server("two")];
  const bus = createBus();
  const programs: (readonly string[])[] = [];
  const log: string[] = [];
  /** Called before each start. */
  const hooks = { prepare: (): Promise<void> => Promise.resolve() };
  const shells = new Shells({
    servers: () => servers,
    async prepare(_server, program) {
      programs.push(program);
      await hooks.prepare();
      return bareStart(
        uncaged({
          launcher,
          argv: program,
          env: { PATH: "/usr/bin:/bin", SECRET: "s3cret" },
          cwd: directory,
        }),
      );
    },
    limits: { shells: 16, idleMs: 60_000, ...limits },
    bus,
    log: createLog({ level: "info", write: (line) => void log.push(line), now: () => 0 }),
    now: () => 0,
  });
  made.push(shells);
  const open = (name: string, request: Partial<ShellRequest> = {}, signal = GO): Promise<OpenShell> =>
    shells.open(name, { command: [], ...request }, signal);
  const remove = (name: string): void => {
    servers.splice(
      servers.findIndex((each) => each.name === name),
      1,
    );
    bus.emit("config.changed", { revision: 1 });
  };
  return { shells, servers, programs, log, hooks, open, remove };
}

async function textOf({ output }: OpenShell): Promise<string> {
  const parts = await Array.fromAsync(output);
  return Buffer.concat(parts.map(({ bytes }) => bytes)).toString();
}

describe("what runs", () => {
  test("without a command is a shell that obeys nothing in the server's home, with a prompt that says where", async () => {
    const { open, programs, shells } = lab();
    const shell = await open("one", { terminal: TERMINAL });
    expect(programs).toEqual([
      existsSync("/bin/bash") ? ["/bin/bash", "--noprofile", "--norc"] : ["/bin/sh"],
    ]);
    const reader = shell.output[Symbol.asyncIterator]();
    let screen = "";
    const see = async (text: string): Promise<void> => {
      while (!screen.includes(text)) {
        const { value, done } = await within(`${text} in ${screen}`, reader.next());
        if (done === true) throw new Error(screen);
        screen += Buffer.from(value.bytes).toString();
      }
    };
    await see("[cage one] $ ");
    await shells.write(shell.id, Buffer.from('echo "<$TERM:$INPUTRC:$HISTFILE:$SECRET>"\r'));
    await see("<xterm:/dev/null::s3cret>");
    shells.resize(shell.id, { cols: 99, rows: 33 });
    await shells.write(shell.id, Buffer.from("stty size\r"));
    await see("33 99");
    await shells.write(shell.id, Buffer.from("exit 6\r"));
    expect(await shell.ended).toEqual({ exitCode: 6 });
  });

  test("is a command with its words as they are, found on the PATH, without a terminal's variables", async () => {
    const { open } = lab();
    const shell = await open("one", { command: ["printf", "<%s>", "a b", "$HOME", "'\"", "*", ""] });
    expect(await textOf(shell)).toBe("<a b><$HOME><'\"><*><>");
    expect(await shell.ended).toEqual({ exitCode: 0 });
    const env = await textOf(await open("one", { command: ["env"] }));
    expect(env).not.toMatch(/^(TERM|PS1|INPUTRC)=/m);
  });

  test("gets the end of its input", async () => {
    const { open, shells } = lab();
    const shell = await open("one", { command: ["cat"] });
    await shells.write(shell.id, Buffer.from("typed"));
    shells.endInput(shell.id);
    expect(await textOf(shell)).toBe("typed");
  });

  test("and is not there has the exit code of that", async () => {
    const { open } = lab();
    const shell = await open("one", { command: ["no-such-program"] });
    expect(await textOf(shell)).toContain("no-such-program");
    expect(await shell.ended).toEqual({ exitCode: 127 });
  });
});

describe("is refused", () => {
  test("for a server that is not there, with the nearest name", async () => {
    const { open, programs } = lab();
    await expect(open("onee")).rejects.toThrow("did you mean one?");
    expect(programs).toEqual([]);
  });

  test("for a server that is reached by its URL", async () => {
    const { open, servers, programs } = lab();
    servers.push(server("web", { kind: "http", url: "http://127.0.0.1:1/" }));
    await expect(open("web")).rejects.toMatchObject({ code: "usage" });
    expect(programs).toEqual([]);
  });

  test("when there are too many, those under way included, until one has ended", async () => {
    const { open, shells } = lab({ shells: 2 });
    const opened = await Promise.allSettled([open("one"), open("one"), open("two")]);
    expect(opened.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
    await expect(open("two")).rejects.toMatchObject({ code: "server-busy" });
    const [first] = shells.list();
    await shells.close(first?.id ?? "");
    await open("two");
    expect(shells.list().map((view) => view.server)).toEqual(["one", "two"]);
  });

  test("with the words of what prepares it, and then there is room again", async () => {
    const { open, hooks } = lab({ shells: 1 });
    const { prepare } = hooks;
    hooks.prepare = () => Promise.reject(new AppError("blocked", "No cage."));
    await expect(open("one")).rejects.toThrow("No cage.");
    hooks.prepare = prepare;
    await open("one");
  });
});

describe("ends", () => {
  test("when its reader leaves, with all that it started", async () => {
    const { open, shells } = lab();
    const shell = await open("one", { command: ["sh", "-c", "setsid sleep 1000 & sleep 1000"] });
    await until("all of it", async () => (await processesOf(directory)).length >= 4);
    shell.leave();
    expect(await shell.ended).toEqual({ exitCode: 137, reason: "was left" });
    expect(await processesOf(directory)).toEqual([]);
    expect(shells.list()).toEqual([]);
    await expect(shells.write(shell.id, Buffer.from("x"))).rejects.toMatchObject({ code: "not-found" });
    expect(() => shells.resize(shell.id, { cols: 1, rows: 1 })).toThrow("no such shell");
  });

  test("when nothing passes for too long", async () => {
    const { open } = lab({ idleMs: 50 });
    const shell = await open("one", { terminal: TERMINAL });
    const { reason } = await shell.ended;
    expect(reason).toStartWith("was ended: nothing was typed or printed");
  });

  test("with its server, and no other does", async () => {
    const { open, remove, shells } = lab();
    const [one, two] = [await open("one"), await open("two")];
    remove("one");
    expect((await one.ended).reason).toBe("was ended: its server was removed");
    expect(shells.list().map(({ id }) => id)).toEqual([two.id]);
  });

  test("also when its server went while it was opened", async () => {
    const { open, hooks, remove } = lab();
    hooks.prepare = async () => remove("one");
    expect((await (await open("one")).ended).reason).toBe("was ended: its server was removed");
  });

  test("with the appliance, and none is opened any more", async () => {
    const { open, shells, hooks } = lab();
    const shell = await open("one");
    const { promise, resolve } = Promise.withResolvers<void>();
    hooks.prepare = () => promise;
    const late = open("one").then(
      () => "opened",
      (thrown: unknown) => (thrown instanceof AppError ? thrown.code : "?"),
    );
    const closed = shells.closeAll();
    resolve();
    await closed;
    expect(await late).toBe("start-failed");
    expect((await shell.ended).reason).toBe("ended with the appliance");
    expect(await processesOf(directory)).toEqual([]);
    await expect(open("one")).rejects.toMatchObject({ code: "start-failed" });
  });

  test("before it began when whoever asked went away", async () => {
    const { open, shells } = lab();
    await expect(open("one", {}, AbortSignal.abort())).rejects.toMatchObject({ code: "start-failed" });
    expect(shells.list()).toEqual([]);
  });
});

test("each shell is in the log, and nothing that was typed or printed", async () => {
  const { open, log, shells } = lab();
  const shell = await open("two", { command: ["sh", "-c", "cat; exit 3 # hush-command"] });
  await shells.write(shell.id, Buffer.from("hush-typed"));
  shells.endInput(shell.id);
  await textOf(shell);
  await shell.ended;
  const lines = log.map((line) => JSON.parse(line));
  const common = { time: "1970-01-01T00:00:00.000Z", level: "info", server: "two", shell: shell.id };
  expect(lines).toEqual([
    { ...common, msg: "shell opened", terminal: false },
    { ...common, msg: "shell ended", exitCode: 3 },
  ]);
  expect(log.join("")).not.toContain("hush");
});
