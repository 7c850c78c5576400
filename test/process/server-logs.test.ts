// Ring and file of each server: what goes where, and what is left after a restart and after a removal.

import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog, nullLog } from "../../src/log.ts";
import { ServerLogs } from "../../src/process/server-logs.ts";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function temporary(): string {
  const directory = join(mkdtempSync(join(tmpdir(), "server-logs-")), "logs");
  directories.push(join(directory, ".."));
  return directory;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const keep = (_server: string, text: string): string => text;

test("what a server writes is in its ring and in its file, and in no other", async () => {
  const directory = temporary();
  const logs = new ServerLogs({ directory, mask: keep, log: nullLog });
  logs.of("files").push(bytes("of files\n"));
  logs.of("fetch").push(bytes("of fetch\n"));
  logs.of("files").begin();
  logs.of("files").note("It ended.");
  expect(logs.of("files").text()).toBe("of files\n[toolcrib] It ended.\n");
  await logs.close();
  const files = readFileSync(join(directory, "files.log"), "utf8");
  expect(files).toMatch(/^\S+Z of files\n\S+Z \[toolcrib\] It ended\.\n$/);
  expect(readFileSync(join(directory, "fetch.log"), "utf8")).not.toContain("of files");
  expect(readdirSync(directory).toSorted()).toEqual(["fetch.log", "files.log"]);
});

test("after a restart the file is shown, until there is something newer", async () => {
  const directory = temporary();
  const before = new ServerLogs({ directory, mask: keep, log: nullLog });
  before.of("files").push(bytes("first\nsecond\n"));
  await before.close();

  const after = new ServerLogs({ directory, mask: keep, log: nullLog });
  const output = after.of("files");
  expect(output.text()).toBe("");
  expect(await output.kept(10_000)).toMatch(/^\S+Z first\n\S+Z second\n$/);
  expect(await output.kept(40)).toMatch(/^\S+Z second\n$/);
  output.push(bytes("third\n"));
  expect(await output.kept(10_000)).toBe("third\n");
  await after.close();
});

test("a server of the same name begins with nothing", async () => {
  const directory = temporary();
  const logs = new ServerLogs({ directory, mask: keep, log: nullLog });
  logs.of("files").push(bytes("of the first\n"));
  await logs.remove("files");
  expect(readdirSync(directory)).toEqual([]);
  expect(await logs.of("files").kept(10_000)).toBe("");
  // Also one that this appliance has not heard of.
  writeFileSync(join(directory, "old.log"), "left\n");
  await logs.remove("old");
  expect(existsSync(join(directory, "old.log"))).toBe(false);
  await logs.close();
});

test("secrets are those of the moment, and of the server", async () => {
  const directory = temporary();
  const secrets = new Map([["files", "first-secret"]]);
  const mask = (server: string, text: string): string =>
    text.replaceAll(secrets.get(server) ?? "\0", "[secret]");
  const logs = new ServerLogs({ directory, mask, log: nullLog });
  logs.of("files").push(bytes("first-secret\n"));
  secrets.set("files", "other-secret");
  logs.of("files").push(bytes("other-secret\n"));
  logs.of("fetch").push(bytes("other-secret\n"));
  await logs.close();
  expect(readFileSync(join(directory, "files.log"), "utf8")).not.toContain("-secret");
  expect(readFileSync(join(directory, "fetch.log"), "utf8")).toContain("other-secret");
});

test("a file that cannot be written is one warning, with the name of the server", async () => {
  const directory = temporary();
  writeFileSync(directory, "not a directory");
  const lines: string[] = [];
  const log = createLog({ level: "info", write: (line) => lines.push(line) });
  const logs = new ServerLogs({ directory, mask: keep, log });
  logs.of("files").push(bytes("one\n"));
  await logs.close();
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('"server":"files"');
  expect(logs.of("files").text()).toBe("one\n");
});
