// Every case of golden/plans.json: what is to run, and the whole plan that comes of it.

import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directoriesOf, launchPlan, type PlanOptions } from "../../src/cage/plan.ts";
import { uncaged } from "../../src/cage/launch-plan.ts";
import { AppError } from "../../src/errors.ts";
import golden from "./golden/plans.json" with { type: "json" };

const HOST = {
  PATH: "/usr/local/bin:/usr/bin:/bin",
  HOME: "/root",
  LANG: "en_US.UTF-8",
  TERM: "xterm",
  GITHUB_TOKEN: "of the appliance",
  TOOLCRIB_HOME: "/srv/toolcrib",
  BUN_OPTIONS: "--preload /tmp/evil.js",
};

function options(some: Partial<PlanOptions>): PlanOptions {
  return {
    cage: { read: [], write: [] },
    written: [],
    level: "off",
    identity: { kind: "appliance" },
    runtime: [],
    egress: { kind: "none" },
    trust: undefined,
    cgroups: [],
    rlimits: [],
    hostname: "files",
    can: { arch: "x64", mapOwners: true },
    terminal: false,
    command: { file: "/usr/bin/server", args: [], env: {} },
    env: {},
    cwd: undefined,
    workDirectory: "/srv/toolcrib/work/files",
    launcher: "/srv/toolcrib/launcher/launcher-0123456789abcdef",
    host: HOST,
    ...some,
  };
}

describe("the plan of", () => {
  test.each(golden.map((entry) => [entry.name, entry] as const))("%s", (_name, { given, plan }) => {
    const { cwd, ...rest } = given;
    expect(launchPlan(options({ ...rest, cwd: cwd ?? undefined }))).toStrictEqual(uncaged(plan));
  });
});

describe("a path that is not absolute is refused", () => {
  const table: { what: string; some: Partial<PlanOptions> }[] = [
    { what: "program", some: { command: { file: "node", args: [], env: {} } } },
    { what: "program", some: { command: { file: "", args: [], env: {} } } },
    { what: "working directory", some: { workDirectory: "work" } },
    { what: "cwd", some: { cwd: "./src" } },
    { what: "launcher", some: { launcher: "launcher" } },
  ];
  test.each(table)("$what", ({ what, some }) => {
    const make = () => launchPlan(options(some));
    expect(make).toThrow(AppError);
    expect(make).toThrow(`The ${what} of a server has to be an absolute path: `);
  });
});

test("the directories of a server come with their parents first", () => {
  expect(directoriesOf("/srv/work/files")).toEqual(["/srv/work/files", "/srv/work/files/tmp"]);
});

describe("isolated", () => {
  const identity = { kind: "own-uid", uid: 2_000_000_007, gid: 2_000_000_007 } as const;
  const workDirectory = mkdtempSync(join(tmpdir(), "tc-plan-"));
  afterAll(() => rmSync(workDirectory, { recursive: true }));
  const isolated = (some: Partial<PlanOptions>) =>
    launchPlan(options({ level: "isolated", identity, workDirectory, ...some }));
  const targets = (plan: ReturnType<typeof launchPlan>): readonly string[] =>
    plan.mounts.map(({ target }) => target);

  test("shows nothing of the appliance but the server's own directory", () => {
    const plan = isolated({});
    expect(targets(plan).filter((path) => path.startsWith(tmpdir()))).toEqual([tmpdir(), workDirectory]);
    for (const path of ["/", "/home", "/root", "/var", "/run", "/sys", "/etc", "/etc/shadow", "/etc/ssl"]) {
      expect(targets(plan)).not.toContain(path);
    }
  });

  test("writes nowhere but in its own directory and what is granted", () => {
    const directory = mkdtempSync(join(tmpdir(), "tc-plan-"));
    try {
      const plan = isolated({ cage: { read: ["/usr/share"], write: [directory] } });
      const writable = plan.mounts.flatMap((mount) =>
        mount.kind === "bind" && mount.write ? [mount.target] : [],
      );
      expect(writable.toSorted()).toEqual([directory, workDirectory].toSorted());
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("parents are mounted before what is in them, each place once", () => {
    const all = targets(
      isolated({ cage: { read: ["/usr/share/doc", "/usr/share"], write: ["/usr/share"] } }),
    );
    expect(new Set(all).size).toBe(all.length);
    for (const [at, path] of all.entries()) {
      expect(all.slice(0, at).filter((earlier) => earlier.startsWith(`${path}/`))).toEqual([]);
    }
  });

  test("a granted path that is not there blocks the start", () => {
    const act = () => isolated({ cage: { read: ["/nowhere/at/all"], write: [] } });
    expect(act).toThrow('There is no "/nowhere/at/all", which it may read: make it, or take the grant away.');
  });

  test("a link that a server may have put into what it writes is not followed out of it", () => {
    const directory = mkdtempSync(join(tmpdir(), "tc-plan-"));
    try {
      const inside = join(directory, "inside");
      symlinkSync("/etc", inside);
      const act = () => isolated({ cage: { read: [inside], write: [directory] } });
      expect(act).toThrow("leads out of what it lies in, which a server may write");
      const another = () => isolated({ cage: { read: [inside], write: [] }, written: [directory] });
      expect(another).toThrow("leads out of what it lies in, which a server may write");
      // Where it may not write, a link is the administrator's own.
      const plan = isolated({ cage: { read: [inside], write: [] } });
      expect(plan.mounts).toContainEqual(expect.objectContaining({ source: "/etc", target: inside }));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("has a network of its own, whatever it may reach", () => {
    expect(isolated({}).network).toEqual({ kind: "own", listeners: [] });
    const listeners = [{ protocol: "tcp", address: "0.0.0.0", port: 443 }] as const;
    expect(isolated({ egress: { kind: "listeners", listeners } }).network).toEqual({
      kind: "own",
      listeners,
    });
  });
});

describe("confined", () => {
  const workDirectory = mkdtempSync(join(tmpdir(), "tc-plan-"));
  afterAll(() => rmSync(workDirectory, { recursive: true }));
  const confined = (some: Partial<PlanOptions>) =>
    launchPlan(options({ level: "confined", workDirectory, ...some }));

  test("has no mounts, and rules for what a runtime needs", () => {
    const plan = confined({});
    expect(plan.mounts).toEqual([]);
    expect(plan.paths.filter(({ access }) => access === "write").map(({ path }) => path)).toEqual([
      realpathSync(workDirectory),
    ]);
    for (const path of ["/", "/etc", "/home", "/root", tmpdir()])
      expect(plan.paths.map((rule) => rule.path)).not.toContain(path);
  });

  test("a link that a server may have put into what it writes gives no rule", () => {
    const link = join(workDirectory, "link");
    symlinkSync("/etc", link);
    for (const some of [
      { cage: { read: [link], write: [] } },
      { cage: { read: [], write: [link] } },
      { runtime: [link] },
    ])
      expect(() => confined(some)).toThrow("leads out of what it lies in, which a server may write");
    rmSync(link);
  });

  test("reaches the port of its proxy, and is told so", () => {
    const plan = confined({ egress: { kind: "proxy", port: 41_873, url: "http://cage:t@127.0.0.1:41873" } });
    expect(plan.network).toEqual({ kind: "ports", ports: [41_873] });
    expect(plan.env["HTTPS_PROXY"]).toBe("http://cage:t@127.0.0.1:41873");
    expect(confined({}).network).toEqual({ kind: "ports", ports: [] });
    expect(confined({}).env["HTTPS_PROXY"]).toBeUndefined();
  });
});
