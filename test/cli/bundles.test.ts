// `bundle` and `bundle load`: where the archive goes, what is asked, and what is handed on to `add`.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Elysia } from "elysia";
import { bundle, load } from "../../src/cli/bundles.ts";
import type { BundleAdmin } from "../../src/control/bundles.ts";
import { AppError } from "../../src/errors.ts";
import { bundleRoutes } from "../../src/http/api/bundles.ts";
import { serverRoutes } from "../../src/http/api/servers.ts";
import type { LoadedServer } from "../../src/model/package-view.ts";
import { FakeAdmin } from "../http/api/fake-admin.ts";
import { PackageScene } from "./package-scene.ts";

const LOADED: LoadedServer = {
  name: "files",
  spec: {
    kind: "stdio",
    command: "npx",
    args: ["files"],
    env: {},
    cage: { read: [], write: [], network: [] },
    extra: {},
  },
  summary: ["runs: npx files"],
  unknownKeys: [],
  package: {
    ecosystem: "npm",
    name: "files",
    version: "1.0.0",
    integrity: "",
    directory: "npm/files@1.0.0-0123456789ab",
    entry: "cli.js",
    tree: "a".repeat(64),
  },
  missing: { env: ["KEY"], broker: [] },
};

let received: string[];
let breaksOff: boolean;
const bundles: BundleAdmin = {
  async write(servers) {
    if (servers.includes("plain")) throw new AppError("usage", "Server plain runs no package of the vault.");
    let left = 3;
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        if (breaksOff && left === 1) return controller.error(new Error("broken"));
        controller.enqueue(new TextEncoder().encode("x".repeat(100_000)));
        if (--left === 0) controller.close();
      },
    });
  },
  async load(archive) {
    received.push(await new Response(archive).text());
    if (received[0] === "hostile") throw new AppError("bad-answer", "The archive is damaged.");
    return {
      servers: [LOADED],
      notes: ["files: had the variable KEY"],
      packages: [LOADED.package.directory],
    };
  },
};

let admin: FakeAdmin;
let scene: PackageScene;
let directory: string;
beforeAll(() => {
  admin = new FakeAdmin();
  scene = new PackageScene(new Elysia().use(bundleRoutes(bundles)).use(serverRoutes(admin, () => {})));
  directory = mkdtempSync(join(tmpdir(), "cli-bundles-"));
});
afterAll(async () => {
  await scene.stop();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => {
  received = [];
  breaksOff = false;
  admin.all.clear();
  admin.adds.length = 0;
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
});

const file = (name: string): string => join(directory, name);

describe("bundle", () => {
  test("writes a file of its owner alone", async () => {
    const ran = await scene.run((context) => bundle(context, ["files"], { output: file("a.tgz") }));
    expect(ran.code).toBe(0);
    expect(ran.out).toBe(`${file("a.tgz")}\n`);
    expect(ran.talk).toContain("Values of variables and secrets are not in it.");
    expect(statSync(file("a.tgz")).size).toBe(300_000);
    expect(statSync(file("a.tgz")).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(["a.tgz"]);
  });

  test("writes to stdout with -o -", async () => {
    const ran = await scene.run((context) => bundle(context, ["files"], { output: "-" }));
    expect(ran.out).toHaveLength(300_000);
    expect(ran.talk).toBe("");
  });

  test("says as JSON what it wrote", async () => {
    const verb = { output: file("a.tgz") };
    const { out } = await scene.run((context) => bundle(context, ["files"], verb), { json: true });
    expect(JSON.parse(out)).toEqual({ file: file("a.tgz"), bytes: 300_000, servers: ["files"] });
  });

  test("leaves a file that is there alone, and nothing beside it", async () => {
    writeFileSync(file("a.tgz"), "mine");
    const ran = scene.run((context) => bundle(context, ["files"], { output: file("a.tgz") }));
    await expect(ran).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining("is there already"),
    });
    expect(readFileSync(file("a.tgz"), "utf8")).toBe("mine");
    expect(readdirSync(directory)).toEqual(["a.tgz"]);
  });

  test.each([
    ["of a server without a package", "plain", "usage"],
    ["that breaks off", "files", "unreachable"],
  ] as const)("%s leaves no file", async (_, name, code) => {
    breaksOff = true;
    const ran = scene.run((context) => bundle(context, [name], { output: file("a.tgz") }));
    await expect(ran).rejects.toMatchObject({ code });
    expect(readdirSync(directory)).toEqual([]);
  });

  test("into a directory that is not there says so", async () => {
    const ran = scene.run((context) => bundle(context, ["files"], { output: file("no/a.tgz") }));
    await expect(ran).rejects.toMatchObject({
      message: expect.stringContaining("cannot be written (ENOENT)"),
    });
  });
});

describe("bundle load", () => {
  beforeEach(() => writeFileSync(file("a.tgz"), "the archive"));

  test("sends the file, shows the plan, asks, and adds with the package of the bundle", async () => {
    const ran = await scene.run((context) => load(context, file("a.tgz"), { env: ["KEY=1", "OTHER=2"] }), {
      answers: [true],
    });
    expect(received).toEqual(["the archive"]);
    expect(ran.code).toBe(0);
    expect(ran.talk).toContain("1 package checked, 1 new in the vault.\nfiles\n  runs: npx files\n");
    expect(ran.talk).toContain("note: files: had the variable KEY\n");
    expect(ran.out).toContain("files: ready");
    expect(admin.adds).toMatchObject([
      { name: "files", spec: { env: { KEY: "1" } }, package: LOADED.package, replace: false },
    ]);
    expect(admin.adds[0]?.spec).not.toMatchObject({ env: { OTHER: "2" } });
  });

  test("adds nothing without a word", async () => {
    const ran = await scene.run((context) => load(context, file("a.tgz"), {}), { answers: [false] });
    expect(ran.code).toBe(1);
    await expect(scene.run((context) => load(context, file("a.tgz"), {}))).rejects.toMatchObject({
      code: "usage",
    });
    expect(admin.adds).toEqual([]);
  });

  test("--yes --replace", async () => {
    const ran = await scene.run((context) => load(context, file("a.tgz"), { yes: true, replace: true }));
    expect(ran.code).toBe(0);
    expect(admin.adds).toMatchObject([{ replace: true }]);
  });

  test("of a hostile file adds nothing", async () => {
    writeFileSync(file("a.tgz"), "hostile");
    const ran = scene.run((context) => load(context, file("a.tgz"), { yes: true }));
    await expect(ran).rejects.toMatchObject({ code: "bad-answer" });
    expect(admin.adds).toEqual([]);
  });

  test("of no file says so before anything is sent", async () => {
    const ran = scene.run((context) => load(context, file("none.tgz"), {}));
    await expect(ran).rejects.toMatchObject({ code: "usage" });
    expect(received).toEqual([]);
  });
});

test("an archive that is sent as something else is refused", async () => {
  const response = await fetch("http://toolcrib/api/v1/bundles/load", {
    method: "POST",
    unix: join(scene.home, "run", "admin.sock"),
    body: "x",
  });
  expect(response.status).toBe(400);
  expect(received).toEqual([]);
});
