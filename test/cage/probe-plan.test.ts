// Each attempt of the probe, for each kind of plan: that a cage that holds is found to hold, and that whatever gets
// through is named.

import { describe, expect, test } from "bun:test";
import { wordsOf } from "../../src/cage/findings.ts";
import type { LaunchPlan } from "../../src/cage/launch-plan.ts";
import { attemptsFor, type ProbeTargets } from "../../src/cage/probe-plan.ts";
import { judge } from "../../src/cage/probe-verdict.ts";
import { type Answers, identity, printed } from "./answers.ts";
import { bind, CONFINED, ISOLATED, OFF, TARGETS } from "./example-plans.ts";

const UNPRIVILEGED: LaunchPlan = { ...ISOLATED, identity: { kind: "user-namespace", uid: 1000, gid: 1000 } };
const WITH_PROXY: LaunchPlan = { ...CONFINED, network: { kind: "ports", ports: [41_873] } };

function texts(plan: LaunchPlan, targets: ProbeTargets = TARGETS): readonly string[] {
  return attemptsFor(plan, targets).map(({ text }) => text);
}

function found(plan: LaunchPlan, own: Answers = {}, targets: ProbeTargets = TARGETS) {
  const { findings } = judge(attemptsFor(plan, targets), {
    stdout: printed(plan, own, targets),
    exitCode: 0,
  });
  return {
    broken: wordsOf(findings, "broken"),
    gaps: wordsOf(findings, "gap"),
    amiss: wordsOf(findings, "amiss"),
    holds: wordsOf(findings, "holds"),
  };
}

test("a plan without a cage is not tried", () => {
  expect(attemptsFor(OFF, TARGETS)).toEqual([]);
});

test("no attempt is made twice, and all are lines", () => {
  for (const plan of [ISOLATED, UNPRIVILEGED, CONFINED, WITH_PROXY]) {
    const all = texts(plan);
    expect(new Set(all).size).toBe(all.length);
    expect(all.filter((text) => /[\t\n]/.test(text))).toEqual([]);
    expect(all.length).toBeGreaterThanOrEqual(45);
  }
});

describe("a cage that holds has nothing broken", () => {
  test.each([
    ["isolated, with a uid of its own", ISOLATED, []],
    ["isolated, in a user namespace", UNPRIVILEGED, []],
    ["confined, without a network", CONFINED, ["sees the processes of the host and their arguments"]],
    ["confined, with a proxy", WITH_PROXY, ["sees the processes of the host and their arguments"]],
  ])("%s", (_name, plan, gaps) => {
    const user: Answers = plan === UNPRIVILEGED ? { namespaces: "ok\tmnt:[9] pid:[9] net:[9] user:[9]" } : {};
    const { broken, gaps: named, amiss, holds } = found(plan, user);
    expect({ broken, amiss, gaps: named }).toEqual({ broken: [], amiss: [], gaps });
    expect(holds.length).toBeGreaterThan(40);
  });
});

describe("what gets through an isolated cage is named:", () => {
  const table: readonly (readonly [text: string, answer: string, words: string])[] = [
    ["read /srv/toolcrib/toolcrib.db", "ok", "It could read the appliance's database."],
    ["write /srv/toolcrib/toolcrib.db", "ok", "It could write to the appliance's database."],
    ["read /srv/toolcrib/canary", "ok", "It could read a file of the appliance's."],
    [
      "read /proc/1/root/srv/toolcrib/canary",
      "ok",
      "It could read a file of the appliance's past its own root.",
    ],
    ["list /srv/toolcrib/work/other", "ok\t1", "It could see another server's files."],
    ["write /srv/toolcrib/work/other", "ok", "It could write to another server's files."],
    ["write /srv/toolcrib/vault", "ok", "It could put something into the vault."],
    ["write /srv/toolcrib/vault/pkg", "ok", "It could write to /srv/toolcrib/vault/pkg."],
    ["read /etc/shadow", "ok", "It could read the passwords of the host."],
    ["write /proc/sys/kernel/core_pattern", "ok", "It could change settings of the kernel."],
    ["write /", "ok", "It could write to /."],
    ["write /usr", "ok", "It could write to /usr."],
    ["list /root", "ok\t3", "It sees 3 names in /root, and should see 0."],
    ["list /srv/toolcrib", "ok\t9", "It sees 9 names in /srv/toolcrib, and should see 2."],
    ["list /srv/toolcrib/vault", "ok\t2", "It sees 2 names in /srv/toolcrib/vault, and should see 1."],
    ["kill 4711", "ok", "It could send signals to the appliance."],
    ["read /proc/4711/environ", "ok", "It could read the environment of the appliance."],
    ["pids", "ok\t87", "It sees 87 processes, and should see its own alone."],
    [
      "namespaces",
      "ok\tmnt:[101] pid:[2] net:[103] user:[6]",
      "It shares the pid namespace with the appliance.",
    ],
    ["connect-tcp 127.0.0.1 7700", "ok", "It could reach the appliance's own port."],
    ["connect-tcp 192.0.2.1 9", "EINPROGRESS", "It could connect to any address."],
    ["connect-unix /srv/toolcrib/run/admin.sock", "ok", "It could reach the socket of the administrators."],
    ["interfaces", "ok\tlo eth0", "It sees the network interfaces lo eth0, and should see lo alone."],
    ["vsock", "ok", "It could reach the host of this virtual machine."],
    ["multipath-socket", "ok", "It could connect by another protocol than TCP."],
    ["unshare user", "ok", "It could make a user namespace."],
    [
      "keyctl",
      "ENOKEY",
      "It could use the keyrings of the kernel: nothing kept it from the kernel, which answered ENOKEY.",
    ],
    ["io_uring", "EFAULT", "It could use io_uring: nothing kept it from the kernel, which answered EFAULT."],
    [
      "clone3",
      "EINVAL",
      "It could make namespaces by a call that no filter can check: nothing kept it from the kernel, which answered EINVAL.",
    ],
    [
      "fast-open",
      "EBADF",
      "It could connect by TCP Fast Open: nothing kept it from the kernel, which answered EBADF.",
    ],
    ["i386", "ok", "It could make 32-bit calls."],
    [
      "uid",
      `ok\t${identity(ISOLATED).replace("seccomp=2", "seccomp=0")}`,
      "It runs without a filter of system calls.",
    ],
    [
      "uid",
      `ok\t${identity(ISOLATED).replace("saved-uid=2000000001", "saved-uid=0")}`,
      "It runs as another user than its own.",
    ],
    [
      "uid",
      `ok\t${identity(ISOLATED).replace("groups=0", "groups=3")}`,
      "It is a member of the appliance's groups.",
    ],
    [
      "uid",
      `ok\t${identity(ISOLATED).replace("effective=0", "effective=1fffeffffff")}`,
      "It has capabilities.",
    ],
    [
      "uid",
      `ok\t${identity(ISOLATED).replace("no-new-privileges=1", "no-new-privileges=0")}`,
      "It can gain privileges.",
    ],
  ];
  test.each(table)("%s: %s", (text, answer, words) => {
    expect(texts(ISOLATED)).toContain(text);
    expect(found(ISOLATED, { [text]: answer }).broken).toEqual([words]);
  });

  test("and so is everything at once, for every attempt that has to be refused", () => {
    const everything = Object.fromEntries(texts(ISOLATED).map((text) => [text, "ok\t99999"]));
    const { broken } = found(ISOLATED, everything);
    expect(broken.length).toBeGreaterThanOrEqual(
      texts(ISOLATED).length - TARGETS.reads.length - TARGETS.writes.length - 2,
    );
  });
});

describe("what is expected follows the plan:", () => {
  test("a port that the cage listens on may answer", () => {
    const plan: LaunchPlan = {
      ...ISOLATED,
      network: { kind: "own", listeners: [{ protocol: "tcp", address: "0.0.0.0", port: 7700 }] },
    };
    expect(texts(plan)).not.toContain("connect-tcp 127.0.0.1 7700");
    expect(texts(plan)).toContain("connect-tcp 192.0.2.1 9");
  });

  test("a low process id of the appliance is another process inside", () => {
    const all = texts(ISOLATED, { ...TARGETS, pid: 1 });
    expect(all.filter((text) => text === "kill 1" || text === "read /proc/1/environ")).toEqual([]);
    expect(texts(CONFINED, { ...TARGETS, pid: 1 })).toContain("read /proc/1/environ");
  });

  test("what was granted is not forbidden, but the appliance's own always is", () => {
    const plan: LaunchPlan = {
      ...ISOLATED,
      mounts: [...ISOLATED.mounts, bind("/home"), bind("/usr", true), bind("/srv", true)],
    };
    const all = texts(plan);
    expect(all).not.toContain("list /home");
    expect(all).not.toContain("write /usr");
    expect(all).toContain("read /srv/toolcrib/toolcrib.db");
    expect(found(plan, { "read /srv/toolcrib/toolcrib.db": "ok" }).broken).toHaveLength(1);
  });

  test("a grant that does not work is told, and refuses nothing", () => {
    const { broken, amiss } = found(ISOLATED, { "write /srv/out": "EACCES", "read /srv/in": "ENOENT" });
    expect(broken).toEqual([]);
    expect(amiss).toEqual(["cannot read /srv/in: ENOENT", "cannot write /srv/out: EACCES"]);
  });

  test("of very many grants the first are tried", () => {
    const many = Array.from({ length: 300 }, (_, index) => `/srv/${index}`);
    const all = texts(ISOLATED, { ...TARGETS, reads: many, writes: many });
    expect(all.filter((text) => text.startsWith("read /srv/") && many.includes(text.slice(5)))).toHaveLength(
      64,
    );
  });

  test("the same user as the appliance's is a gap in a confined cage, another user's signals are a hole", () => {
    expect(found(CONFINED, { "kill 4711": "ok" })).toMatchObject({
      broken: [],
      gaps: [
        "may send signals to processes of the appliance's user",
        "sees the processes of the host and their arguments",
      ],
    });
    const own: LaunchPlan = { ...CONFINED, identity: { kind: "own-uid", uid: 7, gid: 7 } };
    expect(found(own, { "kill 4711": "ok" }).broken).toEqual(["It could send signals to the appliance."]);
  });

  test("a confined cage sends no datagrams; with a proxy it may listen, and that is told", () => {
    expect(found(CONFINED, { "send-udp 192.0.2.1 9": "ok" }).broken).toEqual([
      "It could send datagrams to any address.",
    ]);
    expect(texts(CONFINED)).not.toContain("listen-tcp");
    expect(found(WITH_PROXY, { "listen-tcp": "ok" })).toMatchObject({
      broken: [],
      gaps: [expect.any(String), "may accept connections on a port that the kernel chooses"],
    });
    expect(texts(ISOLATED)).not.toContain("send-udp 192.0.2.1 9");
  });

  test("limits of the plan that are not in force are a hole", () => {
    const limits = "ok\tdata=18446744073709551615 processes=100 files=1024";
    expect(found(CONFINED, { limits }).broken).toEqual([
      "Its limit of data is 18446744073709551615, and should be 1073741824.",
    ]);
  });

  test("a host without /proc in its cages is no hole", () => {
    const without: LaunchPlan = {
      ...ISOLATED,
      mounts: ISOLATED.mounts.filter(({ kind }) => kind !== "proc"),
    };
    expect(found(without, { pids: "ENOENT", namespaces: "ENOENT" }).broken).toEqual([]);
  });
});
