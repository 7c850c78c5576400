// What the probe tries in a cage, and what each answer means for this very plan: a table per axis. Pure. probe.ts runs
// it; the verbs are those of probe/probe.c.

import { dirname } from "node:path";
import type { LaunchPlan } from "./launch-plan.ts";
import {
  type Attempt,
  finds,
  gap,
  judgeIdentity,
  judgeLimits,
  judgeNamespaces,
  refused,
  works,
} from "./probe-verdict.ts";
import { accessTo, isOwnMemory, namesShownIn } from "./probe-view.ts";

/** What is there to be reached, by absolute paths, in case that the cage does not hold. All of it exists. */
export interface ProbeTargets {
  readonly database: string;
  /** A file of the appliance's that nobody else may read. */
  readonly canary: string;
  /** The work directory of another server. */
  readonly otherServer: string;
  readonly vault: string;
  /** Process id of the appliance. */
  readonly pid: number;
  /** Links of its namespaces, such as `net:[4026531840]`. */
  readonly namespaces: readonly string[];
  readonly adminSocket: string;
  /** On 127.0.0.1. */
  readonly adminPort: number;
  /** What this server has to be able to read and to write: its grants, its work directory. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

/** Of each kind; a command line holds no more of the longest paths. */
const MAX_GRANTS = 64;

/** An address of nobody (RFC 5737), at the port where everything is thrown away. */
const NOWHERE = { address: "192.0.2.1", port: 9 };

/** Nothing for a plan without a cage: there is nothing that it would have to be refused. */
export function attemptsFor(plan: LaunchPlan, targets: ProbeTargets): readonly Attempt[] {
  if (plan.level === "off") return [];
  return [
    ...secretFiles(plan, targets),
    ...systemFiles(plan, targets),
    ...grants(targets),
    ...processes(plan, targets),
    ...network(plan, targets),
    ...systemCalls(targets),
    { text: "uid", judge: (result) => judgeIdentity(plan, result) },
    { text: "limits", judge: (result) => judgeLimits(plan, result) },
    { text: "landlock", judge: () => [] },
  ];
}

/** Refused whatever was granted: no grant reaches the appliance's own. */
function secretFiles(plan: LaunchPlan, targets: ProbeTargets): readonly Attempt[] {
  const { database, canary, otherServer, vault } = targets;
  return [
    refused("files", `read ${database}`, "read the appliance's database"),
    ...outside(plan, database, "write to the appliance's database"),
    refused("files", `read ${canary}`, "read a file of the appliance's"),
    refused("files", `read /proc/1/root${canary}`, "read a file of the appliance's past its own root"),
    refused("files", `list ${otherServer}`, "see another server's files"),
    ...outside(plan, otherServer, "write to another server's files"),
    ...outside(plan, vault, "put something into the vault"),
    refused("files", "read /etc/shadow", "read the passwords of the host"),
    refused("files", "read /proc/kcore", "read the memory of the host"),
    refused("files", "write /proc/sys/kernel/core_pattern", "change settings of the kernel"),
  ];
}

/** NB: where the appliance lies below /tmp, the server may make files of these names in its own /tmp. */
function outside(plan: LaunchPlan, path: string, could: string): readonly Attempt[] {
  return isOwnMemory(plan, path) ? [] : [refused("files", `write ${path}`, could)];
}

function systemFiles(plan: LaunchPlan, { database, vault }: ProbeTargets): readonly Attempt[] {
  const shown = [...plan.mounts.map(({ target }) => target), ...plan.paths.map(({ path }) => path)];
  const packages = shown.filter((path) => path.startsWith(`${vault}/`));
  const readOnly = ["/", "/usr", "/etc", ...packages].filter((path) => accessTo(plan, path) !== "write");
  const hidden = [dirname(database), vault, "/root", "/home", "/sys"].filter(
    (path) => accessTo(plan, path) === "nothing",
  );
  return [
    ...unique(readOnly).map((path) => refused("files", `write ${path}`, `write to ${path}`)),
    ...unique(hidden).map((path) => hiddenDirectory(plan, path)),
  ];
}

/** An isolated server sees the directories that lead to what it was granted, and in them nothing else. */
function hiddenDirectory(plan: LaunchPlan, path: string): Attempt {
  const text = `list ${path}`;
  if (plan.level === "confined") return refused("files", text, `see what is in ${path}`);
  const expected = namesShownIn(plan, path);
  return finds("files", text, ({ detail }) =>
    Number(detail) > expected ? `It sees ${detail} names in ${path}, and should see ${expected}.` : undefined,
  );
}

function grants({ reads, writes }: ProbeTargets): readonly Attempt[] {
  return [
    ...unique(reads)
      .slice(0, MAX_GRANTS)
      .map((path) => works("files", `read ${path}`)),
    ...unique(writes)
      .slice(0, MAX_GRANTS)
      .map((path) => works("files", `write ${path}`)),
  ];
}

function processes(plan: LaunchPlan, { pid, namespaces }: ProbeTargets): readonly Attempt[] {
  const kill = `kill ${pid}`;
  const environment = refused(
    "processes",
    `read /proc/${pid}/environ`,
    "read the environment of the appliance",
  );
  if (plan.level === "isolated") {
    // NB: in a container the appliance may be process 1 or 2, and inside these are the launcher and the server.
    const appliance =
      pid > 2 ? [refused("processes", kill, "send signals to the appliance"), environment] : [];
    return [
      ...appliance,
      finds("processes", "pids", ({ detail }) =>
        Number(detail) > 2 ? `It sees ${detail} processes, and should see its own alone.` : undefined,
      ),
      { text: "namespaces", judge: (result) => judgeNamespaces(plan, namespaces, result) },
    ];
  }
  return [
    plan.identity.kind === "own-uid"
      ? refused("processes", kill, "send signals to the appliance")
      : gap("processes", kill, "may send signals to processes of the appliance's user"),
    environment,
    gap("processes", "pids", "sees the processes of the host and their arguments"),
  ];
}

function network(plan: LaunchPlan, { adminSocket, adminPort }: ProbeTargets): readonly Attempt[] {
  const { network: given } = plan;
  if (given.kind === "host") return [];
  // What the cage opens on purpose says nothing about what is behind it.
  const open = given.kind === "own" ? given.listeners.map(({ port }) => port) : given.ports;
  const connections = [
    { address: "127.0.0.1", port: adminPort, could: "reach the appliance's own port" },
    { ...NOWHERE, could: "connect to any address" },
  ].filter(({ port }) => !open.includes(port));
  return [
    ...connections.map(({ address, port, could }) =>
      refused("network", `connect-tcp ${address} ${port}`, could),
    ),
    refused("network", `connect-unix ${adminSocket}`, "reach the socket of the administrators"),
    refused("network", "multipath-socket", "connect by another protocol than TCP"),
    refused("network", "fast-open", "connect by TCP Fast Open", ["EOPNOTSUPP"]),
    refused("network", "vsock", "reach the host of this virtual machine"),
    ...(given.kind === "own" ? [OWN_INTERFACES] : [DATAGRAMS]),
    ...(given.kind === "ports" && given.ports.length > 0 ? [LISTENING] : []),
  ];
}

const OWN_INTERFACES = finds("network", "interfaces", ({ detail }) =>
  detail === "lo" ? undefined : `It sees the network interfaces ${detail}, and should see lo alone.`,
);
const DATAGRAMS = refused(
  "network",
  `send-udp ${NOWHERE.address} ${NOWHERE.port}`,
  "send datagrams to any address",
);
const LISTENING = gap("network", "listen-tcp", "may accept connections on a port that the kernel chooses");

function systemCalls({ pid }: ProbeTargets): readonly Attempt[] {
  const table: readonly (readonly [text: string, could: string, by?: readonly string[]])[] = [
    ["unshare user", "make a user namespace"],
    ["unshare mount", "make a mount namespace"],
    ["unshare net", "make a network namespace"],
    ["clone3", "make namespaces by a call that no filter can check", ["ENOSYS"]],
    ["setns /proc/self/ns/mnt", "enter a namespace"],
    ["mount", "mount file systems"],
    ["chroot", "change its root"],
    [`ptrace ${pid}`, "trace processes"],
    ["setuid-bit", "make programs that run as their owner"],
    ["mknod", "make devices"],
    ["open-by-handle", "open files past their paths"],
    ["bpf", "load programs into the kernel"],
    ["io_uring", "use io_uring"],
    ["keyctl", "use the keyrings of the kernel"],
    ["perf", "watch the processor"],
    ["userfaultfd", "halt the kernel on a fault of its memory"],
    ["tiocsti", "type into a terminal"],
    ["raw-socket", "make raw sockets", ["EPERM", "EACCES"]],
    ["packet-socket", "make packet sockets", ["EAFNOSUPPORT"]],
    // On arm64 there are none, and the probe says ENOSYS.
    ["x32", "make x32 calls", ["EPERM", "ENOSYS"]],
    ["i386", "make 32-bit calls", ["killed 31", "killed 11", "ENOSYS"]],
  ];
  return table.map(([text, could, by = ["EPERM"]]) => refused("syscalls", text, could, by));
}

function unique(paths: readonly string[]): readonly string[] {
  return [...new Set(paths)];
}
