import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { examine } from "../../src/control/doctor.ts";
import { landlockAbi } from "../../src/control/landlock-abi.ts";
import type { DoctorFinding } from "../../src/model/api.ts";

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
  "proc/sys/kernel/seccomp/actions_avail": "kill_process kill_thread trap errno user_notif trace log allow\n",
  "proc/self/cgroup": "0::/system.slice/toolcrib.service\n",
  "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
  "sys/fs/cgroup/system.slice/toolcrib.service/cgroup.controllers": "cpu memory pids\n",
  "sys/fs/cgroup/system.slice/toolcrib.service/cgroup.subtree_control": "\n",
};

interface Host {
  readonly files?: Readonly<Record<string, string | undefined>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly abi?: number | "unknown";
}

async function look({ files = {}, env = {}, uid = 1000, abi = 6 }: Host) {
  const root = temporary();
  for (const [path, text] of Object.entries({ ...GOOD, ...files })) {
    if (text === undefined) continue;
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const data = join(root, "data");
  mkdirSync(data, { mode: 0o700 });
  const findings = await examine({
    paths: { data },
    env,
    root,
    uid,
    landlockAbi: () => (abi === "unknown" ? undefined : abi),
  });
  return Object.fromEntries(findings.map((finding) => [finding.name, finding]));
}

describe("one fact that differs, and what is said", () => {
  const TABLE: readonly [string, Host, DoctorFinding["state"], RegExp][] = [
    ["cages", {}, "missing", /Not in this version/],
    ["kernel", {}, "ok", /6\.1\.0/],
    ["kernel", { files: { "proc/sys/kernel/osrelease": "5.10.0-1" } }, "partial", /older than 5\.14/],
    ["kernel", { files: { "proc/sys/kernel/osrelease": undefined } }, "missing", /not Linux/],
    ["user namespaces", {}, "ok", /as far as the settings tell/],
    ["user namespaces", { uid: 0, files: { "proc/sys/user/max_user_namespaces": "0" } }, "ok", /root/],
    [
      "user namespaces",
      { files: { "proc/sys/user/max_user_namespaces": "0" } },
      "missing",
      /max_user_namespaces/,
    ],
    [
      "user namespaces",
      { files: { "proc/sys/kernel/unprivileged_userns_clone": "0" } },
      "missing",
      /userns_clone/,
    ],
    [
      "user namespaces",
      { files: { "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1" } },
      "missing",
      /apparmor/,
    ],
    ["landlock", {}, "ok", /ABI 6/],
    ["landlock", { abi: 0 }, "missing", /switched off/],
    ["landlock", { abi: "unknown" }, "partial", /Not known/],
    [
      "landlock",
      { abi: "unknown", files: { "sys/kernel/security/lsm": "capability,landlock,yama" } },
      "ok",
      /its ABI cannot be asked/,
    ],
    [
      "landlock",
      { abi: "unknown", files: { "sys/kernel/security/lsm": "capability,yama" } },
      "missing",
      /capability, yama/,
    ],
    ["seccomp", {}, "ok", /notification/],
    [
      "seccomp",
      { files: { "proc/sys/kernel/seccomp/actions_avail": "errno allow" } },
      "partial",
      /errno allow/,
    ],
    ["seccomp", { files: { "proc/sys/kernel/seccomp/actions_avail": undefined } }, "missing", /no seccomp/],
    ["cgroups", {}, "ok", /cpu, memory, pids/],
    [
      "cgroups",
      { files: { "proc/self/cgroup": "1:cpu:/\n0::/\n", "sys/fs/cgroup/cgroup.controllers": undefined } },
      "missing",
      /version 2/,
    ],
    [
      "cgroups",
      { files: { "sys/fs/cgroup/system.slice/toolcrib.service/cgroup.controllers": "pids" } },
      "partial",
      /lacks cpu, memory/,
    ],
    ["cgroups", { files: { "proc/self/cgroup": "0::/elsewhere" } }, "missing", /belongs to somebody else/],
    ["uv", { env: { PATH: "/nowhere" } }, "missing", /uvx or uv run/],
    ["node", { env: { PATH: "/nowhere" } }, "missing", /Only command lines that start with node/],
    ["data directory", {}, "ok", /data/],
    ["free disk", {}, "ok", /GiB free/],
    ["environment", {}, "ok", /Nothing/],
    [
      "environment",
      { env: { BUN_OPTIONS: "--preload /evil.ts", NODE_OPTIONS: "" } },
      "partial",
      /^BUN_OPTIONS can change/,
    ],
  ];
  test.each(TABLE)("%s %j: %s", async (name, host, state, detail) => {
    const finding = (await look(host))[name];
    expect(finding?.state).toBe(state);
    expect(finding?.detail).toMatch(detail);
    // Values of variables may be secrets.
    expect(JSON.stringify(finding)).not.toContain("evil");
  });
});

test("the data directory: not there yet, open to others, something else", async () => {
  const data = join(temporary(), "data");
  const state = async (): Promise<string | undefined> =>
    (await examine({ paths: { data }, env: {} })).find(({ name }) => name === "data directory")?.detail;
  expect(await state()).toContain("the first start makes it");
  mkdirSync(data);
  chmodSync(data, 0o755);
  expect(await state()).toContain("open to other users");
  chmodSync(data, 0o700);
  expect(await state()).toBe(data);
  expect(await examine({ paths: { data: join(data, "a\0b") }, env: {} })).toBeArray();
});

test("the kernel can be asked for its version of Landlock, or not, and nothing breaks", () => {
  const abi = landlockAbi();
  expect(abi === undefined || (Number.isInteger(abi) && abi >= 0)).toBe(true);
});
