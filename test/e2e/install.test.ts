// The first of README's two commands, for real: install.sh builds, installs and starts the executable for a plain user,
// with the demo server from its registry; again, away, back, and gone.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import {
  appendFile,
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectV1 } from "./clients.ts";
import { endAll, nothingLeft } from "./processes.ts";

const root = join(import.meta.dir, "../..");
let directory: string;
let home: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "tc-install-"));
  home = join(directory, "home");
  for (const name of ["home", "path"]) await mkdir(join(directory, name));
  // Whoever runs the tests, root included, installs like a plain user.
  const id = join(directory, "path/id");
  await writeFile(id, '#!/bin/sh\ncase "$*" in -u) echo 1000 ;; *) echo somebody ;; esac\n');
  await chmod(id, 0o755);
});

afterAll(async () => {
  await endAll(directory);
  await rm(directory, { recursive: true, force: true });
});

async function install(...args: readonly string[]) {
  const child = Bun.spawn(["sh", join(root, "install.sh"), "--prefix", join(directory, "prefix"), ...args], {
    cwd: directory,
    env: {
      ...process.env,
      PATH: `${join(directory, "path")}:${process.env["PATH"]}`,
      HOME: home,
      TOOLCRIB_HOME: join(home, "crib"),
      TOOLCRIB_LISTEN: "127.0.0.1:0",
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, stdout, stderr] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
  if (code !== 0) throw new Error(`install.sh ${args.join(" ")} ended with ${code}\n${stdout}\n${stderr}`);
  return stdout;
}

async function toolcrib(...args: readonly string[]): Promise<string> {
  const child = Bun.spawn([join(directory, "prefix/bin/toolcrib"), ...args], {
    cwd: directory,
    env: { HOME: home, TOOLCRIB_HOME: join(home, "crib") },
    stdin: "ignore",
  });
  expect(await child.exited).toBe(0);
  return child.stdout.text();
}

const urlIn = (text: string): string => /MCP URL {2}(\S+)/.exec(text)?.[1] ?? "";

test("install.sh --start: a call in five minutes; twice changes nothing; data outlives the executable", async () => {
  const first = await install("--start");
  const [, token = ""] = /token {4}(tc_[\w-]{43}) /.exec(first) ?? [];
  expect(first).toContain(
    `claude mcp add --transport http toolcrib ${urlIn(first)} --header "Authorization: Bearer ${token}"`,
  );

  const client = await connectV1(new URL(urlIn(first)), token);
  expect(await client.call("everything__echo", { message: "hi" })).toMatchObject({
    content: [{ type: "text", text: "Echo: hi" }],
  });
  await client.close();

  const second = await install("--start");
  expect(second).toContain("Toolcrib is running already.");
  expect(second).not.toContain("tc_");
  expect(urlIn(second)).toBe(urlIn(first));

  // Other bytes than those of the build: the next run puts the build in their place, beside an appliance that runs.
  const program = join(directory, "prefix/bin/toolcrib");
  await copyFile(program, `${program}.other`);
  await appendFile(`${program}.other`, "other");
  await rename(`${program}.other`, program);
  expect(await install()).toContain("The build from before is still running");
  expect(await install("--start")).not.toContain("running already");

  await install("--uninstall");
  await nothingLeft(join(directory, "prefix"));
  expect(existsSync(program)).toBe(false);

  const third = await install("--start");
  expect(third).toContain("The demo server is there already: everything.");
  expect(third).not.toContain("tc_");
  const again = await connectV1(new URL(urlIn(third)), token);
  expect((await again.tools()).map(({ name }) => name)).toContain("everything__echo");
  await again.close();
  expect(JSON.parse(await toolcrib("token", "ls", "--json"))).toMatchObject({ tokens: [{ name: "demo" }] });

  await install("--purge");
  await nothingLeft(join(directory, "prefix"));
  expect(await readdir(join(home, "crib"))).toEqual([]);
}, 300_000);
