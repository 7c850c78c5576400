// Which system calls a caged server is refused: a list of what no MCP server needs and what escapes are made of, in
// groups with a reason each. All else is allowed, so that runtimes of today and tomorrow work. Called by plan.ts.
//
// The filter stands in for no other part of a cage. It makes the kernel smaller for the server, and it holds what
// namespaces and Landlock do not: a terminal's input, files that run as their owner, sockets that go past Landlock.

import {
  ALLOW,
  ARCHITECTURE,
  argument,
  assembled,
  byCallNumber,
  CALL_NUMBER,
  type Code,
  KILL,
  refuse,
  when,
  whenOneOf,
} from "./seccomp-bpf.ts";
import { type CallName, callNumber, type Machine } from "./seccomp-numbers.ts";

export interface FilterOptions {
  readonly arch: Machine;
  /** IPv4 and IPv6: TCP, and UDP as well with `udp`. */
  readonly inet: boolean;
  readonly udp: boolean;
  /** Without it only pairs of connected sockets, which runtimes make for their children. */
  readonly unix: boolean;
  /** In namespaces of its own for processes and IPC; otherwise it is kept from those of others of its user. */
  readonly alone: boolean;
  /** Lets it make namespaces of its own and mount in them, as the sandbox of a browser does. */
  readonly namespaces: boolean;
}

/** An array of struct sock_filter, for a server that cannot gain privileges (no_new_privs). */
export function seccompFilter(options: FilterOptions): Uint8Array {
  const { arch } = options;
  const codes = new Map<number, Code>();
  for (const { calls, answer } of groups(options)) {
    for (const name of calls) {
      const number = callNumber(name, arch);
      if (number !== undefined) codes.set(number, answer);
    }
  }
  const calls = byCallNumber(codes, ALLOW);
  // x32 has calls of its own, with numbers above this bit: the tables here do not know them.
  const native = arch === "x64" ? when(CALL_NUMBER, "atLeast", 0x4000_0000, EPERM, calls) : calls;
  // Another architecture means 32-bit calls (`int 0x80`), whose numbers mean something else altogether.
  return assembled(when(ARCHITECTURE, "equal", AUDIT_ARCH[arch], native, KILL));
}

const AUDIT_ARCH = { x64: 0xc000_003e, arm64: 0xc000_00b7 } as const;

const EPERM = refuse(1);
const EACCES = refuse(13);
const ENOSYS = refuse(38);
const EPROTONOSUPPORT = refuse(93);
const ESOCKTNOSUPPORT = refuse(94);
const EOPNOTSUPP = refuse(95);
const EAFNOSUPPORT = refuse(97);

interface Group {
  readonly why: string;
  readonly calls: readonly CallName[];
  readonly answer: Code;
}

const ALWAYS: readonly Group[] = [
  {
    why: "reads, writes or moves the memory and the descriptors of other processes",
    calls: ["ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd"],
    answer: EPERM,
  },
  { why: "moves the memory of other processes", calls: ["migrate_pages", "move_pages"], answer: EPERM },
  {
    why: "where most ways from a user to the kernel were found",
    calls: ["bpf", "perf_event_open", "userfaultfd", "modify_ldt"],
    answer: EPERM,
  },
  {
    why: "does the work of other calls where no filter sees it",
    calls: ["io_uring_setup", "io_uring_enter", "io_uring_register"],
    answer: EPERM,
  },
  { why: "keyrings know no namespaces", calls: ["add_key", "request_key", "keyctl"], answer: EPERM },
  {
    why: "opens files past the paths that lead to them",
    calls: ["open_by_handle_at", "name_to_handle_at"],
    answer: EPERM,
  },
  {
    why: "changes the kernel itself",
    calls: ["kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module"],
    answer: EPERM,
  },
  {
    why: "administers the host",
    calls: [
      "reboot",
      "swapon",
      "swapoff",
      "acct",
      "quotactl",
      "quotactl_fd",
      "sethostname",
      "setdomainname",
      "vhangup",
    ],
    answer: EPERM,
  },
  {
    why: "sets the clock of the host",
    calls: ["settimeofday", "clock_settime", "adjtimex", "clock_adjtime"],
    answer: EPERM,
  },
  { why: "speaks to hardware", calls: ["iopl", "ioperm"], answer: EPERM },
  { why: "tells about the kernel", calls: ["syslog", "lookup_dcookie"], answer: EPERM },
  { why: "nobody has used it for years", calls: ["nfsservctl", "uselib"], answer: EPERM },
  {
    why: "other ways to execute programs than those of this machine; 0 is the usual, all ones asks which it is",
    calls: ["personality"],
    answer: whenOneOf(argument(0), [0, 0xffff_ffff], ALLOW, EPERM),
  },
  {
    why: "TIOCSTI and TIOCLINUX type into the terminal of whoever started it",
    calls: ["ioctl"],
    answer: whenOneOf(argument(1), [0x5412, 0x541c], EPERM, ALLOW),
  },
];

// ---- Files that run as their owner, and devices

const SET_ID_BITS = 0o6000;
/** Set in the kinds S_IFCHR and S_IFBLK and in no other that mknod makes. */
const DEVICE_BIT = 0o020000;
/** O_CREAT and O_TMPFILE. Without them there is no mode, and what stands in its place is whatever was there. */
const CREATES = 0o100 | 0o20000000;

function refuseMode(index: 1 | 2 | 3, bits = SET_ID_BITS): Code {
  return when(argument(index), "anyBitOf", bits, EPERM, ALLOW);
}

const MODES: readonly Group[] = [
  {
    why: "a program with the right of its owner or group, left for others of the host to run",
    calls: ["chmod", "fchmod", "creat", "mkdir"],
    answer: refuseMode(1),
  },
  { why: "the same", calls: ["fchmodat", "fchmodat2", "mkdirat"], answer: refuseMode(2) },
  { why: "the same", calls: ["open"], answer: when(argument(1), "anyBitOf", CREATES, refuseMode(2), ALLOW) },
  {
    why: "the same",
    calls: ["openat"],
    answer: when(argument(2), "anyBitOf", CREATES, refuseMode(3), ALLOW),
  },
  { why: "the same, and devices", calls: ["mknod"], answer: refuseMode(1, SET_ID_BITS | DEVICE_BIT) },
  { why: "the same, and devices", calls: ["mknodat"], answer: refuseMode(2, SET_ID_BITS | DEVICE_BIT) },
  {
    why: "its mode lies in memory, where no filter sees it; libraries fall back to openat",
    calls: ["openat2"],
    answer: ENOSYS,
  },
];

// ---- Namespaces

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. CLONE_NEWTIME is no flag of clone(2). */
const CLONE_NEW = 0x7e02_0000;

const NAMESPACES: readonly Group[] = [
  {
    why: "the way to rights that a server does not have outside",
    calls: ["unshare", "setns"],
    answer: EPERM,
  },
  { why: "the same", calls: ["clone"], answer: when(argument(0), "anyBitOf", CLONE_NEW, EPERM, ALLOW) },
  {
    why: "its flags lie in memory, where no filter sees them; libraries fall back to clone",
    calls: ["clone3"],
    answer: ENOSYS,
  },
  {
    why: "another view of the files",
    calls: [
      "mount",
      "umount2",
      "pivot_root",
      "chroot",
      "move_mount",
      "open_tree",
      "open_tree_attr",
      "mount_setattr",
    ],
    answer: EPERM,
  },
  { why: "the same", calls: ["fsopen", "fsconfig", "fsmount", "fspick"], answer: EPERM },
];

// ---- What is shared with others of its user, where no namespace parts them

const PRIO_PROCESS = 0;
/** The first argument names a process, or is 0 for the one that calls. */
const OF_ITSELF = when(argument(0), "equal", 0, ALLOW, EPERM);

const NOT_ALONE: readonly Group[] = [
  {
    why: "limits, slows or ends other processes, the appliance's own included; Landlock keeps from signals alone",
    calls: ["prlimit64", "sched_setscheduler", "sched_setparam", "sched_setattr"],
    answer: OF_ITSELF,
  },
  {
    why: "the same; the second argument is the process",
    calls: ["setpriority"],
    answer: when(argument(0), "equal", PRIO_PROCESS, when(argument(1), "equal", 0, ALLOW, EPERM), EPERM),
  },
  {
    why: "memory, semaphores and messages of other programs; Landlock does not know them",
    calls: [
      "shmget",
      "shmat",
      "shmctl",
      "semget",
      "semop",
      "semtimedop",
      "semctl",
      "msgget",
      "msgsnd",
      "msgrcv",
      "msgctl",
      "mq_open",
      "mq_unlink",
    ],
    answer: EPERM,
  },
];

// ---- Sockets

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_SEQPACKET = 5;
const SOCK_PACKET = 10;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const MSG_FASTOPEN = 0x2000_0000;

const FAMILY = argument(0);
/** Without SOCK_NONBLOCK and SOCK_CLOEXEC. */
const TYPE = argument(1, 0xf);
const PROTOCOL = argument(2);

function sockets({ inet, udp, unix }: FilterOptions): readonly Group[] {
  // NB: MPTCP, SCTP and SMC come as streams too, and Landlock's rules for TCP do not hold for them.
  const stream = whenOneOf(PROTOCOL, [0, IPPROTO_TCP], ALLOW, EPROTONOSUPPORT);
  const datagram = udp ? whenOneOf(PROTOCOL, [0, IPPROTO_UDP], ALLOW, EPROTONOSUPPORT) : EACCES;
  const raw = whenOneOf(TYPE, [SOCK_RAW, SOCK_PACKET], EPERM, ESOCKTNOSUPPORT);
  const internet = inet
    ? when(TYPE, "equal", SOCK_STREAM, stream, when(TYPE, "equal", SOCK_DGRAM, datagram, raw))
    : EACCES;
  // getaddrinfo and lists of interfaces ask the kernel for its addresses this way.
  const netlink = when(PROTOCOL, "equal", NETLINK_ROUTE, ALLOW, EAFNOSUPPORT);
  const others = when(FAMILY, "equal", AF_NETLINK, netlink, EAFNOSUPPORT);
  const beyondUnix = whenOneOf(FAMILY, [AF_INET, AF_INET6], internet, others);
  // NB: one of a pair for datagrams can send to any other socket by its path; connected streams cannot.
  const pair = unix ? ALLOW : whenOneOf(TYPE, [SOCK_STREAM, SOCK_SEQPACKET], ALLOW, EACCES);
  return [
    {
      why: "families and kinds of sockets that servers do not speak, and those that this one was not given",
      calls: ["socket"],
      answer: when(FAMILY, "equal", AF_UNIX, unix ? ALLOW : EACCES, beyondUnix),
    },
    {
      why: "other families bring their modules into the kernel",
      calls: ["socketpair"],
      answer: when(FAMILY, "equal", AF_UNIX, pair, EAFNOSUPPORT),
    },
    {
      why: "TCP Fast Open connects without connect(2), past Landlock",
      calls: ["sendto", "sendmmsg"],
      answer: when(argument(3), "anyBitOf", MSG_FASTOPEN, EOPNOTSUPP, ALLOW),
    },
    {
      why: "the same",
      calls: ["sendmsg"],
      answer: when(argument(2), "anyBitOf", MSG_FASTOPEN, EOPNOTSUPP, ALLOW),
    },
  ];
}

function groups(options: FilterOptions): readonly Group[] {
  return [
    ...ALWAYS,
    ...MODES,
    ...(options.alone ? [] : NOT_ALONE),
    ...(options.namespaces ? [] : NAMESPACES),
    ...sockets(options),
  ];
}
