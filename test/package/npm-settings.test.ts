// The vault's own npm settings: when they are refused, what they say, and that an installation uses them instead of
// the user's, without a word of them anywhere.

import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InstallStep, StartStep } from "../../src/package/installer-child.ts";
import { installNpm } from "../../src/package/npm.ts";
import { findNpmSettings, readNpmSettings, registryHosts } from "../../src/package/npm-settings.ts";
import { failure, openScene } from "./npm-scene.ts";

setDefaultTimeout(30_000);

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "toolcrib-npmrc-"));
  path = join(directory, "npmrc");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const put = (text: string, mode = 0o600): Promise<void> => writeFile(path, text, { mode });

test("none is none", async () => {
  expect(await readNpmSettings(directory)).toBeUndefined();
  expect(await readNpmSettings(join(directory, "absent"))).toBeUndefined();
});

test("registries, for all packages and for scopes", async () => {
  await put(
    "; a comment\n# registry=https://commented.example/\n  registry = 'https://npm.example.com/'\r\n" +
      "@acme:registry=https://acme.example:8443/npm/\n//npm.example.com/:_authToken=hunter2\nalways-auth=true\n",
  );
  expect(await readNpmSettings(directory)).toEqual({
    path,
    registries: ["https://npm.example.com/", "https://acme.example:8443/npm/"],
    replacesDefault: true,
  });
});

test("without any, those of the appliance's user count, as npm finds them", async () => {
  const home = join(directory, "home");
  await mkdir(join(home, "xdg"), { recursive: true });
  const find = (host: Record<string, string>): Promise<unknown> => findNpmSettings(directory, host);
  expect(await find({ HOME: home })).toBeUndefined();
  await writeFile(join(home, "real"), "@acme:registry=https://acme.example/\n", { mode: 0o644 });
  await symlink("real", join(home, ".npmrc"));
  const ofUser = { path: join(home, "real"), registries: ["https://acme.example/"], replacesDefault: false };
  expect(await find({ HOME: home })).toEqual(ofUser);
  await writeFile(join(home, "xdg/.npmrc"), "registry=https://xdg.example/\n");
  expect(await find({ HOME: home, XDG_CONFIG_HOME: join(home, "xdg") })).toMatchObject({
    registries: ["https://xdg.example/"],
  });
  await put("registry=https://own.example/\n");
  expect(await find({ HOME: home })).toMatchObject({ path });
});

describe("refused", () => {
  test.each([0o644, 0o640, 0o604])("one with mode %o: it holds tokens", async (mode) => {
    await put("//x/:_authToken=hunter2\n");
    await chmod(path, mode);
    const error = await failure(readNpmSettings(directory));
    expect(error.code).toBe("bad-configuration");
    expect(error.message).toBe(`${path} may be read by others: run "chmod 600 ${path}".`);
  });

  test("a link, a directory, a very long one", async () => {
    await symlink("/etc/hostname", path);
    expect((await failure(readNpmSettings(directory))).message).toContain("is not a file");
    await rm(path);
    await mkdir(path);
    expect((await failure(readNpmSettings(directory))).message).toContain("is not a file");
    await rm(path, { recursive: true });
    await put("x".repeat(70_000));
    expect((await failure(readNpmSettings(directory))).message).toContain("has more than 65536 bytes");
  });
});

describe("what an installation may reach", () => {
  const settings = { path: "/x", registries: ["https://npm.example.com/"], replacesDefault: true };
  const scoped = { ...settings, registries: ["https://acme.example/"], replacesDefault: false };
  test.each([
    ["nothing said", {}, undefined, [], ["registry.npmjs.org:443"]],
    ["a setting", {}, settings, [], ["npm.example.com:443"]],
    ["a scope only", {}, scoped, [], ["acme.example:443", "registry.npmjs.org:443"]],
    ["a variable", { NPM_CONFIG_REGISTRY: "http://127.0.0.1:4873/" }, undefined, [], ["127.0.0.1:4873"]],
    [
      "the command line",
      {},
      scoped,
      ["--registry=https://own.example:1"],
      ["own.example:1", "acme.example:443"],
    ],
    [
      "a proxy",
      { HTTPS_PROXY: "http://joe:hunter2@proxy:3128" },
      undefined,
      [],
      ["registry.npmjs.org:443", "proxy:3128"],
    ],
    ["nonsense", { NPM_CONFIG_REGISTRY: "ftp://x", HTTP_PROXY: "nonsense" }, undefined, [], []],
  ] as const)("%s", (_, host, npmSettings, args, expected) => {
    expect(registryHosts({ host, npmSettings }, args)).toEqual([...expected]);
  });
});

test("an installation uses them instead of the user's, and nothing of them stays in the vault", async () => {
  const files = { "cli.js": "#!/usr/bin/env node\n" };
  const scene = await openScene([{ name: "tool", version: "1.0.0", manifest: { bin: "cli.js" }, files }]);
  try {
    const { host } = new URL(scene.registry.url);
    await put(`registry=${scene.registry.url}/\n//${host}/:_authToken=hunter2\n`);
    await writeFile(join(scene.home, ".npmrc"), "registry=http://127.0.0.1:1/\n");
    const npmSettings = await readNpmSettings(directory);
    const pinned = await installNpm(
      scene.request("tool", "1.0.0", { host: { HOME: scene.home }, npmSettings }),
    );
    expect(scene.registry.authorized).toContain("Bearer hunter2");
    const at = join(scene.vault, pinned.directory);
    for (const entry of await readdir(at, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      expect(await readFile(join(entry.parentPath, entry.name), "utf8")).not.toContain("hunter2");
    }
    scene.registry.failWith = 401;
    const refused = await failure(
      installNpm(scene.request("tool", "latest", { host: { HOME: scene.home }, npmSettings })),
    );
    expect(refused.message).not.toContain("hunter2");
  } finally {
    await scene.close();
  }
});

test("what confines installations starts each step, and is told what it needs and no secret in its arguments", async () => {
  const files = { "cli.js": "#!/usr/bin/env node\n" };
  const scene = await openScene([{ name: "tool", version: "1.0.0", manifest: { bin: "cli.js" }, files }]);
  const steps: InstallStep[] = [];
  const start: StartStep = (step) => {
    steps.push(step);
    const child = Bun.spawn([...step.argv], { cwd: step.cwd, env: step.env, stdout: "pipe", stderr: "pipe" });
    return {
      exited: child.exited,
      stdout: child.stdout,
      stderr: child.stderr,
      kill: () => child.kill("SIGKILL"),
    };
  };
  try {
    await put(`registry=${scene.registry.url}/\n`);
    const npmSettings = await readNpmSettings(directory);
    await installNpm(
      scene.request("tool", "1.0.0", {
        host: { HOME: scene.home, NPM_TOKEN: "hunter2" },
        npmSettings,
        start,
      }),
    );
    expect(steps.map(({ argv }) => argv[1])).toEqual(["add", "install"]);
    for (const { argv, cwd, writes, reads, reaches, env } of steps) {
      expect(argv.join(" ")).not.toContain("hunter2");
      expect(env["NPM_CONFIG_USERCONFIG"]).toBe(path);
      expect(writes).toEqual([cwd, join(scene.home, "cache")]);
      expect(reads).toEqual([path]);
      expect(reaches).toEqual([new URL(scene.registry.url).host]);
    }
  } finally {
    await scene.close();
  }
});
