// What is read of a live server: from trees that look like /proc, and from /proc itself.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { evidenceOf, ownNamespaces } from "../../src/cage/evidence.ts";
import { wordsOf } from "../../src/cage/findings.ts";
import type { LaunchPlan } from "../../src/cage/launch-plan.ts";
import { CONFINED, ISOLATED, OFF, TARGETS } from "./example-plans.ts";

let proc = "";
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), "evidence-"));
});
afterEach(() => rmSync(proc, { recursive: true, force: true }));

const [INNER, SERVER] = [4711, 4712];
const NAMES = ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup"];
const HIDDEN = [TARGETS.database, TARGETS.otherServer];

const STATUS = `Name:\tnode
State:\tS (sleeping)
Uid:\t2000000001\t2000000001\t2000000001\t2000000001
NSpid:\t4712\t2
CapInh:\t0000000000000000
CapPrm:\t0000000000000000
CapEff:\t0000000000000000
CapBnd:\t0000000000000000
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
`;

/** A caged server as it should be; `changes` are files by their path, undefined for none. */
function tree(changes: Readonly<Record<string, string | undefined>> = {}): void {
  const link = (who: string, first: number) =>
    NAMES.map((name, index) => [`${who}/ns/${name}`, `->${name}:[${first + index}]`] as const);
  const files: Readonly<Record<string, string | undefined>> = {
    [`${INNER}/task/${INNER}/children`]: `${SERVER} 4790 4801 `,
    [`${SERVER}/status`]: STATUS,
    [`${SERVER}/mountinfo`]: "1 0 0:90 / / ro - tmpfs none rw\n2 1 8:1 /usr /usr ro - ext4 /dev/x rw\n",
    [`${SERVER}/cgroup`]: "3:memory:/other\n0::/toolcrib/cage-files-1\n",
    [`${SERVER}/uid_map`]: "         0          0 4294967295\n",
    "self/mountinfo": "1 0 8:1 / / rw - ext4 /dev/x rw\n",
    ...Object.fromEntries([...link("self", 1), ...link(String(SERVER), 101)]),
    ...changes,
  };
  for (const [path, content] of Object.entries(files)) {
    if (content === undefined) continue;
    mkdirSync(dirname(join(proc, path)), { recursive: true });
    if (content.startsWith("->")) symlinkSync(content.slice(2), join(proc, path));
    else writeFileSync(join(proc, path), content);
  }
}

function seen(plan: LaunchPlan) {
  const evidence = evidenceOf({ innerPid: INNER, plan, hidden: HIDDEN, now: () => 5, proc });
  const findings = evidence?.findings ?? [];
  return { pid: evidence?.pid, broken: wordsOf(findings, "broken"), holds: wordsOf(findings, "holds") };
}

test("a server in an isolated cage", () => {
  tree();
  expect(seen(ISOLATED)).toEqual({
    pid: SERVER,
    broken: [],
    holds: [
      "/proc: child of launcher 4711",
      "/proc: mount namespace of its own",
      "/proc: no mount shows the appliance's data",
      "/proc: process namespace of its own",
      "/proc: IPC namespace of its own",
      "/proc: process 2 of its own namespace, which ends with its process 1",
      "/proc: network namespace of its own",
      "/proc: seccomp filter in force",
      "/proc: uid 2000000001, no capabilities, no new privileges",
      "/proc: in its control group",
      "/proc: in its control group",
      "/proc: in its control group",
    ],
  });
});

test("a server in a confined cage, as the appliance's user", () => {
  tree({ [`${SERVER}/status`]: STATUS.replaceAll("2000000001", "998").replace("\t2\nCap", "\nCap") });
  expect(seen(CONFINED)).toEqual({
    pid: SERVER,
    broken: [],
    holds: [
      "/proc: child of launcher 4711",
      "/proc: seccomp filter in force",
      "/proc: uid 998, no capabilities, no new privileges",
    ],
  });
});

test("a server without a cage", () => {
  tree({ [`${SERVER}/status`]: STATUS.replace("Seccomp:\t2", "Seccomp:\t0") });
  expect(seen(OFF)).toEqual({ pid: SERVER, broken: [], holds: ["/proc: child of launcher 4711"] });
});

test("a user namespace shows another user than the host", () => {
  const plan: LaunchPlan = { ...ISOLATED, identity: { kind: "user-namespace", uid: 1000, gid: 1000 } };
  const status = STATUS.replaceAll("2000000001", "998");
  tree({ [`${SERVER}/status`]: status, [`${SERVER}/uid_map`]: "      1000        998          1\n" });
  expect(seen(plan).broken).toEqual([]);
  expect(seen(plan).holds).toContain("/proc: uid 1000, no capabilities, no new privileges");
});

describe("what is broken is told:", () => {
  const status = (from: string | RegExp, to: string) => ({ [`${SERVER}/status`]: STATUS.replace(from, to) });
  test.each<[string, Readonly<Record<string, string | undefined>>, string]>([
    ["another user", status(/Uid:.*/, "Uid:\t0\t0\t0\t0"), "It runs as uid 0, and should run as 2000000001."],
    [
      "a way back to root",
      status(/Uid:.*/, "Uid:\t2000000001\t2000000001\t0\t2000000001"),
      "It runs as uid unknown, and should run as 2000000001.",
    ],
    [
      "capabilities",
      status("CapEff:\t0000000000000000", "CapEff:\t000001ffffffffff"),
      "It has capabilities.",
    ],
    [
      "capabilities that are kept",
      status("CapAmb:\t0000000000000000", "CapAmb:\t0000000000000400"),
      "It has capabilities.",
    ],
    ["new privileges", status("NoNewPrivs:\t1", "NoNewPrivs:\t0"), "It can gain privileges."],
    ["no filter", status("Seccomp:\t2", "Seccomp:\t0"), "It runs without a filter of system calls."],
    [
      "the host's mounts",
      { [`${SERVER}/ns/mnt`]: "->mnt:[1]" },
      "It shares the mount namespace with the appliance.",
    ],
    [
      "the host's processes",
      { [`${SERVER}/ns/pid`]: "->pid:[2]" },
      "It shares the process namespace with the appliance.",
    ],
    [
      "the host's network",
      { [`${SERVER}/ns/net`]: "->net:[3]" },
      "It shares the network namespace with the appliance.",
    ],
    [
      "the appliance's data",
      {
        [`${SERVER}/mountinfo`]: "1 0 0:90 / / ro - tmpfs none rw\n2 1 8:1 /srv /data rw - ext4 /dev/x rw\n",
      },
      "It sees /srv/toolcrib/toolcrib.db as /data/toolcrib/toolcrib.db.",
    ],
    [
      "another group",
      { [`${SERVER}/cgroup`]: "0::/\n3:memory:/toolcrib/cage-files-2\n" },
      "It is not in its control group /sys/fs/cgroup/toolcrib/cage-files-1.",
    ],
  ])("%s", (_name, changes, words) => {
    tree(changes);
    expect(seen(ISOLATED).broken).toContain(words);
  });

  test("a user namespace with more than one user", () => {
    const plan: LaunchPlan = { ...ISOLATED, identity: { kind: "user-namespace", uid: 1000, gid: 1000 } };
    tree({ [`${SERVER}/uid_map`]: "0 0 4294967295\n" });
    expect(seen(plan).broken).toEqual(["It runs as uid unknown, and should run as 1000."]);
  });
});

describe("a server that is gone has no evidence:", () => {
  test.each<[string, Readonly<Record<string, string | undefined>>]>([
    ["no launcher", { [`${INNER}/task/${INNER}/children`]: undefined }],
    ["no child", { [`${INNER}/task/${INNER}/children`]: "" }],
    ["no process", { [`${SERVER}/status`]: undefined }],
  ])("%s", (_name, changes) => {
    tree(changes);
    expect(seen(ISOLATED)).toEqual({ pid: undefined, broken: [], holds: [] });
  });
});

test("a kernel that does not say where a process is, says nothing", () => {
  tree(
    Object.fromEntries([
      ...NAMES.map((name) => [`${SERVER}/ns/${name}`, undefined]),
      [`${SERVER}/mountinfo`, undefined],
    ]),
  );
  const { broken, holds } = seen(ISOLATED);
  expect(broken).toEqual([]);
  expect(
    holds.filter((words) => words.includes("namespace of its own") && !words.includes("process 2")),
  ).toEqual([]);
});

test("a live process of this host, judged by a plan that it does not follow", async () => {
  const shell = Bun.spawn(["/bin/sh", "-c", "cat; :"], { stdin: "pipe", stdout: "ignore", stderr: "ignore" });
  try {
    const read = () =>
      evidenceOf({ innerPid: shell.pid, plan: ISOLATED, hidden: ["/etc/passwd"], now: Date.now });
    // The shell has to get as far as its child.
    const deadline = performance.now() + 10_000;
    while (read() === undefined && performance.now() < deadline) await Bun.sleep(5);
    const broken = wordsOf(read()?.findings ?? [], "broken");
    expect(broken).toContain("It shares the mount namespace with the appliance.");
    expect(broken).toContain("It shares the process namespace with the appliance.");
    expect(broken).toContain("It shares the network namespace with the appliance.");
    expect(broken).toContain("It sees /etc/passwd.");
    expect(broken.some((words) => words.startsWith("It is not in its control group"))).toBe(true);
    expect(broken.some((words) => words.startsWith("It runs as uid"))).toBe(true);
  } finally {
    shell.stdin.end();
    await shell.exited;
  }
});

test("the namespaces of this process", () => {
  const own = ownNamespaces();
  expect(own.length).toBeGreaterThanOrEqual(5);
  for (const link of own) expect(link).toMatch(/^[a-z]+:\[\d+\]$/);
});
