// Where groups can be made, on hosts of every kind: what is said, what is moved, and what is left alone.

import { describe, expect, test } from "bun:test";
import { findSites } from "../../src/cage/cgroup-sites.ts";
import { FakeCgroups, type FakeMount, OWN_PID } from "./fake-cgroups.ts";

const ALL = ["cpu", "memory", "pids"];
const UNIT = "/system.slice/toolcrib.service";

function unified(mount: Partial<FakeMount> = {}): FakeMount {
  return { point: "/sys/fs/cgroup", version: 2, controllers: ["cpuset", ...ALL], group: UNIT, ...mount };
}

const first = (controllers: readonly string[], mount: Partial<FakeMount> = {}): FakeMount => ({
  point: `/sys/fs/cgroup/${controllers.join(",")}`,
  version: 1,
  controllers,
  group: "/",
  ...mount,
});

const NOT_THERE = (name: string): string =>
  `no control group that can be seen from here has the controller "${name}"`;

interface Case {
  readonly about: string;
  readonly mounts: readonly FakeMount[];
  /** The mechanism or the reason, of memory, pids and cpu. */
  readonly means: readonly [memory: string, pids: string, cpu: string];
  /** Directories that hold groups of servers afterwards. */
  readonly sites: readonly string[];
  /** Where the appliance is afterwards. */
  readonly at: string;
}

const V2 = "cgroup v2";
const V1 = "cgroup v1";
const three = (words: string): readonly [string, string, string] => [words, words, words];

const CASES: readonly Case[] = [
  {
    about: "a systemd unit to which all was delegated",
    mounts: [unified()],
    means: three(V2),
    sites: [`/sys/fs/cgroup${UNIT}/crib`],
    at: `/sys/fs/cgroup${UNIT}/appliance`,
  },
  {
    about: "the same, begun in the leaf",
    mounts: [unified({ group: `${UNIT}/appliance`, on: ALL, ownsAbove: true })],
    means: three(V2),
    sites: [`/sys/fs/cgroup${UNIT}/crib`],
    at: `/sys/fs/cgroup${UNIT}/appliance`,
  },
  {
    about: "two controllers delegated",
    mounts: [unified({ controllers: ["memory", "pids"] })],
    means: [V2, V2, NOT_THERE("cpu")],
    sites: [`/sys/fs/cgroup${UNIT}/crib`],
    at: `/sys/fs/cgroup${UNIT}/appliance`,
  },
  {
    about: "the root of all groups, as without systemd: it may hold processes and be divided",
    mounts: [unified({ group: "/", others: [1, 2, 3] })],
    means: three(V2),
    sites: ["/sys/fs/cgroup/crib"],
    at: "/sys/fs/cgroup",
  },
  {
    about: "a group with other processes: nobody moves them, and nothing is switched on",
    mounts: [unified({ group: "/user.slice/session-3.scope", others: [99, 100] })],
    means: three("the group /user.slice/session-3.scope holds other processes beside this one (99, 100)"),
    // All that is in a group can be ended there all the same.
    sites: ["/sys/fs/cgroup/user.slice/session-3.scope/crib"],
    at: "/sys/fs/cgroup/user.slice/session-3.scope",
  },
  {
    about: "a group that belongs to somebody else",
    mounts: [unified({ foreign: true })],
    means: three(`the group ${UNIT} was not given to this user`),
    sites: [],
    at: `/sys/fs/cgroup${UNIT}`,
  },
  {
    about: "a container: all of it read-only",
    mounts: [unified({ group: "/", readOnly: true })],
    means: three("/sys/fs/cgroup is mounted read-only"),
    sites: [],
    at: "/sys/fs/cgroup",
  },
  {
    about: "hybrid: version 1 with limits, an empty version 2 that can end all",
    mounts: [
      first(["memory"], { group: "/a/b" }),
      first(["pids"]),
      first(["cpu", "cpuacct"]),
      first(["name=systemd"]),
      unified({ point: "/sys/fs/cgroup/unified", controllers: [], group: "/" }),
    ],
    means: three(V1),
    sites: [
      "/sys/fs/cgroup/memory/a/b/crib",
      "/sys/fs/cgroup/pids/crib",
      "/sys/fs/cgroup/cpu,cpuacct/crib",
      "/sys/fs/cgroup/unified/crib",
    ],
    at: "/sys/fs/cgroup/unified",
  },
  {
    about: "version 1 of which only one hierarchy is given, and processor time is counted apart",
    mounts: [first(["memory"], { foreign: true }), first(["pids"]), first(["cpuacct"])],
    means: ["the group / was not given to this user", V1, NOT_THERE("cpu")],
    sites: ["/sys/fs/cgroup/pids/crib", "/sys/fs/cgroup/cpuacct/crib"],
    at: "/sys/fs/cgroup/pids",
  },
  {
    about: "an old container, which is shown its own part of the tree",
    mounts: [first(["memory"], { root: "/docker/1f2e", group: "/docker/1f2e/below" })],
    means: [V1, NOT_THERE("pids"), NOT_THERE("cpu")],
    sites: ["/sys/fs/cgroup/memory/below/crib"],
    at: "/sys/fs/cgroup/memory/below",
  },
  {
    about: "another part of the tree than the one this is in",
    mounts: [
      first(["memory"], { root: "/docker/1f2e", group: "/docker/1f2e" }),
      first(["pids"], { group: "/../x" }),
    ],
    means: [V1, NOT_THERE("pids"), NOT_THERE("cpu")],
    sites: ["/sys/fs/cgroup/memory/crib"],
    at: "/sys/fs/cgroup/memory",
  },
  {
    about: "a place with a blank in its name",
    mounts: [unified({ point: "/mnt/control groups", group: "/" })],
    means: three(V2),
    sites: ["/mnt/control groups/crib"],
    at: "/mnt/control groups",
  },
  {
    about: "none at all",
    mounts: [],
    means: [NOT_THERE("memory"), NOT_THERE("pids"), NOT_THERE("cpu")],
    sites: [],
    at: "",
  },
];

describe("where groups are made", () => {
  test.each(CASES.map((each) => [each.about, each] as const))(
    "%s",
    (_about, { mounts, means, sites, at }) => {
      const files = new FakeCgroups(mounts);
      const found = findSites({ files, name: "crib", pid: OWN_PID });
      const said = [found.means.memory, found.means.pids, found.means.cpu].map(
        (each) => each.mechanism ?? each.because,
      );
      expect(said).toEqual([...means]);
      expect(found.sites.map(({ directory }) => directory)).toEqual([...sites]);
      if (at !== "") expect(files.processesIn(at)).toContain(OWN_PID);
      for (const { others = [], point, group, root = "/" } of mounts) {
        const own = `${point}${root === "/" ? group : group.slice(root.length)}`.replace(/\/$/, "");
        expect(files.processesIn(own).filter((pid) => pid !== OWN_PID)).toEqual([...others]);
      }
      // The trial is gone, and nothing was killed.
      expect(files.paths().filter((path) => path.endsWith("trial"))).toEqual([]);
      expect(files.killed).toEqual([]);
    },
  );

  test.each(CASES.map((each) => [each.about, each] as const))(
    "a look says the same and leaves all as it was: %s",
    (_about, { mounts, means }) => {
      const files = new FakeCgroups(mounts);
      const before = files.snapshot();
      const found = findSites({ files, name: "look", pid: OWN_PID, look: true });
      const said = [found.means.memory, found.means.pids, found.means.cpu].map(
        (each) => each.mechanism ?? each.because,
      );
      expect(said).toEqual([...means]);
      expect(files.snapshot()).toBe(before);
    },
  );
});

describe("what the kernel refuses", () => {
  test("the limits of one resource: the others go on", () => {
    const files = new FakeCgroups([unified()]);
    files.refuses.set("memory.max", "EPERM");
    const { means, sites } = findSites({ files, name: "crib", pid: OWN_PID });
    expect(means.memory.because).toBe(`the group ${UNIT} was not given to this user`);
    expect([means.pids.mechanism, means.cpu.mechanism]).toEqual([V2, V2]);
    expect(sites[0]?.resources).toEqual(["pids", "cpu"]);
  });

  test("one controller: the others are switched on all the same", () => {
    const files = new FakeCgroups([unified()]);
    const write = files.write.bind(files);
    files.write = (path, text) => (text === "+cpu" ? "EINVAL" : write(path, text));
    const { means } = findSites({ files, name: "crib", pid: OWN_PID });
    expect([means.memory.mechanism, means.pids.mechanism, means.cpu.mechanism]).toEqual([V2, V2, undefined]);
    expect(means.cpu.because).toContain("ENOENT");
  });

  test("the move into the leaf", () => {
    const files = new FakeCgroups([unified()]);
    files.refuses.set("appliance/cgroup.procs", "EACCES");
    const { means } = findSites({ files, name: "crib", pid: OWN_PID });
    expect(means.memory.because).toBe(`the group ${UNIT} was not given to this user`);
    expect(files.processesIn(`/sys/fs/cgroup${UNIT}`)).toEqual([OWN_PID]);
  });

  test("a limit that was taken and is not in force is none", () => {
    const files = new FakeCgroups([unified()]);
    const write = files.write.bind(files);
    files.write = (path, text) => (path.endsWith("pids.max") ? undefined : write(path, text));
    const { means } = findSites({ files, name: "crib", pid: OWN_PID });
    expect(means.pids.because).toContain("is not in force");
    expect(means.memory.mechanism).toBe(V2);
  });

  test("more processor time than a group above has: as much as that, in version 1", () => {
    const files = new FakeCgroups([first(["cpu"], { group: "/narrow" })]);
    files.write("/sys/fs/cgroup/cpu/narrow/cpu.cfs_quota_us", "20000");
    const { means } = findSites({ files, name: "crib", pid: OWN_PID });
    expect(means.cpu.mechanism).toBe(V1);
  });
});

test("nonsense in /proc is nothing", () => {
  const files = new FakeCgroups([]);
  const texts = [
    "",
    "\n\n",
    "a b c",
    "0::",
    "0::relative\n1:memory",
    "\0\u001b",
    "x".repeat(100_000),
    "1 2 3 4 5 6 - cgroup2 x y",
  ];
  for (const cgroup of texts) {
    for (const mountinfo of texts) {
      files.read = (path) =>
        path === "/proc/self/cgroup" ? cgroup : path === "/proc/self/mountinfo" ? mountinfo : undefined;
      expect(findSites({ files, name: "crib", pid: OWN_PID }).sites).toEqual([]);
    }
  }
});
