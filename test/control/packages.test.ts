// Updates over a real store, with a vault and servers that answer from data: what is newer, what an update shows, the
// switch, the way back, and that nothing changes without a word.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Packages, type PackagesOptions } from "../../src/control/packages.ts";
import { AppError } from "../../src/errors.ts";
import { problemOf } from "../../src/http/problem.ts";
import type { UpdateEvent } from "../../src/model/package-view.ts";
import type { ConfiguredServer, PinnedPackage } from "../../src/model/server-spec.ts";
import { specHash } from "../../src/model/spec-hash.ts";
import type { Newest } from "../../src/package/newest.ts";
import { openStore, type Store } from "../../src/store/store.ts";
import { fakeServer } from "../http/api/fake-admin.ts";
import { offer } from "../store/fixture.ts";
import { specOf } from "./lab.ts";

let directory: string;
let store: Store;
let packages: Packages;
/** What the registry has, by command. */
let newest: Map<string, Newest | AppError>;
/** What an installation brings, by command. */
let candidates: Map<string, PinnedPackage>;
let tried: ConfiguredServer[];
let ensured: string[];
let options: PackagesOptions;

const SIGNAL = new AbortController().signal;

function pin(version: string, name = "tool"): PinnedPackage {
  return {
    ecosystem: "npm",
    name,
    version,
    integrity: "sha512-x",
    directory: `npm/${name}@${version}-0123456789ab`,
    entry: "cli.js",
    tree: "a".repeat(64),
  };
}

function put(name: string, pinned: PinnedPackage | undefined, args: string[] = []): void {
  const spec = specOf(name, { args, env: { KEY: "hunter2" } });
  store.insertServer({
    name,
    spec,
    package: pinned,
    enabled: true,
    specHash: specHash(spec, pinned),
    createdAt: 1,
  });
}

const find = (name: string): ConfiguredServer => {
  const found = store.listServers().find((server) => server.name === name);
  if (found === undefined) throw new AppError("not-found", `There is no server ${name}.`);
  return found;
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "toolcrib-packages-"));
  store = openStore(join(directory, "toolcrib.db"));
  newest = new Map();
  candidates = new Map();
  tried = [];
  ensured = [];
  options = {
    servers: () => store.listServers(),
    find,
    view: (name) => fakeServer(name),
    async newest({ command }) {
      const found = newest.get(command) ?? new AppError("install-failed", "The registry does not answer.");
      if (found instanceof AppError) throw found;
      return found;
    },
    async install({ command }, progress) {
      progress("resolving", command);
      return candidates.get(command);
    },
    async tryServer(server) {
      tried.push(server);
      return offer({ tools: new TextEncoder().encode('[{"name":"b"}]') });
    },
    offerOf: () => offer({ tools: new TextEncoder().encode('[{"name":"a"}]') }),
    async ensure({ version }) {
      ensured.push(version);
    },
    save(server, action, alongside) {
      store.transaction(() => {
        alongside();
        store.updateServer(server);
        store.recordChange({ at: 1, actor: "test", action, subject: server.name, detail: {} });
      });
    },
    previous: store,
    usage: async (users) => ({
      bytes: 10,
      unusedBytes: 1,
      cacheBytes: 2,
      packages: [...users].map(([place, usedBy]) => ({ directory: place, bytes: 5, usedBy, neededAt: 0 })),
    }),
    vaultMaxBytes: 100,
    problemOf,
    now: () => 4242,
  };
  packages = new Packages(options);
});
afterEach(() => {
  store.close();
  rmSync(directory, { recursive: true, force: true });
});

async function prepare(name: string): Promise<readonly UpdateEvent[]> {
  const events: UpdateEvent[] = [];
  await packages.prepare(name, (event) => events.push(event), SIGNAL);
  return events;
}

function latest(version: string, more: Partial<Newest> = {}): Newest {
  return { wanted: "latest", version, directory: pin(version).directory, isExact: false, ...more };
}

describe("check", () => {
  const rows: readonly (readonly [string, Newest | AppError, object])[] = [
    ["the same", latest("1.0.0"), { state: "current", newest: "1.0.0", wanted: "latest" }],
    ["a newer one", latest("1.1.0"), { state: "newer", newest: "1.1.0" }],
    [
      "newer packages that it needs",
      latest("1.0.0", { directory: "npm/tool@1.0.0-ffffffffffff" }),
      { state: "newer", newest: "1.0.0", note: "packages that it needs are newer" },
    ],
    [
      "a version that was asked for by name",
      latest("1.1.0", { wanted: "1.0.0", isExact: true }),
      { state: "pinned", newest: "1.1.0", note: expect.stringContaining("add --replace") },
    ],
    [
      "the newest, asked for by name",
      latest("1.0.0", { wanted: "1.0.0", isExact: true }),
      { state: "current" },
    ],
    [
      "a registry that does not answer",
      new AppError("install-failed", "No answer."),
      { state: "unknown", note: "No answer." },
    ],
  ];
  test.each(rows)("%s", async (_, answer, expected) => {
    put("tool", pin("1.0.0"));
    newest.set("tool", answer);
    const [view] = await packages.check([], SIGNAL);
    expect(view).toMatchObject({ server: "tool", package: "tool", version: "1.0.0", ...expected });
  });

  test("of all that run a package, in the order of their names; of those that were named", async () => {
    for (const name of ["b", "a", "c", "d", "e"]) put(name, pin("1.0.0"));
    put("plain", undefined);
    for (const name of ["a", "b", "c", "d", "e"]) newest.set(name, latest("1.0.0"));
    const names = async (wanted: readonly string[]): Promise<readonly string[]> =>
      (await packages.check(wanted, SIGNAL)).map(({ server }) => server);
    expect(await names([])).toEqual(["a", "b", "c", "d", "e"]);
    expect(await names(["c", "a"])).toEqual(["c", "a"]);
    await expect(packages.check(["plain"], SIGNAL)).rejects.toThrow("runs no package of the vault");
    await expect(packages.check(["absent"], SIGNAL)).rejects.toThrow("no server absent");
  });
});

describe("update", () => {
  test("installs beside, tries, shows what differs, and changes nothing", async () => {
    put("tool", pin("1.0.0"));
    candidates.set("tool", pin("1.1.0"));
    const events = await prepare("tool");
    expect(events).toEqual([
      { event: "progress", stage: "resolving", detail: "tool" },
      { event: "progress", stage: "starting", detail: "tool@1.1.0" },
      {
        event: "prepared",
        prepared: {
          server: "tool",
          package: "tool",
          from: "1.0.0",
          to: "1.1.0",
          candidate: pin("1.1.0").directory,
          diff: expect.objectContaining({ tools: expect.objectContaining({ added: ["b"], removed: ["a"] }) }),
        },
      },
    ]);
    expect(tried).toMatchObject([{ name: "tool", package: { version: "1.1.0" } }]);
    expect(tried[0]?.specHash).not.toBe(find("tool").specHash);
    expect(find("tool").package).toEqual(pin("1.0.0"));
    expect(store.listPreviousPackages()).toEqual([]);
  });

  test("nothing newer: nothing is tried", async () => {
    put("tool", pin("1.0.0"));
    candidates.set("tool", pin("1.0.0"));
    newest.set("tool", latest("1.0.0"));
    expect((await prepare("tool")).at(-1)).toMatchObject({ event: "current", update: { state: "current" } });
    expect(tried).toEqual([]);
  });

  test("a candidate that does not start is no candidate", async () => {
    put("tool", pin("1.0.0"));
    candidates.set("tool", pin("1.1.0"));
    const failing = new Packages({
      ...options,
      tryServer: () => Promise.reject(new AppError("start-failed", "The server exited with code 1.")),
    });
    const events: UpdateEvent[] = [];
    await failing.prepare("tool", (event) => events.push(event), SIGNAL);
    expect(events.at(-1)).toMatchObject({ event: "failed", error: { code: "start-failed" } });
    await expect(failing.switch("tool", pin("1.1.0").directory)).rejects.toMatchObject({ code: "conflict" });
    expect(failing.keep()).toEqual([pin("1.0.0")]);
  });

  test("twice at once is refused the second time", async () => {
    put("tool", pin("1.0.0"));
    const { promise, resolve } = Promise.withResolvers<PinnedPackage>();
    const slow = new Packages({ ...options, install: () => promise });
    const first: UpdateEvent[] = [];
    const running = slow.prepare("tool", (event) => first.push(event), SIGNAL);
    const second: UpdateEvent[] = [];
    await slow.prepare("tool", (event) => second.push(event), SIGNAL);
    expect(second).toMatchObject([{ event: "failed", error: { code: "conflict" } }]);
    resolve(pin("1.1.0"));
    await running;
    expect(first.at(-1)).toMatchObject({ event: "prepared" });
  });

  test.each(["absent", "plain"])("of %s fails, and says why", async (name) => {
    put("plain", undefined);
    expect(await prepare(name)).toMatchObject([{ event: "failed" }]);
  });
});

describe("the switch", () => {
  beforeEach(async () => {
    put("tool", pin("1.0.0"), ["-y"]);
    candidates.set("tool", pin("1.1.0"));
    await prepare("tool");
  });

  test("puts the candidate in place, keeps the old one, and the way back leads there and forth again", async () => {
    expect(await packages.switch("tool", pin("1.1.0").directory)).toMatchObject({
      server: { name: "tool" },
      from: "1.0.0",
      to: "1.1.0",
    });
    const spec = specOf("tool", { args: ["-y"], env: { KEY: "hunter2" } });
    expect(find("tool")).toMatchObject({ package: pin("1.1.0"), specHash: specHash(spec, pin("1.1.0")) });
    expect(store.listPreviousPackages()).toEqual([
      { server: "tool", package: pin("1.0.0"), spec: { command: "tool", args: ["-y"] }, replacedAt: 4242 },
    ]);
    expect(packages.keep()).toEqual([pin("1.1.0"), pin("1.0.0")]);

    expect(await packages.rollback("tool")).toMatchObject({ from: "1.1.0", to: "1.0.0" });
    expect(find("tool").package).toEqual(pin("1.0.0"));
    expect(await packages.rollback("tool")).toMatchObject({ from: "1.0.0", to: "1.1.0" });
    expect(ensured).toEqual(["1.1.0", "1.0.0", "1.1.0"]);
  });

  test("is for what was shown and for nothing else", async () => {
    await expect(packages.switch("tool", pin("1.2.0").directory)).rejects.toMatchObject({ code: "conflict" });
    const other = find("tool");
    store.updateServer({ ...other, specHash: specHash(specOf("other"), undefined) });
    await expect(packages.switch("tool", pin("1.1.0").directory)).rejects.toMatchObject({ code: "conflict" });
    expect(find("tool").package).toEqual(pin("1.0.0"));
  });

  test("happens once", async () => {
    await packages.switch("tool", pin("1.1.0").directory);
    await expect(packages.switch("tool", pin("1.1.0").directory)).rejects.toMatchObject({ code: "conflict" });
  });

  test("of a candidate that is damaged does not happen", async () => {
    const blocked = new Packages({
      ...options,
      ensure: () => Promise.reject(new AppError("blocked", "It is damaged.")),
    });
    await blocked.prepare("tool", () => undefined, SIGNAL);
    await expect(blocked.switch("tool", pin("1.1.0").directory)).rejects.toMatchObject({ code: "blocked" });
    expect(find("tool").package).toEqual(pin("1.0.0"));
  });

  test("that cannot be saved changes nothing", async () => {
    const full = new Packages({
      ...options,
      save: () => {
        throw new AppError("no-space", "The disk is full.");
      },
    });
    await full.prepare("tool", () => undefined, SIGNAL);
    await expect(full.switch("tool", pin("1.1.0").directory)).rejects.toMatchObject({ code: "no-space" });
    expect(find("tool").package).toEqual(pin("1.0.0"));
    expect(store.listPreviousPackages()).toEqual([]);
  });
});

describe("the way back", () => {
  test("there is none without an update", async () => {
    put("tool", pin("1.0.0"));
    await expect(packages.rollback("tool")).rejects.toThrow("was never updated");
  });

  test("there is none to a package of another command line", async () => {
    put("tool", pin("1.0.0"));
    candidates.set("tool", pin("1.1.0"));
    await prepare("tool");
    await packages.switch("tool", pin("1.1.0").directory);
    const server = find("tool");
    store.updateServer({ ...server, spec: specOf("tool", { args: ["-p", "tool", "other"] }) });
    await expect(packages.rollback("tool")).rejects.toThrow("has another command line since its update");
    expect(find("tool").package).toEqual(pin("1.1.0"));
  });
});

test("what nobody can go back or switch to any more need not stay in the vault", async () => {
  put("tool", pin("1.0.0"));
  candidates.set("tool", pin("1.1.0"));
  await prepare("tool");
  await packages.switch("tool", pin("1.1.0").directory);
  candidates.set("tool", pin("1.2.0"));
  await prepare("tool");
  expect(packages.keep().map(({ version }) => version)).toEqual(["1.1.0", "1.0.0", "1.2.0"]);
  const server = find("tool");
  store.updateServer({ ...server, spec: specOf("other"), specHash: specHash(specOf("other"), undefined) });
  expect(packages.keep().map(({ version }) => version)).toEqual(["1.1.0"]);
});

test("who uses what in the vault", async () => {
  put("tool", pin("1.0.0"));
  put("twin", pin("1.0.0"));
  candidates.set("tool", pin("1.1.0"));
  await prepare("tool");
  await packages.switch("tool", pin("1.1.0").directory);
  expect(await packages.vault()).toEqual({
    bytes: 10,
    maxBytes: 100,
    unusedBytes: 1,
    cacheBytes: 2,
    packages: [
      { directory: pin("1.1.0").directory, bytes: 5, usedBy: ["tool"], neededAt: "1970-01-01T00:00:00.000Z" },
      {
        directory: pin("1.0.0").directory,
        bytes: 5,
        usedBy: ["twin", "tool"],
        neededAt: "1970-01-01T00:00:00.000Z",
      },
    ],
  });
});
