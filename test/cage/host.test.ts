// What a host can give, from what its launcher says; and from this host's own.

import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { noSites } from "../../src/cage/cgroup-sites.ts";
import { type HostOptions, hostFacts, MECHANISMS, parseFacts, WITHOUT } from "../../src/cage/host.ts";
import { installLauncher } from "../../src/cage/launcher.ts";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "host-"));
  directories.push(directory);
  return directory;
}

const ALL = MECHANISMS.map((name) => `${name} ok${name === "landlock" ? " 7" : ""}\n`).join("");
const limits = noSites("none in this test").means;

function facts(told: string, options: Partial<HostOptions> = {}) {
  const asked: (readonly string[])[] = [];
  const run = (argv: readonly string[]): Promise<string> => {
    asked.push(argv);
    return Promise.resolve(told);
  };
  return hostFacts({ launcher: "/opt/launcher", limits, uid: 1000, run, ...options }).then((found) => ({
    ...found,
    asked,
  }));
}

const but = (name: string, outcome: string): string =>
  ALL.replace(new RegExp(`^${name} .*$`, "m"), `${name} ${outcome}`);

describe("levels", () => {
  test.each([
    ["everything there", ALL, 1000, undefined, undefined],
    ["as root, without user namespaces", but("user-namespace", "ENOSPC"), 0, undefined, undefined],
    [
      "no user namespaces",
      but("user-namespace", "ENOSPC"),
      1000,
      "it cannot have a user namespace (ENOSPC)",
      undefined,
    ],
    [
      "no mounts",
      but("mount-in-namespace", "EACCES"),
      1000,
      "it cannot be given a file system of its own (EACCES)",
      undefined,
    ],
    [
      "a masked /proc",
      but("proc-mount", "EPERM"),
      0,
      "it cannot be given a /proc of its own (EPERM)",
      undefined,
    ],
    [
      "no network",
      but("net-namespace", "EPERM"),
      0,
      "it cannot be given a network of its own (EPERM)",
      undefined,
    ],
    [
      "a number instead of a name",
      but("net-namespace", "1"),
      0,
      "it cannot be given a network of its own (EPERM)",
      undefined,
    ],
    ["no Landlock", but("landlock", "EOPNOTSUPP"), 1000, undefined, "there is no Landlock (EOPNOTSUPP)"],
    [
      "no filters",
      but("seccomp", "EINVAL"),
      1000,
      "its system calls cannot be filtered (EINVAL)",
      "its system calls cannot be filtered (EINVAL)",
    ],
    ["no owners mapped", but("idmap", "EINVAL"), 0, undefined, undefined],
    [
      "a launcher that says nothing",
      "",
      1000,
      "it cannot have a user namespace (the launcher did not say)",
      "there is no Landlock (the launcher did not say)",
    ],
  ] as const)("%s", async (_about, told, uid, isolated, confined) => {
    const { obstacles, levels, asked } = await facts(told, { uid });
    expect(obstacles).toEqual({ isolated, confined });
    expect(levels).toEqual({ isolated: isolated === undefined, confined: confined === undefined });
    expect(asked).toEqual([["/opt/launcher", "--facts"]]);
  });
});

describe("what is pretended missing", () => {
  test.each([
    ["user-namespaces", 1000, false, true],
    ["user-namespaces", 0, true, true],
    ["namespaces", 0, false, true],
    ["landlock", 0, true, false],
    ["proc", 0, false, true],
    ["idmap", 0, true, true],
    ["cgroups", 0, true, true],
    ["what nobody knows", 0, true, true],
  ] as const)("%s as uid %d", async (name, uid, isolated, confined) => {
    const { levels, mechanisms } = await facts(ALL, { uid, without: [name] });
    expect(levels).toEqual({ isolated, confined });
    for (const mechanism of MECHANISMS) {
      const off = WITHOUT[name]?.includes(mechanism) ?? false;
      expect(mechanisms[mechanism].has).toBe(!off);
      if (off) expect(mechanisms[mechanism].detail).toBe("switched off by cage_without");
    }
  });

  test("Landlock has no version then", async () => {
    expect((await facts(ALL)).landlockAbi).toBe(7);
    expect((await facts(ALL, { without: ["landlock"] })).landlockAbi).toBe(0);
    expect((await facts(but("landlock", "ok what"))).landlockAbi).toBe(0);
  });
});

test("nonsense from the launcher is no fact, and no end either", () => {
  const hostile = [
    "landlock",
    "landlock  ok",
    "LANDLOCK ok 7",
    "__proto__ ok",
    "seccomp ok\0",
    "\u001b[2J",
    "x".repeat(1e6),
  ];
  expect(parseFacts(hostile.join("\n"))).toEqual({});
  expect(parseFacts("seccomp 99999\nlandlock ok 4 and more\n")).toEqual({
    seccomp: { has: false, detail: "error 99999" },
    landlock: { has: true, detail: "4 and more" },
  });
});

test("files of the host: kernel and AppArmor", async () => {
  const root = temporary();
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  expect(await facts(ALL, { root })).toMatchObject({ kernel: undefined, appArmorRestricts: false });
  put("proc/sys/kernel/osrelease", "6.8.0-31-generic\n");
  put("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
  expect(await facts(ALL, { root })).toMatchObject({ kernel: "6.8.0-31-generic", appArmorRestricts: true });
});

test("a launcher that is not there, or is another program, leaves everything missing", async () => {
  for (const launcher of ["/nowhere/launcher", "/bin/true", "/dev/null"]) {
    const { levels } = await hostFacts({ launcher, limits });
    expect(levels).toEqual({ isolated: false, confined: false });
  }
});

test("this host's own launcher says something of each", async () => {
  const launcher = await installLauncher(temporary());
  const { mechanisms, kernel } = await hostFacts({ launcher, limits });
  expect(kernel).toMatch(/^\d+\.\d+/);
  for (const name of MECHANISMS) {
    expect(mechanisms[name].detail).not.toBe("the launcher did not say");
    if (!mechanisms[name].has) expect(mechanisms[name].detail).toMatch(/^E[A-Z0-9]+$/);
  }
});
