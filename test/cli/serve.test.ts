// `serve` with the real appliance, from source: how it begins, how it ends, and what stops it from beginning.

import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const MAIN = resolve(import.meta.dir, "../../src/main.ts");

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const finish of ends.splice(0).toReversed()) await finish();
});

function home(): string {
  const directory = mkdtempSync(join(tmpdir(), "serve-"));
  ends.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function toolcrib(directory: string, words: readonly string[]) {
  const child = Bun.spawn([process.execPath, MAIN, ...words], {
    env: { PATH: process.env["PATH"] ?? "", TOOLCRIB_HOME: directory },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  ends.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  return child;
}

async function end(child: ReturnType<typeof toolcrib>) {
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, err };
}

test.each(["SIGTERM", "SIGINT"] as const)(
  "it says where it is, answers, and %s ends it in order",
  async (signal) => {
    const directory = home();
    const child = toolcrib(directory, ["serve", "--listen", "127.0.0.1:0"]);
    const reader = child.stdout.getReader();
    const greeting = new TextDecoder().decode((await reader.read()).value);
    expect(greeting).toMatch(
      /^Toolcrib serves MCP at http:\/\/127\.0\.0\.1:\d+\/mcp\nNo agent has a token yet/,
    );

    expect(await end(toolcrib(directory, ["token", "create", "ci"]))).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^tc_[\w-]{43}\n$/),
    });
    expect(await end(toolcrib(directory, ["ls"]))).toMatchObject({ code: 0, out: "" });
    expect(await end(toolcrib(directory, ["settings"]))).toMatchObject({
      out: expect.stringContaining("--listen"),
    });

    child.kill(signal);
    expect(await child.exited).toBe(0);
    expect(existsSync(join(directory, "run", "admin.sock"))).toBe(false);
    expect(await end(toolcrib(directory, ["ls"]))).toMatchObject({ code: 3 });
  },
);

test("a setting that is wrong", async () => {
  const directory = home();
  expect(await end(toolcrib(directory, ["serve", "--listen", "nonsense"]))).toMatchObject({
    code: 2,
    out: "",
  });
  writeFileSync(join(directory, "toolcrib.toml"), 'lissten = "127.0.0.1:0"\n');
  const ended = await end(toolcrib(directory, ["serve"]));
  expect(ended).toMatchObject({ code: 78, out: "", err: expect.stringContaining('did you mean "listen"') });
});

test("a port that somebody else has", async () => {
  const other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  ends.push(() => other.stop(true));
  const ended = await end(toolcrib(home(), ["serve", "--listen", `127.0.0.1:${other.port}`]));
  expect(ended).toMatchObject({ out: "", err: expect.stringContaining(String(other.port)) });
  expect([5, 78]).toContain(ended.code);
});

test("a directory that cannot be", async () => {
  const directory = home();
  writeFileSync(join(directory, "data"), "in the way");
  const ended = await end(toolcrib(directory, ["serve", "--listen", "127.0.0.1:0"]));
  expect(ended).toMatchObject({ code: 78, out: "", err: expect.stringContaining(join(directory, "data")) });
});
