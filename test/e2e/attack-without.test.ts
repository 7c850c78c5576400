// Hosts that lack something, pretended by the setting `cage_without` and for real. Servers that demand more are blocked
// with the reason; for the others the report drops, and what the attacker gets through is what the report says is open.

import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { because, lacking, obstacleTo, uidOf } from "./attack-host.ts";
import { lies, surprise } from "./attack-report.ts";
import { AttackScene, type SceneOptions } from "./attack-scene.ts";
import { expectedOf, LEVELS, type Level, type User } from "./attack-table.ts";
import { filtered, hidden, withoutLandlock, withoutNamespaces } from "./attack-missing.ts";
import { serverOf } from "./views.ts";

setDefaultTimeout(60_000);

const MISSING = lacking(LEVELS, []);
if (MISSING !== "") console.log(MISSING);

interface Case {
  readonly about: string;
  readonly user: User;
  readonly without?: readonly string[];
  /** Given the uid and a directory that it may read. */
  readonly through?: (uid: number, directory: string) => readonly string[];
  readonly level: Level;
  /** In the reason why a server that wants more is blocked. */
  readonly because?: RegExp;
  /** Of axes that differ from a whole host: what is enforced, by what mechanism. */
  readonly axes?: Readonly<Record<string, readonly [enforced: string, mechanism: RegExp]>>;
}

const NO_CGROUPS = {
  memory: ["partial", /^rlimit/],
  pids: ["yes", /^rlimit/],
  cpu: ["no", /^none/],
} as const;
const BY_LANDLOCK = {
  files: ["partial", /^Landlock/],
  processes: ["partial", /Landlock/],
  identity: ["partial", /^no_new_privs/],
} as const;

const CASES: readonly Case[] = [
  {
    about: "user namespaces, by the setting",
    user: "user",
    without: ["user-namespaces"],
    level: "confined",
    because: /user namespace/,
    axes: BY_LANDLOCK,
  },
  {
    about: "user namespaces, for real",
    user: "user",
    through: (uid, directory) => filtered(withoutNamespaces(), uid, directory),
    level: "confined",
    because: /user namespace.*EPERM/,
    axes: BY_LANDLOCK,
  },
  {
    about: "namespaces, for real",
    user: "root",
    through: (uid, directory) => filtered(withoutNamespaces(), uid, directory),
    level: "confined",
    because: /file system of its own.*EPERM/,
    axes: { files: BY_LANDLOCK.files, processes: ["partial", /own uid, Landlock/] },
  },
  {
    about: "a /proc of its own, by the setting",
    user: "root",
    without: ["proc"],
    level: "confined",
    because: /\/proc of its own/,
  },
  {
    about: "a /proc of its own, for real: a part of it is hidden, as in a container",
    user: "user",
    through: (uid) => hidden("/proc/sys", uid),
    level: "confined",
    because: /\/proc of its own.*EPERM/,
    axes: BY_LANDLOCK,
  },
  {
    about: "Landlock, by the setting: namespaces do",
    user: "root",
    without: ["landlock"],
    level: "isolated",
  },
  {
    about: "Landlock, for real: namespaces do",
    user: "user",
    through: (uid, directory) => filtered(withoutLandlock(), uid, directory),
    level: "isolated",
  },
  {
    about: "Landlock, for real, and namespaces, by the setting",
    user: "root",
    without: ["namespaces"],
    through: (uid, directory) => filtered(withoutLandlock(), uid, directory),
    level: "off",
    because: /no Landlock/,
  },
  {
    about: "control groups, by the setting",
    user: "root",
    without: ["cgroups"],
    level: "isolated",
    axes: NO_CGROUPS,
  },
  {
    about: "control groups, for real",
    user: "root",
    through: (uid) => hidden("/sys/fs/cgroup", uid),
    level: "isolated",
    axes: NO_CGROUPS,
  },
  {
    about: "control groups and namespaces, by the setting",
    user: "root",
    without: ["cgroups", "namespaces"],
    level: "confined",
    because: /file system of its own/,
    axes: { ...NO_CGROUPS, "kill-tree": ["partial", /^launcher$/] },
  },
];

const OPTIONS: Readonly<Record<Level, readonly string[]>> = {
  isolated: [],
  confined: ["--minimum", "confined"],
  off: ["--cage", "off"],
};

let scene: AttackScene | undefined;
afterEach(async () => {
  await scene?.close();
  scene = undefined;
});

describe("without", () => {
  for (const each of CASES) {
    const obstacle = obstacleOf(each);
    test.skipIf(obstacle !== undefined)(`${each.about}${because(obstacle)}`, async () => {
      const { user, level, axes = {} } = each;
      scene = await AttackScene.open(optionsOf(each));
      if (each.because !== undefined) await expectBlocked(scene, each.because, level === "off");

      await scene.addVictim(...(level === "off" ? ["--cage", "off"] : OPTIONS[level]));
      await scene.add("attacker", ...OPTIONS[level]);

      const cage = await scene.cage("attacker");
      const tried = await scene.attemptAll("attacker", level, user);
      const found = new Map(cage.report?.axes.map((axis) => [axis.axis, axis]));
      expect(cage.report?.level).toBe(level);
      for (const [axis, [enforced, mechanism]] of Object.entries(axes)) {
        expect(`${axis}: ${found.get(axis)?.enforced}`).toBe(`${axis}: ${enforced}`);
        expect(found.get(axis)?.mechanism ?? "").toMatch(mechanism);
      }
      expect(tried.flatMap((one) => surprise(one, expectedOf(one.attack, level, user), cage) ?? [])).toEqual(
        [],
      );
      expect(lies(cage, tried)).toEqual([]);
    });
  }
});

/** A server that demands more than there is: not started, not tried again, and it says why and what helps. */
async function expectBlocked({ crib }: AttackScene, reason: RegExp, nothingHelps: boolean): Promise<void> {
  const demands = nothingHelps ? ["--minimum", "confined"] : [];
  const added = await crib.run(["add", "--yes", "--name", "demanding", ...demands, "/bin/sh", "-c", "exit"]);
  expect(added.code).not.toBe(0);
  expect(added.stderr).toMatch(reason);
  expect(added.stderr).toContain("toolcrib doctor");
  const server = await serverOf(crib, "demanding");
  expect({ state: server.state, exits: server.exits, pid: server.pid }).toEqual({
    state: "blocked",
    exits: 0,
    pid: undefined,
  });
  expect(server.reason).toMatch(reason);
}

function optionsOf({ user, without = [], through }: Case): SceneOptions {
  const uid = uidOf(user);
  return {
    uid,
    without,
    ...(through === undefined ? {} : { through: (directory) => through(uid ?? 0, directory) }),
  };
}

function obstacleOf({ level, user, through }: Case): string | undefined {
  // What is taken away by mounts or from another user, root has to take.
  if (through !== undefined && process.getuid?.() !== 0) return "not root";
  const needed = through === undefined ? [] : ["/usr/bin/setpriv", "/usr/bin/unshare"];
  const program = needed.find((path) => !existsSync(path));
  return program === undefined ? obstacleTo(level, user) : `no ${program}`;
}
