// `shell` before a fake appliance: a person's terminal is handed over whole and comes back as it was, whatever ends
// the shell; without a terminal bytes pass as they are.

import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { fakeServer } from "../http/api/fake-admin.ts";
import type { FakeShell } from "../http/api/fake-shells.ts";
import { FakeAppliance, until } from "./fake-appliance.ts";

setDefaultTimeout(30_000);

const MAIN = join(import.meta.dir, "../../src/main.ts");

const fake = new FakeAppliance();
beforeAll(() => fake.start());
afterAll(() => fake.stop());
beforeEach(() => {
  fake.admin.all.set("files", fakeServer("files"));
  fake.admin.shells.opened.length = 0;
});

async function opened(): Promise<FakeShell> {
  await until(() => fake.admin.shells.opened.length > 0);
  const shell = fake.admin.shells.opened.at(-1);
  if (shell === undefined) throw new Error("no shell was opened");
  return shell;
}

/** What decides how a terminal behaves (termios). */
function settingsOf(terminal: Bun.Terminal | undefined): readonly number[] {
  if (terminal === undefined) throw new Error("there is no terminal");
  const { inputFlags, outputFlags, localFlags, controlFlags } = terminal;
  return [inputFlags, outputFlags, localFlags, controlFlags];
}

function sit(words: readonly string[], { home = fake.home, term = "xterm" } = {}) {
  const screen = { text: "" };
  const decoder = new TextDecoder();
  const child = Bun.spawn([process.execPath, MAIN, ...words], {
    cwd: home,
    env: { PATH: process.env["PATH"] ?? "", TERM: term, TOOLCRIB_HOME: home },
    terminal: {
      cols: 91,
      rows: 23,
      data(_terminal, bytes) {
        screen.text += decoder.decode(bytes, { stream: true });
      },
    },
  });
  const { terminal } = child;
  const before = settingsOf(terminal);
  const isRaw = (): boolean => !Bun.deepEquals(settingsOf(terminal), before);
  const end = async (): Promise<number> => {
    const code = await child.exited;
    expect(settingsOf(terminal)).toEqual(before);
    terminal?.close();
    return code;
  };
  return {
    screen,
    child,
    isRaw,
    end,
    type: (text: string) => void terminal?.write(text),
    resize: (cols: number, rows: number) => terminal?.resize(cols, rows),
  };
}

// termios(3), of Linux.
const OPOST = 1;
const ECHO_ICANON_ISIG = 0o10 | 0o2 | 0o1;

describe("at a terminal", () => {
  test("every key goes in and every byte comes out, and the exit code is that of the shell", async () => {
    const person = sit(["shell", "files"]);
    const shell = await opened();
    expect(shell.view.server).toBe("files");
    expect(shell.request).toEqual({ terminal: { cols: 91, rows: 23, term: "xterm" }, command: [] });
    await until(person.isRaw);
    const [, output = OPOST, local = ECHO_ICANON_ISIG] = settingsOf(person.child.terminal);
    expect([output & OPOST, local & ECHO_ICANON_ISIG]).toEqual([0, 0]);
    person.type("a\x03\x1a\x04\x1c\x13\x11\x7f\r");
    await until(() => shell.input.length === 9);
    expect(shell.input.toString()).toBe("a\x03\x1a\x04\x1c\x13\x11\x7f\r");
    shell.print("\x1b[2Jstairs\n\x07");
    await until(() => person.screen.text.includes("\x1b[2Jstairs\n\x07"));
    shell.end(42);
    expect(await person.end()).toBe(42);
    expect(person.screen.text).toBe("\x1b[2Jstairs\n\x07");
  });

  test("its size is followed", async () => {
    const person = sit(["shell", "files"]);
    const shell = await opened();
    await until(() => shell.sizes.length === 1);
    expect(shell.sizes).toEqual([{ cols: 91, rows: 23 }]);
    person.resize(120, 50);
    await until(() => shell.sizes.length >= 2);
    expect(shell.sizes.at(-1)).toEqual({ cols: 120, rows: 50 });
    shell.end(0);
    expect(await person.end()).toBe(0);
  });

  test("a command gets one, too, and a kind that is none is dumb", async () => {
    const person = sit(["shell", "files", "--", "ls", "-l", "--", "--json"], { term: "../x" });
    const shell = await opened();
    expect(shell.request.terminal?.term).toBe("dumb");
    expect(shell.request.command).toEqual(["ls", "-l", "--", "--json"]);
    shell.end(1);
    expect(await person.end()).toBe(1);
  });

  test("why it was ended is said, on a screen that is itself again", async () => {
    const person = sit(["shell", "files"]);
    const shell = await opened();
    await until(person.isRaw);
    shell.end(137, "was ended: its server was\x1b removed");
    expect(await person.end()).toBe(137);
    expect(person.screen.text).toBe("toolcrib: the shell was ended: its server was\\e removed.\r\n");
  });

  test.each(["SIGTERM", "SIGHUP"] as const)("%s leaves it as it was, and ends the shell", async (signal) => {
    const person = sit(["shell", "files"]);
    const shell = await opened();
    await until(person.isRaw);
    person.child.kill(signal);
    await person.end();
    expect(person.child.signalCode).toBe(signal);
    await until(() => shell.left > 0);
  });

  test("an interruption from outside leaves it as it was", async () => {
    const person = sit(["shell", "files"]);
    const shell = await opened();
    await until(person.isRaw);
    person.child.kill("SIGINT");
    expect(await person.end()).toBe(130);
    await until(() => shell.left > 0);
  });

  test("the end of the appliance leaves it as it was, and is 3", async () => {
    const other = new FakeAppliance();
    other.start();
    const person = sit(["shell", "files"], { home: other.home });
    await until(person.isRaw);
    other.admin.shells.opened.at(-1)?.print("\x1b[?1049h\x1b[?25l");
    await until(() => person.screen.text.endsWith("\x1b[?25l"));
    await other.stop();
    expect(await person.end()).toBe(3);
    expect(person.screen.text).toContain("\x1b[?1049l");
    expect(person.screen.text).toContain("\x1b[?25h");
    expect(person.screen.text).toContain("toolcrib: The appliance went away");
  });

  test("a refusal touches nothing", async () => {
    const person = sit(["shell", "blocked"]);
    expect(await person.end()).toBe(1);
    expect(person.screen.text).toBe("toolcrib: There is no cage for it.\r\n");
  });
});

describe("without a terminal", () => {
  test("a shell is refused with the way to run a command", async () => {
    const { code, out, err } = await fake.run(["shell", "files"]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain("toolcrib shell SERVER -- COMMAND");
    expect(fake.admin.shells.opened).toEqual([]);
  });

  test("a command gets pipes: bytes as they are, both ways", async () => {
    const all = Buffer.from(new Uint8Array(256).map((_, index) => index));
    const child = fake.spawn(["shell", "files", "--", "tar", "c"], { stdin: "piped\n" });
    const shell = await opened();
    expect(shell.request).toEqual({ command: ["tar", "c"] });
    await until(() => shell.inputEnded);
    expect(shell.input.toString()).toBe("piped\n");
    shell.print(all);
    shell.print("trouble\n", "err");
    shell.end(9);
    const [out, err, code] = await Promise.all([child.stdout.bytes(), child.stderr.text(), child.exited]);
    expect(Buffer.from(out)).toEqual(all);
    expect({ err, code }).toEqual({ err: "trouble\n", code: 9 });
    expect(shell.sizes).toEqual([]);
  });

  test("input of megabytes passes in pieces, in order", async () => {
    const text = Array.from({ length: 200_000 }, (_, index) => `line ${index}`).join("\n");
    const child = fake.spawn(["shell", "files", "--", "cat"], { stdin: text });
    const shell = await opened();
    await until(() => shell.inputEnded);
    expect(shell.input.toString() === text).toBe(true);
    shell.end(0);
    expect(await child.exited).toBe(0);
  });

  test("a reader that has seen enough ends it", async () => {
    const child = Bun.spawn(
      ["sh", "-c", '"$0" "$@" | head -n 1', process.execPath, MAIN, "shell", "files", "--", "yes"],
      { env: { PATH: process.env["PATH"] ?? "", TOOLCRIB_HOME: fake.home }, stdin: "ignore", stdout: "pipe" },
    );
    const shell = await opened();
    shell.print("first\n");
    await until(() => {
      shell.print("more\n");
      return shell.left > 0;
    });
    expect(await child.stdout.text()).toBe("first\n");
    await child.exited;
  });
});
