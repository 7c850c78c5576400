// One plan of each kind, written by hand, and what there is to be reached from it. Used by the tests of the probe, of
// the evidence and of the report.

import { type LaunchPlan, type Mount, uncaged } from "../../src/cage/launch-plan.ts";
import type { ProbeTargets } from "../../src/cage/probe-plan.ts";
import { seccompFilter } from "../../src/cage/seccomp.ts";

const ARCH = process.arch === "arm64" ? "arm64" : "x64";
const WORK = "/srv/toolcrib/work/files";

export function bind(path: string, write = false): Mount {
  return { kind: "bind", source: path, target: path, write, mapOwner: false };
}

export const TARGETS: ProbeTargets = {
  database: "/srv/toolcrib/toolcrib.db",
  canary: "/srv/toolcrib/canary",
  otherServer: "/srv/toolcrib/work/other",
  vault: "/srv/toolcrib/vault",
  pid: 4711,
  namespaces: ["mnt:[1]", "pid:[2]", "net:[3]", "ipc:[4]", "uts:[5]", "user:[6]", "cgroup:[7]"],
  adminSocket: "/srv/toolcrib/run/admin.sock",
  adminPort: 7700,
  reads: ["/srv/in"],
  writes: [WORK, "/srv/out"],
};

export const OFF: LaunchPlan = uncaged({
  launcher: "/srv/toolcrib/launcher/launcher-0123456789abcdef",
  argv: ["/usr/bin/node", "/srv/toolcrib/vault/pkg/index.js"],
  env: { PATH: "/usr/bin", SECRET: "hunter2" },
  cwd: WORK,
});

/** As root: a uid of its own, a control group. */
export const ISOLATED: LaunchPlan = {
  ...OFF,
  level: "isolated",
  identity: { kind: "own-uid", uid: 2_000_000_001, gid: 2_000_000_001 },
  mounts: [
    bind("/usr"),
    { kind: "symlink", target: "/bin", to: "usr/bin" },
    { kind: "devices", target: "/dev", shmBytes: 1024 },
    { kind: "proc", target: "/proc" },
    { kind: "tmpfs", target: "/tmp", bytes: 1024, mode: 0o1777 },
    { kind: "file", target: "/etc/passwd", content: "" },
    bind("/srv/in"),
    bind("/srv/out", true),
    bind("/srv/toolcrib/vault/pkg"),
    bind(WORK, true),
  ],
  network: {
    kind: "own",
    listeners: [
      { protocol: "udp", address: "127.0.0.1", port: 53 },
      { protocol: "tcp", address: "0.0.0.0", port: 443 },
    ],
  },
  seccomp: seccompFilter({ arch: ARCH, inet: true, udp: true, unix: true, alone: true, namespaces: false }),
  cgroups: ["/sys/fs/cgroup/toolcrib/cage-files-1/cgroup.procs"],
  hostname: "files",
};

/** Without root: the appliance's user, limits by the kernel's limits for processes. */
export const CONFINED: LaunchPlan = {
  ...OFF,
  level: "confined",
  paths: [
    { path: "/usr", access: "read" },
    { path: "/proc", access: "read" },
    { path: "/dev/null", access: "device" },
    { path: "/srv/in", access: "read" },
    { path: "/srv/toolcrib/vault/pkg", access: "read" },
    { path: WORK, access: "write" },
    { path: "/srv/out", access: "write" },
  ],
  network: { kind: "ports", ports: [] },
  seccomp: seccompFilter({
    arch: ARCH,
    inet: false,
    udp: false,
    unix: false,
    alone: false,
    namespaces: false,
  }),
  rlimits: [
    { resource: "core", value: 0 },
    { resource: "data", value: 1_073_741_824 },
    { resource: "processes", value: 256 },
  ],
};
