// install.sh, run for real against a fake executable, as a plain user with a home of its own.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { appendFile, copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Clone } from "./clone.ts";

let clone: Clone;
beforeEach(async () => {
  clone = await Clone.create();
});
afterEach(() => clone.remove());

const program = (): string => join(clone.home, ".local/bin/toolcrib");
const data = (): string => join(clone.home, ".local/share/toolcrib");
/** False for a process that has ended and was not collected yet, too. */
async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "State: Z");
  return !/^State:\s*Z/m.test(status);
}

describe("install", () => {
  test("puts the executable into ~/.local/bin and says how to go on", async () => {
    const { code, stdout, stderr } = await clone.run([]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(statSync(program()).mode & 0o777).toBe(0o755);
    expect(stdout).toContain(`NB: ${join(clone.home, ".local/bin")} is not in PATH`);
    expect(stdout).toEndWith(`\nStart it with: ${program()} serve\n`);
    expect(await clone.pid()).toBeUndefined();
    expect(existsSync(`${program()}.new`)).toBe(false);
  });

  test("--prefix puts it elsewhere, and nothing into the home", async () => {
    const { code } = await clone.run(["--prefix", join(clone.directory, "opt")]);
    expect(code).toBe(0);
    expect(existsSync(join(clone.directory, "opt/bin/toolcrib"))).toBe(true);
    expect(existsSync(join(clone.home, ".local"))).toBe(false);
  });

  test("a second run copies nothing", async () => {
    await clone.run([]);
    const before = statSync(program());
    const { code, stdout } = await clone.run([]);
    expect(code).toBe(0);
    expect(statSync(program()).ino).toBe(before.ino);
    expect(stdout).not.toContain("Copy the executable");
  });

  test("a step that fails ends it with that step's name", async () => {
    await clone.program("npm", "echo 'error: no such thing' >&2; exit 1");
    const { code, stderr } = await clone.run(["--start"]);
    expect(code).toBe(1);
    expect(stderr).toEndWith("install.sh: This did not work: Build the executable dist/toolcrib.\n");
    expect(existsSync(program())).toBe(false);
    expect(await clone.calls()).toEqual([]);
  });
});

describe("--start", () => {
  test("starts it so that it outlives the script, with a demo server, a token and the next command", async () => {
    const { code, stdout, stderr } = await clone.run(["--start"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("MCP URL  http://127.0.0.1:7700/mcp\n");
    expect(stdout).toContain("token    tc_demo ");
    expect(stdout).toContain(
      'claude mcp add --transport http toolcrib http://127.0.0.1:7700/mcp --header "Authorization: Bearer tc_demo"',
    );
    const pid = await clone.pid();
    expect(pid).toBeDefined();
    expect(await readFile(`/proc/${pid}/cmdline`, "utf8")).toContain(`${program()}\0serve`);
    expect(existsSync(join(data(), "appliance.log"))).toBe(true);
    expect(statSync(join(data(), "appliance.log")).mode & 0o077).toBe(0);
  });

  test("twice: the same process, one demo server, one token", async () => {
    await clone.run(["--start"]);
    const pid = await clone.pid();
    const { code, stdout, stderr } = await clone.run(["--start"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(await clone.pid()).toBe(pid);
    expect(stdout).toContain("Toolcrib is running already.");
    expect(stdout).toContain("MCP URL  http://127.0.0.1:7700/mcp\n");
    expect(stdout).not.toContain("tc_demo");
    expect(stdout).toContain("Authorization: Bearer TOKEN");
    const calls = await clone.calls();
    expect(calls.filter((call) => call.startsWith("add "))).toHaveLength(1);
    expect(calls.filter((call) => call === "serve")).toHaveLength(1);
  });

  test("a new build takes the place of the one that runs", async () => {
    await clone.run(["--start"]);
    const before = await clone.pid();
    const changed = join(clone.directory, "changed.sh");
    await copyFile(join(import.meta.dir, "fake-toolcrib.sh"), changed);
    await appendFile(changed, "# another build\n");
    const quiet = await clone.run([], { FAKE_PROGRAM: changed });
    expect(quiet.stdout).toContain("The build from before is still running");
    expect(await clone.pid()).toBe(before);

    await appendFile(changed, "# and one more\n");
    const { code } = await clone.run(["--start"], { FAKE_PROGRAM: changed });
    expect(code).toBe(0);
    const after = await clone.pid();
    expect(after).not.toBe(before);
    expect(await isAlive(before ?? 0)).toBe(false);
    expect(await isAlive(after ?? 0)).toBe(true);
  });

  test("an appliance that does not come up: its last words, no demo, exit 1", async () => {
    const sentence = "Port 7700 of 127.0.0.1 is in use.";
    const { code, stderr } = await clone.run(["--start"], { FAKE_BROKEN: sentence });
    expect(code).toBe(1);
    expect(stderr).toBe(`install.sh: Toolcrib did not start: ${sentence}\n`);
    expect((await clone.calls()).filter((call) => /^(add|token)/.test(call))).toEqual([]);
  });

  test("a home of its own keeps everything in one place", async () => {
    const home = join(clone.directory, "crib");
    await clone.run(["--start"], { TOOLCRIB_HOME: home });
    expect(existsSync(join(home, "data/appliance.log"))).toBe(true);
    expect(existsSync(data())).toBe(false);
  });
});

describe("uninstall", () => {
  test("--uninstall stops it and keeps data and configuration", async () => {
    await clone.run(["--start"]);
    const pid = await clone.pid();
    const { code, stdout, stderr } = await clone.run(["--uninstall"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(await isAlive(pid ?? 0)).toBe(false);
    expect(existsSync(program())).toBe(false);
    expect(existsSync(data())).toBe(true);
    expect(stdout).toContain(`Data stays in ${data()} `);
  });

  test("--purge takes its own directories away and nothing else", async () => {
    await clone.run(["--start"]);
    for (const place of [".config/toolcrib", ".cache/toolcrib", ".config/other", ".local/share/other"]) {
      await mkdir(join(clone.home, place), { recursive: true });
      await writeFile(join(clone.home, place, "file"), "");
    }
    const { code, stderr } = await clone.run(["--purge"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect((await clone.listing()).filter((path) => /^home\/.*toolcrib/.test(path))).toEqual([]);
    expect(existsSync(join(clone.home, ".config/other/file"))).toBe(true);
    expect(existsSync(join(clone.home, ".local/share/other/file"))).toBe(true);
  });

  test("--purge of a home of its own leaves what it did not make", async () => {
    const home = join(clone.directory, "crib");
    await clone.run(["--start"], { TOOLCRIB_HOME: home });
    await writeFile(join(home, "notes.txt"), "mine");
    const { code } = await clone.run(["--purge"], { TOOLCRIB_HOME: home });
    expect(code).toBe(0);
    expect((await clone.listing()).filter((path) => path.startsWith("crib/"))).toEqual(["crib/notes.txt"]);
  });

  test("where nothing is installed it does nothing, without an error", async () => {
    const before = await clone.listing();
    const { code, stderr } = await clone.run(["--purge"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(await clone.listing()).toEqual(before);
  });
});
