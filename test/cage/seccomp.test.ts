// Runs the filter over every system call there is, on both machines, and over the arguments that it looks at.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { existsSync, readFileSync } from "node:fs";
import { type FilterOptions, seccompFilter } from "../../src/cage/seccomp.ts";
import { CALL_NUMBERS, type CallName, callNumber, type Machine } from "../../src/cage/seccomp-numbers.ts";
import { answerOf } from "./filter-machine.ts";

const MACHINES = ["x64", "arm64"] as const;
const ARCHITECTURE = { x64: 0xc000003e, arm64: 0xc00000b7 };
const I386 = 0x40000003;
const ARM = 0x40000028;

const [EPERM, EACCES, ENOSYS] = ["1", "13", "38"];
const [EPROTONOSUPPORT, ESOCKTNOSUPPORT, EOPNOTSUPP, EAFNOSUPPORT] = ["93", "94", "95", "97"];

/** Above the last call of Linux today, with room to grow. */
const NUMBERS = Array.from({ length: 1024 }, (_, index) => index);

const OPEN: Omit<FilterOptions, "arch"> = {
  inet: true,
  udp: true,
  unix: true,
  alone: true,
  namespaces: false,
};
const CLOSED: Omit<FilterOptions, "arch"> = {
  inet: false,
  udp: false,
  unix: false,
  alone: false,
  namespaces: false,
};

function names(): readonly CallName[] {
  return Object.keys(CALL_NUMBERS).filter((name): name is CallName => name in CALL_NUMBERS);
}

function ask(
  arch: Machine,
  options: Omit<FilterOptions, "arch">,
  number: number,
  args: readonly bigint[],
): string {
  return answerOf(seccompFilter({ arch, ...options }), { number, architecture: ARCHITECTURE[arch], args });
}

/** What the filter answers to a call by its name; undefined where the machine has no such call. */
function asked(
  arch: Machine,
  name: CallName,
  args: readonly number[],
  options: Omit<FilterOptions, "arch"> = OPEN,
  high = 0n,
): string | undefined {
  const number = callNumber(name, arch);
  if (number === undefined) return undefined;
  return ask(
    arch,
    options,
    number,
    args.map((low) => (high << 32n) | BigInt(low >>> 0)),
  );
}

const PATH = 0x7ffc_1234;
const DIRECTORY = -100;
const [O_CREAT, O_TMPFILE] = [0o100, 0o20000000];
const [UNIX, INET, INET6, NETLINK] = [1, 2, 10, 16];
const [STREAM, DGRAM, RAW, SEQPACKET, DCCP, PACKET] = [1, 2, 3, 5, 6, 10];
const FLAGS = 0x80800; // SOCK_CLOEXEC | SOCK_NONBLOCK
const FASTOPEN = 0x20000000;

type Case = readonly [CallName, readonly number[], string, Omit<FilterOptions, "arch">?];

/** Whatever the arguments are. */
const REFUSED: Readonly<Record<string, readonly CallName[]>> = {
  [EPERM]: [
    ...(["unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree"] as const),
    ...(["open_tree_attr", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"] as const),
    ...([
      "ptrace",
      "process_vm_readv",
      "process_vm_writev",
      "process_madvise",
      "kcmp",
      "pidfd_getfd",
    ] as const),
    ...([
      "migrate_pages",
      "move_pages",
      "bpf",
      "io_uring_setup",
      "io_uring_enter",
      "io_uring_register",
    ] as const),
    ...(["perf_event_open", "userfaultfd", "modify_ldt", "add_key", "request_key", "keyctl"] as const),
    ...(["open_by_handle_at", "name_to_handle_at", "kexec_load", "kexec_file_load", "init_module"] as const),
    ...(["finit_module", "delete_module", "reboot", "swapon", "swapoff", "acct", "quotactl"] as const),
    ...([
      "quotactl_fd",
      "settimeofday",
      "clock_settime",
      "adjtimex",
      "clock_adjtime",
      "sethostname",
    ] as const),
    ...([
      "setdomainname",
      "iopl",
      "ioperm",
      "syslog",
      "lookup_dcookie",
      "nfsservctl",
      "vhangup",
      "uselib",
    ] as const),
  ],
  [ENOSYS]: ["clone3", "openat2"],
};

const TABLE: readonly Case[] = [
  // fork, vfork and pthread_create of the C library
  ["clone", [0x01200011], "allow"],
  ["clone", [0x00004111], "allow"],
  ["clone", [0x003d0f00], "allow"],
  ...[0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000].map((flag): Case => [
    "clone",
    [flag | 17],
    EPERM,
  ]),
  ["clone", [0x10000000], "allow", { ...OPEN, namespaces: true }],
  ["unshare", [0x10000000], "allow", { ...OPEN, namespaces: true }],
  ["clone3", [PATH, 88], "allow", { ...OPEN, namespaces: true }],
  ["mount", [PATH], "allow", { ...OPEN, namespaces: true }],
  ["ptrace", [16], EPERM, { ...OPEN, namespaces: true }],
  // Without namespaces there are others to be reached.
  ...(["prlimit64", "sched_setscheduler", "sched_setparam", "sched_setattr"] as const).flatMap(
    (name): readonly Case[] => [
      [name, [0, 7], "allow", CLOSED],
      [name, [4711, 7], EPERM, CLOSED],
      [name, [4711, 7], "allow"],
    ],
  ),
  ["setpriority", [0, 0, 5], "allow", CLOSED],
  ["setpriority", [0, 4711, 5], EPERM, CLOSED],
  ["setpriority", [1, 0, 5], EPERM, CLOSED],
  ["setpriority", [2, 0, 5], EPERM, CLOSED],
  ["setpriority", [2, 0, 5], "allow"],
  ...(
    [
      ...(["shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl"] as const),
      ...(["msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink"] as const),
    ] as const
  ).flatMap((name): readonly Case[] => [
    [name, [0], EPERM, CLOSED],
    [name, [0], "allow"],
  ]),
  ["personality", [0], "allow"],
  ["personality", [0xffffffff], "allow"],
  ["personality", [0x0040000], EPERM], // ADDR_NO_RANDOMIZE
  ["personality", [8], EPERM],
  ["ioctl", [0, 0x5412], EPERM],
  ["ioctl", [0, 0x541c], EPERM],
  ["ioctl", [0, 0x5401], "allow"],
  ["ioctl", [0, 0x5413], "allow"],
  ["ioctl", [0x5412, 0x541b], "allow"],

  ["chmod", [PATH, 0o755], "allow"],
  ["chmod", [PATH, 0o1777], "allow"],
  ["chmod", [PATH, 0o4755], EPERM],
  ["fchmod", [3, 0o2755], EPERM],
  ["fchmod", [3, 0o644], "allow"],
  ["fchmodat", [DIRECTORY, PATH, 0o6755], EPERM],
  ["fchmodat", [DIRECTORY, PATH, 0o755], "allow"],
  ["fchmodat2", [DIRECTORY, PATH, 0o4000], EPERM],
  ["fchmodat2", [DIRECTORY, PATH, 0o600, 0x100], "allow"],
  ["creat", [PATH, 0o4755], EPERM],
  ["creat", [PATH, 0o644], "allow"],
  ["open", [PATH, O_CREAT | 1, 0o4755], EPERM],
  ["open", [PATH, O_TMPFILE | 2, 0o2755], EPERM],
  ["open", [PATH, O_CREAT | 1, 0o644], "allow"],
  ["open", [PATH, 0, 0o4755], "allow"], // no mode without O_CREAT: it is what was in the register
  ["openat", [DIRECTORY, PATH, O_CREAT | 1, 0o4755], EPERM],
  ["openat", [DIRECTORY, PATH, O_TMPFILE | 0o40000 | 2, 0o4700], EPERM],
  ["openat", [DIRECTORY, PATH, O_CREAT | 1, 0o600], "allow"],
  ["openat", [DIRECTORY, PATH, 0, 0o6777], "allow"],
  ["mkdir", [PATH, 0o755], "allow"],
  ["mkdir", [PATH, 0o2755], EPERM],
  ["mkdirat", [DIRECTORY, PATH, 0o755], "allow"],
  ["mkdirat", [DIRECTORY, PATH, 0o4755], EPERM],
  ["mknod", [PATH, 0o100644], "allow"],
  ["mknod", [PATH, 0o010644], "allow"], // a named pipe
  ["mknod", [PATH, 0o140644], "allow"], // a socket
  ["mknod", [PATH, 0o020666], EPERM], // a character device
  ["mknod", [PATH, 0o060666], EPERM], // a block device
  ["mknod", [PATH, 0o104755], EPERM],
  ["mknodat", [DIRECTORY, PATH, 0o010600], "allow"],
  ["mknodat", [DIRECTORY, PATH, 0o020600], EPERM],
  ["mknodat", [DIRECTORY, PATH, 0o060600], EPERM],
  ["mknodat", [DIRECTORY, PATH, 0o102700], EPERM],

  ...[INET, INET6].flatMap((family): readonly Case[] => [
    ["socket", [family, STREAM, 0], "allow"],
    ["socket", [family, STREAM | FLAGS, 6], "allow"],
    ["socket", [family, STREAM, 262], EPROTONOSUPPORT], // MPTCP
    ["socket", [family, STREAM, 132], EPROTONOSUPPORT], // SCTP
    ["socket", [family, STREAM, 256], EPROTONOSUPPORT], // SMC
    ["socket", [family, DGRAM | FLAGS, 0], "allow"],
    ["socket", [family, DGRAM, 17], "allow"],
    ["socket", [family, DGRAM, 1], EPROTONOSUPPORT], // ping
    ["socket", [family, DGRAM, 136], EPROTONOSUPPORT], // UDP-Lite
    ["socket", [family, DGRAM, 17], EACCES, { ...OPEN, udp: false }],
    ["socket", [family, STREAM, 6], "allow", { ...OPEN, udp: false }],
    ["socket", [family, RAW, 1], EPERM],
    ["socket", [family, RAW | FLAGS, 255], EPERM],
    ["socket", [family, PACKET, 0x300], EPERM],
    ["socket", [family, SEQPACKET, 132], ESOCKTNOSUPPORT],
    ["socket", [family, DCCP, 33], ESOCKTNOSUPPORT],
    ["socket", [family, STREAM, 6], EACCES, { ...OPEN, inet: false }],
    ["socket", [family, DGRAM, 0], EACCES, { ...OPEN, inet: false }],
    ["socket", [family, RAW, 1], EACCES, CLOSED],
  ]),
  ["socket", [UNIX, STREAM | FLAGS, 0], "allow"],
  ["socket", [UNIX, DGRAM, 0], EACCES, CLOSED],
  ["socket", [NETLINK, RAW | FLAGS, 0], "allow"],
  ["socket", [NETLINK, DGRAM, 0], "allow", CLOSED],
  ...[4, 5, 6, 9, 12, 15, 16, 20, 21].map((protocol): Case => [
    "socket",
    [NETLINK, RAW, protocol],
    EAFNOSUPPORT,
  ]),
  // every other family: AX.25 … AF_PACKET, AF_RDS, AF_CAN, AF_TIPC, AF_BLUETOOTH, AF_ALG, AF_VSOCK, AF_XDP, AF_SMC
  ...Array.from({ length: 64 }, (_, family) => family)
    .filter((family) => ![UNIX, INET, INET6, NETLINK].includes(family))
    .flatMap((family): readonly Case[] => [
      ["socket", [family, RAW, 0], EAFNOSUPPORT],
      ["socket", [family, STREAM, 0], EAFNOSUPPORT, CLOSED],
      ["socketpair", [family, STREAM, 0], EAFNOSUPPORT],
    ]),
  ["socketpair", [UNIX, STREAM | FLAGS, 0], "allow", CLOSED],
  ["socketpair", [UNIX, SEQPACKET, 0], "allow", CLOSED],
  ["socketpair", [UNIX, DGRAM, 0], EACCES, CLOSED],
  ["socketpair", [UNIX, RAW | FLAGS, 0], EACCES, CLOSED], // the kernel makes it one for datagrams
  ["socketpair", [UNIX, DGRAM, 0], "allow"],
  ["socketpair", [INET, STREAM, 0], EAFNOSUPPORT],
  ["sendto", [3, PATH, 8, 0x4000, 0, 0], "allow"],
  ["sendto", [3, PATH, 8, FASTOPEN | 0x4000, PATH, 16], EOPNOTSUPP],
  ["sendmsg", [3, PATH, 0x4000], "allow"],
  ["sendmsg", [3, PATH, FASTOPEN], EOPNOTSUPP],
  ["sendmmsg", [3, PATH, 1, 0], "allow"],
  ["sendmmsg", [3, PATH, 1, FASTOPEN], EOPNOTSUPP],
];

describe.each(MACHINES)("on %s", (arch) => {
  const known = new Map(
    names().flatMap((name) => {
      const number = callNumber(name, arch);
      return number === undefined ? [] : [[number, name] as const];
    }),
  );

  test("what is in no group is allowed, whatever its arguments", () => {
    for (const options of [OPEN, CLOSED]) {
      const program = seccompFilter({ arch, ...options });
      const allowed = (number: number, args: readonly bigint[]) =>
        answerOf(program, { number, architecture: ARCHITECTURE[arch], args }) === "allow";
      const others = NUMBERS.filter((number) => !known.has(number));
      expect(others.length).toBeGreaterThan(900);
      const ones = Array<bigint>(6).fill(0xffff_ffff_ffff_ffffn);
      expect(others.filter((number) => !allowed(number, []) || !allowed(number, ones))).toEqual([]);
      const args = fc.array(fc.bigInt(0n, 0xffff_ffff_ffff_ffffn), { minLength: 6, maxLength: 6 });
      fc.assert(fc.property(fc.constantFrom(...others), args, allowed));
    }
  });

  test("what is always refused is refused, whatever its arguments", () => {
    const args = fc.array(fc.bigInt(0n, 0xffff_ffff_ffff_ffffn), { minLength: 6, maxLength: 6 });
    for (const [answer, calls] of Object.entries(REFUSED)) {
      for (const name of calls) {
        const number = callNumber(name, arch);
        if (number === undefined) continue;
        expect([name, ask(arch, OPEN, number, [])]).toEqual([name, answer]);
        fc.assert(
          fc.property(args, (all) => ask(arch, CLOSED, number, all) === answer),
          { numRuns: 5 },
        );
      }
    }
  });

  test("the others go by their arguments", () => {
    const wrong = TABLE.flatMap(([name, args, answer, options]) => {
      const got = asked(arch, name, args, options);
      return got === undefined || got === answer ? [] : [{ name, args, options, answer, got }];
    });
    expect(wrong).toEqual([]);
  });

  test("the high half of an argument changes nothing: the kernel drops it", () => {
    const wrong = TABLE.filter(([name, args, answer, options]) => {
      return [1n, 0x8000_0000n, 0xffff_ffffn].some((high) => {
        const got = asked(arch, name, args, options, high);
        return got !== undefined && got !== answer;
      });
    });
    expect(wrong).toEqual([]);
  });

  test("every call of the tables has a case here", () => {
    const tested = new Set([...Object.values(REFUSED).flat(), ...TABLE.map(([name]) => name)]);
    expect(names().filter((name) => !tested.has(name))).toEqual([]);
  });

  test("calls of another architecture kill", () => {
    const program = seccompFilter({ arch, ...OPEN });
    for (const architecture of [I386, ARM, 0, ...Object.values(ARCHITECTURE)]) {
      const answer = architecture === ARCHITECTURE[arch] ? "allow" : "kill";
      expect(answerOf(program, { number: 500, architecture, args: [] })).toBe(answer);
    }
  });

  test("no two names have one number", () => {
    expect(known.size).toBe(names().filter((name) => callNumber(name, arch) !== undefined).length);
  });

  test("the kernel takes its size", () => {
    expect(seccompFilter({ arch, ...CLOSED }).length / 8).toBeLessThan(600);
  });
});

test("x32 calls are refused", () => {
  for (const number of [0x40000000, 0x40000000 + 39, 0x40000000 + 520, 0x7fffffff, -1]) {
    expect(ask("x64", OPEN, number, [])).toBe(EPERM);
  }
});

describe("the numbers are those of the kernel's headers", () => {
  const headers: Readonly<Record<Machine, string>> = {
    x64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    arm64: "/usr/include/asm-generic/unistd.h",
  };
  for (const arch of MACHINES) {
    const path = headers[arch];
    // Skipped without the headers: Debian has them in linux-libc-dev.
    test.skipIf(!existsSync(path))(arch, () => {
      const text = readFileSync(path, "utf8");
      const found = new Map(
        [...text.matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm)].map(([, name = "", value]) => [
          name,
          Number(value),
        ]),
      );
      expect(found.size).toBeGreaterThan(250);
      const wrong = names().filter((name) => {
        // Of calls that are newer than the headers nothing can be said.
        const theirs = found.get(name);
        return theirs !== undefined && theirs !== callNumber(name, arch);
      });
      expect(wrong).toEqual([]);
    });
  }
});
