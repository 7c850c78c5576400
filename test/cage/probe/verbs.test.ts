// What the probe does, verb by verb, without a cage: how it tells success from refusal, and that it does no harm.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROBE = join(import.meta.dir, `../../../src/cage/probe/probe-${process.arch}`);

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "probe-verbs-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function lines(...attempts: readonly string[]): Promise<readonly (readonly string[])[]> {
  const child = Bun.spawn([PROBE, ...attempts], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    env: {},
  });
  const [text, code] = await Promise.all([child.stdout.text(), child.exited]);
  expect(code).toBe(0);
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split("\t"));
}

async function one(attempt: string): Promise<string> {
  const [line] = await lines(attempt);
  return (line ?? []).slice(1).join(" ").trim();
}

test("a line for each attempt, in order, of three columns", async () => {
  expect(await lines("read /nowhere", "nonsense", "read /")).toEqual([
    ["read /nowhere", "ENOENT", ""],
    ["nonsense", "EINVAL", ""],
    ["read /", "ok", ""],
  ]);
  expect(await lines()).toEqual([]);
});

describe("what is no attempt is refused:", () => {
  test.each([
    "",
    " ",
    "reads /",
    "rea",
    "kill",
    "kill -1",
    "kill 0",
    "kill 1x",
    `kill ${"9".repeat(30)}`,
    "connect-tcp",
  ])("%p", async (text) => {
    expect(await one(text)).toBe("EINVAL");
  });
  test.each([
    "1.2.3 80",
    "1.2.3.4",
    "1.2.3.256 80",
    "1.2.3.4 0",
    "1.2.3.4 65536",
    "1.2.3.4.5 80",
    "a.b.c.d 1",
    "1.2.3.4 80 ",
  ])("connect-tcp %s", async (address) => {
    expect(await one(`connect-tcp ${address}`)).toBe("EINVAL");
  });
});

test("hostile text stays on its line", async () => {
  expect(await lines("read /a\tb\nc\u001b[2J")).toEqual([["read /a?b?c?[2J", "ENOENT", ""]]);
  const [long] = await lines(`read /${"x".repeat(60_000)}`);
  expect(long).toEqual([`read /${"x".repeat(8192 - 6)}`, "ENAMETOOLONG", ""]);
  expect(await one(`connect-unix /${"x".repeat(200)}`)).toBe("ENAMETOOLONG");
  expect(await one(`unix-abstract ${"x".repeat(108)}`)).toBe("ENAMETOOLONG");
});

describe("files", () => {
  test("writing changes nothing and leaves nothing", async () => {
    const file = join(directory, "file");
    writeFileSync(file, "as it was");
    const before = statSync(file);
    expect(await lines(`write ${file}`, `write ${directory}`, `write ${join(directory, "new")}`)).toEqual([
      [`write ${file}`, "ok", ""],
      [`write ${directory}`, "ok", ""],
      [`write ${join(directory, "new")}`, "ok", ""],
    ]);
    expect(readFileSync(file, "utf8")).toBe("as it was");
    expect(statSync(file).mtimeMs).toBe(before.mtimeMs);
    expect(readdirSync(directory)).toEqual(["file"]);
  });

  test("a link to nowhere is not written through", async () => {
    symlinkSync(join(directory, "target"), join(directory, "link"));
    expect(await one(`write ${join(directory, "link")}`)).toBe("EEXIST");
    expect(readdirSync(directory)).toEqual(["link"]);
  });

  test("a pipe does not hold it up", async () => {
    const pipe = join(directory, "pipe");
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    expect(await one(`write ${pipe}`)).toBe("ENXIO");
    expect(await one(`read ${pipe}`)).toBe("ok");
  });

  test("names in a directory are counted", async () => {
    for (let index = 0; index < 300; index++) mkdirSync(join(directory, `a-name-that-is-not-short-${index}`));
    expect(await one(`list ${directory}`)).toBe("ok 300");
    expect(await one(`list ${PROBE}`)).toBe("ENOTDIR");
  });
});

describe("others", () => {
  test("a process is found and not hurt", async () => {
    expect(await one(`kill ${process.pid}`)).toBe("ok");
    const gone = Bun.spawnSync(["true"]).pid;
    expect(await one(`kill ${gone}`)).toBe("ESRCH");
  });

  test("a listening socket is told from one that nobody listens on", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1" }, resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const path = join(directory, "socket");
    const named = createServer();
    await new Promise<void>((resolve) => named.listen(path, resolve));
    try {
      expect(await one(`connect-tcp 127.0.0.1 ${port}`)).toBe("ok");
      expect(await one(`connect-unix ${path}`)).toBe("ok");
    } finally {
      server.close();
      named.close();
    }
    expect(await one(`connect-tcp 127.0.0.1 ${port}`)).toBe("ECONNREFUSED");
    expect(await one(`connect-unix ${path}`)).toBe("ENOENT");
    expect(await one("unix-abstract nobody-listens-here")).toBe("ECONNREFUSED");
  });

  test("as many processes as were asked for, and none is left", async () => {
    expect(await one("fork 50")).toBe("ok 50");
    expect(await one("fork 99999")).toBe("EINVAL");
    const left = readdirSync("/proc").filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8") === `${PROBE}\0fork 50\0`;
      } catch {
        return false;
      }
    });
    expect(left).toEqual([]);
  });

  test("memory within a limit and beyond it", async () => {
    expect(await one("memory 8000000")).toBe("ok");
    const limited = Bun.spawn(["prlimit", "--data=4000000", PROBE, "memory 8000000"], { stdout: "pipe" });
    expect(await limited.stdout.text()).toBe("memory 8000000\tENOMEM\t\n");
  });
});

describe("itself", () => {
  test("who it is", async () => {
    const facts = (await one("uid")).split(" ");
    expect(facts[0]).toBe("ok");
    expect(facts).toContain(`uid=${process.getuid?.()}`);
    expect(facts).toContain(`saved-gid=${process.getgid?.()}`);
    expect(facts).toHaveLength(15);
  });

  test("its limits", async () => {
    const limited = Bun.spawn(["prlimit", "--nofile=123", "--core=0", PROBE, "limits"], { stdout: "pipe" });
    const text = await limited.stdout.text();
    expect(text).toMatch(
      /^limits\tok\taddress-space=\d+ data=\d+ processes=\d+ files=123 file-size=\d+ core=0\n$/,
    );
  });

  test("where it is", async () => {
    expect(await one("interfaces")).toMatch(/^ok (.* )?lo\b/);
    expect(await one("namespaces")).toMatch(/^ok mnt:\[\d+\] pid:\[\d+\] net:\[\d+\]/);
    expect(Number((await one("pids")).split(" ")[1])).toBeGreaterThan(0);
  });
});
