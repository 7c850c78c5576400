// Writes a launch plan as the bytes that the launcher reads: launcher/spec.h has their meaning, and the same bounds.
// Called by process/launch.ts. What the launcher would refuse to read is refused here, in words for a person.

import { isIPv4 } from "node:net";
import { AppError } from "../errors.ts";
import { quoted } from "../model/printable.ts";
import type {
  Identity,
  LaunchPlan,
  Listener,
  Mount,
  NetworkPlan,
  PathRule,
  ResourceLimit,
} from "./launch-plan.ts";

export const SPEC_LIMITS = {
  bytes: 4 * 1024 * 1024,
  records: 65_536,
  /** With the NUL at its end. */
  pathBytes: 4096,
  hostnameBytes: 65,
  /** Descriptors that fit into one message. */
  listeners: 253,
  filterInstructions: 4096,
  cgroups: 32,
  ports: 1024,
  tmpfs: 32,
} as const;

// The numbers of spec.h.
const KIND = {
  argument: 1,
  variable: 2,
  level: 3,
  directory: 4,
  identity: 5,
  hostname: 6,
  terminal: 7,
  filter: 8,
  limit: 9,
  cgroup: 10,
  network: 11,
  listener: 12,
  port: 13,
  path: 14,
  bind: 15,
  tmpfs: 16,
  proc: 17,
  devices: 18,
  makeDirectory: 19,
  symlink: 20,
  makeFile: 21,
} as const;
const LEVEL = { off: 0, confined: 1, isolated: 2 } as const;
const IDENTITY = { appliance: 0, "own-uid": 1, "user-namespace": 2 } as const satisfies Record<
  Identity["kind"],
  number
>;
const NETWORK = { host: 0, own: 1, ports: 2 } as const satisfies Record<NetworkPlan["kind"], number>;
const PROTOCOL = { tcp: 0, udp: 1 } as const;
const ACCESS = { read: 0, write: 1, device: 2 } as const satisfies Record<PathRule["access"], number>;
const RESOURCE = {
  "address-space": 0,
  data: 1,
  processes: 2,
  files: 3,
  "file-size": 4,
  core: 5,
} as const satisfies Record<ResourceLimit["resource"], number>;
const BIND_WRITE = 1;
const BIND_MAP_OWNER = 2;

const SOCK_FILTER_BYTES = 8;
/** Of one record, before its body. */
const HEADER_BYTES = 8;

/**
 * The whole message for the launcher's descriptor 3. Holds the secrets of the environment.
 * @throws AppError `bad-configuration` for what cannot be written so that the launcher takes it: no message holds the
 * value of a variable.
 */
export function encodeLaunch(plan: LaunchPlan): Uint8Array {
  const records = [...recordsOf(plan)];
  const bytes = records.reduce((sum, each) => sum + each.length, 0);
  if (records.length > SPEC_LIMITS.records || bytes > SPEC_LIMITS.bytes) {
    throw refusal(
      `It takes ${records.length} entries in ${bytes} bytes to start it, more than ${SPEC_LIMITS.records} in ${SPEC_LIMITS.bytes}`,
      "give it fewer arguments, variables or paths",
    );
  }
  const header = Buffer.alloc(8);
  header.write("TCL1", "latin1");
  header.writeUInt32LE(bytes, 4);
  return Buffer.concat([header, ...records]);
}

function* recordsOf(plan: LaunchPlan): Generator<Uint8Array> {
  yield record(KIND.level, u32(LEVEL[plan.level]));
  for (const argument of program(plan.argv)) yield record(KIND.argument, text(argument, "argument"));
  for (const [name, value] of Object.entries(plan.env)) yield record(KIND.variable, variable(name, value));
  yield record(KIND.directory, absolute(plan.cwd, "working directory"));
  yield identity(plan.identity);
  if (plan.level === "isolated") yield record(KIND.hostname, hostname(plan.hostname));
  if (plan.terminal) yield record(KIND.terminal);
  if (plan.seccomp !== undefined) yield record(KIND.filter, filter(plan.seccomp));
  for (const { resource, value } of plan.rlimits)
    yield record(KIND.limit, u32(RESOURCE[resource]), u64(value));
  for (const file of bounded(plan.cgroups, "cgroups", SPEC_LIMITS.cgroups)) {
    yield record(KIND.cgroup, path(file, "cgroup"));
  }
  yield* network(plan.network);
  for (const { path: file, access } of plan.paths)
    yield record(KIND.path, u32(ACCESS[access]), path(file, "path"));
  bounded(
    plan.mounts.filter(({ kind }) => kind === "tmpfs"),
    "tmpfs",
    SPEC_LIMITS.tmpfs,
  );
  for (const each of plan.mounts) yield mount(each);
}

function identity(who: Identity): Uint8Array {
  const { uid, gid } = who.kind === "appliance" ? { uid: 0, gid: 0 } : who;
  return record(KIND.identity, u32(IDENTITY[who.kind]), u32(uid), u32(gid));
}

function* network(plan: NetworkPlan): Generator<Uint8Array> {
  yield record(KIND.network, u32(NETWORK[plan.kind]));
  if (plan.kind === "own") {
    for (const each of bounded(plan.listeners, "listeners", SPEC_LIMITS.listeners)) yield listener(each);
  }
  if (plan.kind === "ports") {
    for (const port of bounded(plan.ports, "ports", SPEC_LIMITS.ports)) yield record(KIND.port, u32(port));
  }
}

function listener({ protocol, address, port }: Listener): Uint8Array {
  if (!isIPv4(address))
    throw refusal(`A listener's address is no IPv4 address: ${quoted(address)}`, "correct it");
  return record(
    KIND.listener,
    u32(PROTOCOL[protocol]),
    u32(port),
    Uint8Array.from(address.split("."), Number),
  );
}

function mount(each: Mount): Uint8Array {
  const target = path(each.target, "path inside");
  switch (each.kind) {
    case "bind": {
      const flags = (each.write ? BIND_WRITE : 0) | (each.mapOwner ? BIND_MAP_OWNER : 0);
      return record(KIND.bind, u32(flags), path(each.source, "path"), target);
    }
    case "tmpfs":
      return record(KIND.tmpfs, u64(each.bytes), u32(each.mode), target);
    case "proc":
      return record(KIND.proc, target);
    case "devices":
      return record(KIND.devices, u64(each.shmBytes), target);
    case "directory":
      return record(KIND.makeDirectory, target);
    case "symlink":
      return record(KIND.symlink, target, text(each.to, "link"));
    case "file":
      return record(KIND.makeFile, target, Buffer.from(each.content));
  }
}

// ---- Parts of a record

function record(kind: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(kind, 0);
  header.writeUInt32LE(size, 4);
  return Buffer.concat([header, ...parts]);
}

function u32(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw noNumber(value);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw noNumber(value);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** NB: `value` may be a secret. */
function text(value: string, what: string): Uint8Array {
  if (value.includes("\0")) throw refusal(`There is a NUL character in its ${what}`, "take it out");
  return Buffer.from(`${value}\0`);
}

function variable(name: string, value: string): Uint8Array {
  if (name === "" || name.includes("=")) {
    throw refusal(`This cannot be the name of a variable: ${quoted(name)}`, "give it another name");
  }
  return text(`${name}=${value}`, `variable ${quoted(name)}`);
}

function program(argv: readonly string[]): readonly string[] {
  absolute(argv[0] ?? "", "program");
  return argv;
}

function absolute(value: string, what: string): Uint8Array {
  const bytes = text(value, what);
  if (!value.startsWith("/"))
    throw refusal(`Its ${what} is no absolute path: ${quoted(value)}`, "write the whole path");
  if (bytes.length <= SPEC_LIMITS.pathBytes) return bytes;
  throw refusal(
    `Its ${what} is a path of ${bytes.length - 1} bytes, more than Linux takes`,
    "choose a shorter one",
  );
}

/** Below the root, with no part that is empty, `.` or `..`. */
function path(value: string, what: string): Uint8Array {
  const bytes = absolute(value, what);
  const parts = value.slice(1).split("/");
  if (!parts.some((part) => part === "" || part === "." || part === "..")) return bytes;
  throw refusal(
    `A ${what} is not written in the one possible way: ${quoted(value)}`,
    "write it without //, . and ..",
  );
}

function hostname(value: string): Uint8Array {
  const bytes = text(value, "host name");
  if (value !== "" && bytes.length <= SPEC_LIMITS.hostnameBytes) return bytes;
  throw refusal(`This cannot be a host name: ${quoted(value)}`, "it has 1 to 64 characters");
}

function filter(instructions: Uint8Array): Uint8Array {
  const count = instructions.length / SOCK_FILTER_BYTES;
  if (Number.isInteger(count) && count > 0 && count <= SPEC_LIMITS.filterInstructions) return instructions;
  throw refusal(
    `Its filter of system calls has ${instructions.length} bytes`,
    "report this as a fault of Toolcrib",
  );
}

function bounded<T>(list: readonly T[], what: string, most: number): readonly T[] {
  if (list.length <= most) return list;
  throw refusal(`It has ${list.length} ${what}, and ${most} are the most`, "give it fewer");
}

function noNumber(value: number): AppError {
  return refusal(`A number of its cage is out of range: ${value}`, "correct it");
}

function refusal(what: string, next: string): AppError {
  return new AppError("bad-configuration", `The server cannot be started. ${what}: ${next}.`);
}
