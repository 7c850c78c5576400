import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { installLauncher } from "../../src/cage/launcher.ts";
import { AppError } from "../../src/errors.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "install-launcher-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function sha256(path: string): string {
  return new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
}

function rewrite(path: string, change: (bytes: Buffer) => Buffer): void {
  const bytes = readFileSync(path);
  unlinkSync(path);
  writeFileSync(path, change(bytes), { mode: 0o555 });
}

async function refusal(attempt: Promise<unknown>): Promise<AppError> {
  const thrown = await attempt.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof AppError) return thrown;
  throw new Error(`expected an AppError, got ${String(thrown)}`);
}

test("makes the directory, and in it one file that runs, is named by its hash and that nobody writes to", async () => {
  const home = join(directory, "new", "launcher");
  const path = await installLauncher(home);
  expect(path).toBe(join(home, `launcher-${sha256(path).slice(0, 16)}`));
  expect(readdirSync(home)).toEqual([basename(path)]);
  expect(lstatSync(path).mode & 0o7777).toBe(0o555);
  expect(lstatSync(home).mode & 0o7777).toBe(0o711);
  expect(Bun.spawnSync([path, "--self-test"]).exitCode).toBe(0);
});

test("answers with an absolute path where it was given a relative one", async () => {
  expect(await installLauncher(relative(process.cwd(), directory))).toBe(await installLauncher(directory));
});

test("leaves a file alone that is right", async () => {
  const before = lstatSync(await installLauncher(directory));
  const after = lstatSync(await installLauncher(directory));
  expect({ ino: after.ino, mtimeMs: after.mtimeMs }).toEqual({ ino: before.ino, mtimeMs: before.mtimeMs });
});

describe("replaces what is not the launcher:", () => {
  const table: { name: string; spoil: (path: string) => void }[] = [
    { name: "other bytes of the same length", spoil: (path) => rewrite(path, (bytes) => bytes.fill(0)) },
    { name: "a file that was cut short", spoil: (path) => rewrite(path, (bytes) => bytes.subarray(0, 100)) },
    { name: "an empty file", spoil: (path) => rewrite(path, () => Buffer.alloc(0)) },
    { name: "a file that anybody can write to", spoil: (path) => chmodSync(path, 0o777) },
    { name: "a setuid file", spoil: (path) => chmodSync(path, 0o4555) },
    {
      name: "a link to the right bytes elsewhere",
      spoil: (path) => {
        const elsewhere = join(directory, "elsewhere");
        writeFileSync(elsewhere, readFileSync(path), { mode: 0o555 });
        unlinkSync(path);
        symlinkSync(elsewhere, path);
      },
    },
    {
      name: "a pipe that nobody writes to",
      spoil: (path) => {
        unlinkSync(path);
        expect(Bun.spawnSync(["mkfifo", path]).exitCode).toBe(0);
      },
    },
  ];
  test.each(table)("$name", async ({ spoil }) => {
    const path = await installLauncher(directory);
    const hash = sha256(path);
    spoil(path);
    expect(await installLauncher(directory)).toBe(path);
    expect(sha256(path)).toBe(hash);
    expect(lstatSync(path).isFile()).toBe(true);
    expect(lstatSync(path).mode & 0o7777).toBe(0o555);
    expect(readdirSync(directory).filter((name) => name.startsWith("."))).toEqual([]);
  });
});

test("two appliances that start at once both get a whole launcher", async () => {
  const paths = await Promise.all(Array.from({ length: 8 }, () => installLauncher(directory)));
  expect(new Set(paths).size).toBe(1);
  expect(readdirSync(directory)).toEqual([basename(paths[0] ?? "")]);
});

describe("says what to do", () => {
  test("where a file stands in the way", async () => {
    const home = join(directory, "file");
    writeFileSync(home, "");
    const { code, message } = await refusal(installLauncher(home));
    expect(code).toBe("bad-configuration");
    expect(message).toBe(
      `The launcher cannot be written to ${home} (EEXIST): make that a directory which this user owns and can ` +
        "write to, or choose another place with --home.",
    );
  });

  test("where a directory stands in the place of the launcher, and leaves no draft", async () => {
    const path = await installLauncher(directory);
    unlinkSync(path);
    mkdirSync(path);
    const { code, message } = await refusal(installLauncher(directory));
    expect(code).toBe("bad-configuration");
    expect(message).toContain("EISDIR");
    expect(readdirSync(directory)).toEqual([basename(path)]);
  });

  // Mounting takes root, and a container may refuse it even then.
  const mountable = process.getuid?.() === 0 && Bun.spawnSync(["unshare", "--mount", "true"]).exitCode === 0;
  test.skipIf(!mountable)(
    "on a file system from which nothing can be run (skipped unless root may mount)",
    async () => {
      // In a mount namespace of its own: the mount is gone with the process, however that ends.
      const script = `mount -t tmpfs -o noexec,size=1m none "$0" && exec "$1" "$2" "$0"`;
      const installer = join(import.meta.dir, "installer.ts");
      const child = Bun.spawn(
        ["unshare", "--mount", "sh", "-c", script, directory, process.execPath, installer],
        { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
      );
      expect(await child.stdout.text()).toBe(
        `bad-configuration: Programs cannot be run from ${directory} (EACCES), most likely because its file system is ` +
          "mounted noexec: mount it with exec, or choose another place with --home.\n",
      );
      expect(await child.exited).toBe(0);
      expect(readdirSync(directory)).toEqual([]);
    },
  );
});
