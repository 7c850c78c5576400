// What the doctor says of hosts of every kind, and that it leaves them as they are.

import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findSites, noSites } from "../../src/cage/cgroup-sites.ts";
import { hostFacts, type HostFacts, MECHANISMS } from "../../src/cage/host.ts";
import { askHost } from "../../src/control/ask-host.ts";
import { examine } from "../../src/control/doctor.ts";
import type { DoctorFinding } from "../../src/model/api.ts";
import { FakeCgroups, OWN_PID } from "../cage/fake-cgroups.ts";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "doctor-"));
  directories.push(directory);
  return directory;
}

const GOOD: Readonly<Record<string, string>> = {
  "proc/sys/kernel/osrelease": "6.1.0-13-amd64\n",
  "proc/sys/user/max_user_namespaces": "63000\n",
  "run/systemd/system/unit": "",
  "sys/kernel/security/lsm": "lockdown,capability,landlock,yama,apparmor\n",
};

const LIMITED = findSites({
  files: new FakeCgroups([
    { point: "/cg", version: 2, controllers: ["memory", "pids", "cpu"], group: "/unit" },
  ]),
  name: "crib",
  pid: OWN_PID,
}).means;

interface Host {
  /** Lines of `launcher --facts` that differ from a host that has all. */
  readonly told?: Readonly<Partial<Record<(typeof MECHANISMS)[number], string>>>;
  readonly limits?: HostFacts["limits"];
  readonly files?: Readonly<Record<string, string | undefined>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly without?: readonly string[];
}

async function factsOf(host: Host, root: string): Promise<HostFacts> {
  const { told = {}, limits = LIMITED, uid = 1000, without = [] } = host;
  const usual = (name: string): string => (name === "landlock" ? "ok 7" : "ok");
  const lines = MECHANISMS.map((name) => `${name} ${told[name] ?? usual(name)}\n`).join("");
  return hostFacts({ launcher: "/l", limits, uid, without, root, run: () => Promise.resolve(lines) });
}

function rootOf({ files = {} }: Host): string {
  const root = temporary();
  for (const [path, text] of Object.entries({ ...GOOD, ...files })) {
    if (text === undefined) continue;
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  mkdirSync(join(root, "data"), { mode: 0o700 });
  return root;
}

async function look(host: Host, before?: Host): Promise<Readonly<Record<string, DoctorFinding>>> {
  const root = rootOf(host);
  const findings = await examine({
    paths: { data: join(root, "data"), launcher: "/var/lib/toolcrib/launcher" },
    env: host.env ?? {},
    root,
    uid: host.uid ?? 1000,
    ask: () => factsOf(host, root),
    ...(before === undefined ? {} : { atStart: await factsOf(before, root) }),
  });
  return Object.fromEntries(findings.map((finding) => [finding.name, finding]));
}

const NO_LIMITS = noSites("the group /user.slice was not given to this user").means;
const UBUNTU = { "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n" };
const DOCKER = { ".dockerenv": "", "run/systemd/system/unit": undefined };
const SERVICE = { TOOLCRIB_SERVICE: "1" };

describe("one fact that differs, and what is said", () => {
  const TABLE: readonly [
    name: string,
    host: Host,
    state: DoctorFinding["state"],
    detail: RegExp,
    mend: RegExp | undefined,
  ][] = [
    ["cages", {}, "ok", /^isolated: .*a user namespace/, undefined],
    ["cages", { uid: 0 }, "ok", /^isolated: .*user id of its own/, undefined],
    [
      "cages",
      { told: { "proc-mount": "EPERM" } },
      "partial",
      /^confined only, because .*\/proc of its own \(EPERM\)/,
      undefined,
    ],
    [
      "cages",
      { told: { "user-namespace": "EPERM", landlock: "ENOSYS" } },
      "missing",
      /^none: .*user namespace \(EPERM\), and there is no Landlock \(ENOSYS\)/,
      undefined,
    ],
    ["cages", { without: ["namespaces"] }, "partial", /switched off by cage_without/, undefined],

    ["user namespaces", {}, "ok", /Each cage/, undefined],
    ["user namespaces", { uid: 0, told: { "user-namespace": "ENOSPC" } }, "ok", /root/, undefined],
    [
      "user namespaces",
      { told: { "user-namespace": "ENOSPC" }, files: { "proc/sys/user/max_user_namespaces": "0\n" } },
      "missing",
      /refused by user\.max_user_namespaces \(ENOSPC\)/,
      /^echo user\.max_user_namespaces=15000 \| sudo tee .* && sudo sysctl -p /,
    ],
    [
      "user namespaces",
      { told: { "user-namespace": "EPERM" }, files: { "proc/sys/kernel/unprivileged_userns_clone": "0\n" } },
      "missing",
      /refused by kernel\.unprivileged_userns_clone/,
      /^echo kernel\.unprivileged_userns_clone=1 /,
    ],
    [
      "user namespaces",
      { told: { "user-namespace": "EACCES" }, files: UBUNTU },
      "missing",
      /apparmor_restrict_unprivileged_userns.*Instead of the profile.*userns=0 /,
      /'profile toolcrib-launcher "\/var\/lib\/toolcrib\/launcher\/launcher-\*" flags=\(unconfined\) \{' '  userns,' '\}' \| sudo tee .* apparmor_parser -r /,
    ],
    [
      "user namespaces",
      { told: { "user-namespace": "EPERM" }, env: SERVICE },
      "missing",
      /They are refused \(EPERM\)\.$/,
      /RestrictNamespaces=no.*toolcrib\.service\.d\/namespaces\.conf/,
    ],
    [
      "user namespaces",
      { told: { "user-namespace": "EPERM" }, files: DOCKER },
      "missing",
      /refused/,
      /^docker run --user 1000:1000 .*seccomp=unconfined.*apparmor=unconfined.*systempaths=unconfined/,
    ],
    [
      "user namespaces",
      { told: { "user-namespace": "EPERM" } },
      "missing",
      /They are refused \(EPERM\)\.$/,
      undefined,
    ],
    [
      "user namespaces",
      { without: ["user-namespaces"], files: UBUNTU },
      "missing",
      /switched off by cage_without/,
      undefined,
    ],

    ["namespaces", {}, "ok", /files, processes, network/, undefined],
    // Ubuntu lets everybody make one, and do nothing in it.
    [
      "namespaces",
      { told: { "mount-in-namespace": "EACCES" }, files: UBUNTU },
      "missing",
      /files and processes \(EACCES\)/,
      /apparmor_parser/,
    ],
    [
      "namespaces",
      { uid: 0, told: { "mount-in-namespace": "EPERM", "net-namespace": "EPERM" }, files: DOCKER },
      "missing",
      /files and processes \(EPERM\), network \(EPERM\)/,
      /^docker run/,
    ],
    [
      "namespaces",
      { told: { "user-namespace": "EPERM", "mount-in-namespace": "EPERM" }, files: UBUNTU },
      "missing",
      /files and processes/,
      undefined,
    ],

    ["own /proc", {}, "ok", /its own processes/, undefined],
    [
      "own /proc",
      { told: { "proc-mount": "EPERM" }, files: DOCKER },
      "missing",
      /hidden/,
      /systempaths=unconfined/,
    ],
    [
      "own /proc",
      {
        told: { "proc-mount": "EPERM" },
        files: { "run/.containerenv": "", "run/systemd/system/unit": undefined },
      },
      "missing",
      /hidden/,
      /^podman run .*unmask=ALL/,
    ],
    [
      "own /proc",
      { told: { "proc-mount": "EPERM" }, env: SERVICE },
      "missing",
      /hidden/,
      /ProtectProc=default.*ProtectKernelTunables=no/,
    ],
    ["own /proc", { told: { "proc-mount": "ENODEV" } }, "missing", /ENODEV/, undefined],
    ["own /proc", { without: ["proc"] }, "missing", /switched off/, undefined],

    ["landlock", {}, "ok", /^ABI 7$/, undefined],
    ["landlock", { told: { landlock: "ok 5" } }, "partial", /ABI 5: signals/, undefined],
    ["landlock", { told: { landlock: "ok 3" } }, "partial", /ABI 3: connections and signals/, undefined],
    [
      "landlock",
      { told: { landlock: "EOPNOTSUPP" }, files: { "sys/kernel/security/lsm": "capability,yama\n" } },
      "missing",
      /chosen at boot \(capability, yama\)/,
      /lsm=landlock,capability,yama .*update-grub/,
    ],
    [
      "landlock",
      {
        told: { landlock: "ENOSYS" },
        files: { "proc/sys/kernel/osrelease": "5.10.0-1\n", "sys/kernel/security/lsm": "yama\n" },
      },
      "missing",
      /5\.13 brings it; this is 5\.10/,
      undefined,
    ],
    ["landlock", { told: { landlock: "ENOSYS" } }, "missing", /ENOSYS/, undefined],

    ["seccomp", {}, "ok", /filtered/, undefined],
    ["seccomp", { told: { seccomp: "EINVAL" } }, "missing", /no server can have a cage/, undefined],

    ["cgroups", {}, "ok", /memory, pids and cpu .* by cgroup v2\.$/, undefined],
    [
      "cgroups",
      { limits: NO_LIMITS, env: SERVICE },
      "missing",
      /not given to this user.*per process, not per tree/,
      /Delegate=cpu memory pids.*delegate\.conf/,
    ],
    [
      "cgroups",
      { limits: NO_LIMITS },
      "missing",
      /not given/,
      /^systemd-run --user --scope -p Delegate=yes toolcrib serve$/,
    ],
    [
      "cgroups",
      { limits: NO_LIMITS, uid: 0 },
      "missing",
      /not given/,
      /^systemd-run --scope -p "Delegate=cpu memory pids" /,
    ],
    ["cgroups", { limits: NO_LIMITS, files: DOCKER }, "missing", /not given/, undefined],
    [
      "cgroups",
      { limits: { ...LIMITED, cpu: NO_LIMITS.cpu } },
      "partial",
      /Only some by cgroup v2\. Not for cpu: .*processor time is not limited/,
      /systemd-run/,
    ],
    [
      "cgroups",
      { limits: noSites("switched off by cage_without").means },
      "missing",
      /switched off/,
      undefined,
    ],

    ["mapped owners", {}, "ok", /Not needed/, undefined],
    ["mapped owners", { uid: 0 }, "ok", /stay their owner's/, undefined],
    [
      "mapped owners",
      { uid: 0, told: { idmap: "EINVAL" } },
      "partial",
      /cannot map owners \(EINVAL\)/,
      undefined,
    ],

    ["kernel", {}, "ok", /6\.1\.0/, undefined],
    [
      "kernel",
      { files: { "proc/sys/kernel/osrelease": "5.10.0-1" } },
      "partial",
      /older than 5\.14/,
      undefined,
    ],
    ["kernel", { files: { "proc/sys/kernel/osrelease": undefined } }, "missing", /not Linux/, undefined],
    ["uv", { env: { PATH: "/nowhere" } }, "ok", /Not on PATH: the vault brings/, undefined],
    ["python", { env: { PATH: "/nowhere" } }, "ok", /Not on PATH: the vault brings/, undefined],
    ["node", { env: { PATH: "/nowhere" } }, "ok", /npm packages do not/, undefined],
    ["data directory", {}, "ok", /data/, undefined],
    ["free disk", {}, "ok", /GiB free/, undefined],
    ["environment", {}, "ok", /Nothing/, undefined],
    [
      "environment",
      { env: { BUN_OPTIONS: "--preload /evil.ts", NODE_OPTIONS: "" } },
      "partial",
      /^BUN_OPTIONS can change/,
      /^unset BUN_OPTIONS$/,
    ],
  ];
  test.each(TABLE)("%s %j: %s", async (name, host, state, detail, mend) => {
    const finding = (await look(host))[name];
    expect(finding?.state).toBe(state);
    expect(finding?.detail).toMatch(detail);
    if (mend === undefined) expect(finding?.mend).toBeUndefined();
    else expect(finding?.mend).toMatch(mend);
    expect(finding?.mend ?? "").not.toContain("\n");
    // Values of variables may be secrets.
    expect(JSON.stringify(finding)).not.toContain("evil");
  });
});

test("commands are fit for a shell, wherever the launcher stands", async () => {
  const root = rootOf({ files: UBUNTU });
  const findings = await examine({
    paths: { data: join(root, "data"), launcher: "/srv/it's {here}/launcher" },
    env: {},
    root,
    uid: 1000,
    ask: () => factsOf({ told: { "user-namespace": "EACCES" } }, root),
  });
  const mend = findings.find(({ name }) => name === "user namespaces")?.mend ?? "";
  const print = mend.slice(0, mend.indexOf("| sudo tee"));
  const profile = Bun.spawnSync(["sh", "-c", print]).stdout.toString();
  expect(profile).toContain(
    String.raw`profile toolcrib-launcher "/srv/it's \{here\}/launcher/launcher-*" flags=(unconfined) {`,
  );
  expect(profile.split("\n")).toHaveLength(6);
});

test("what changed since the appliance started is told", async () => {
  const masked = { told: { "proc-mount": "EPERM" } };
  expect((await look({}, {}))["cages"]).toMatchObject({
    state: "ok",
    detail: expect.not.stringContaining("restart it"),
  });
  expect((await look({}, masked))["cages"]).toMatchObject({
    state: "partial",
    detail: expect.stringMatching(/^isolated.*restart it\.$/),
  });
  expect((await look(masked, {}))["cages"]).toMatchObject({
    state: "partial",
    detail: expect.stringMatching(/^confined.*restart it\.$/),
  });
});

test("the data directory: not there yet, open to others, something else", async () => {
  const data = join(temporary(), "data");
  const paths = { data, launcher: join(data, "launcher") };
  const ask = (): Promise<HostFacts> => factsOf({}, "/");
  const state = async (): Promise<string | undefined> =>
    (await examine({ paths, env: {}, ask })).find(({ name }) => name === "data directory")?.detail;
  expect(await state()).toContain("the first start makes it");
  mkdirSync(data);
  chmodSync(data, 0o755);
  expect(await state()).toContain("open to other users");
  chmodSync(data, 0o700);
  expect(await state()).toBe(data);
  expect(await examine({ paths: { ...paths, data: join(data, "a\0b") }, env: {}, ask })).toBeArray();
});

describe("without an appliance", () => {
  const uid = process.getuid?.() ?? 0;
  const ownTemporaries = (): readonly string[] =>
    readdirSync(tmpdir()).filter((name) => name.startsWith("toolcrib-doctor-"));

  test("this host is asked, and nothing is left of that", async () => {
    const before = ownTemporaries();
    const home = temporary();
    const paths = { data: join(home, "data"), launcher: join(home, "data", "launcher") };
    const findings = await examine({ paths, env: {} });
    expect(findings[0]?.name).toBe("cages");
    expect(findings.map(({ name }) => name)).toContain("cgroups");
    expect(readdirSync(home)).toEqual([]);
    expect(ownTemporaries().filter((name) => !before.includes(name))).toEqual([]);
  });

  test("the launcher's own place is used where it is ours alone", async () => {
    const launcherDirectory = temporary();
    await askHost({ launcherDirectory, uid, without: [] });
    expect(readdirSync(launcherDirectory)).toEqual([expect.stringMatching(/^launcher-[0-9a-f]{16}$/)]);
    const open = temporary();
    chmodSync(open, 0o777);
    await askHost({ launcherDirectory: open, uid, without: [] });
    expect(readdirSync(open)).toEqual([]);
  });

  test("a launcher that cannot be run is a finding, and the rest is said all the same", async () => {
    const ask = (): Promise<HostFacts> => Promise.reject(new Error("Programs cannot be run from /tmp."));
    const data = temporary();
    const findings = await examine({ paths: { data, launcher: join(data, "launcher") }, env: {}, ask });
    expect(findings[0]).toEqual({
      name: "cages",
      state: "missing",
      detail: "Programs cannot be run from /tmp.",
    });
    expect(findings.map(({ name }) => name)).toContain("environment");
    expect(existsSync(join(data, "launcher"))).toBe(false);
  });
});
