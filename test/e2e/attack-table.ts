// What the attacker tries, and what comes of it at each level: the promise of a cage, line by line. Read by the attack
// suites, which try all of it for real.
//
// An attempt is words for servers/attacker.ts; {names} are those of attack-scene.ts. What comes of it is the code of an
// error, `ok`, `refused` (whatever the code), `-` (not tried: it would leave this host) or `*` (the host's own matter).
// Where something is behind an @, the line holds only on hosts that have it: `landlock6`, that version or a later one,
// or the mechanism of a limit; elsewhere the report alone decides. Last, the words that the report has to have where an
// attempt gets through an axis that it calls partial.

import * as v from "valibot";
import { CAGE_AXES } from "../../src/model/cage-report.ts";

const TABLE = `
axis      | act     | attempt                                      | isolated: root      user           | confined: root       user            | off: root user | told as
files     | read    | open {database}                              | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
files     | read    | open {canary}                                | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
files     | read    | open {victims}/private                       | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
files     | read    | open {key}                                   | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
files     | read    | open /etc/shadow                             | ENOENT              ENOENT         | EACCES               EACCES          | ok  EACCES     |
files     | read    | open-through-link {database}                 | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
files     | read    | hard-link {canary}                           | ENOENT              ENOENT         | refused              refused         | ok  ok         |
files     | escape  | open ../../../../../../../../../..{canary}   | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
files     | escape  | open /proc/self/root{canary}                 | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
files     | escape  | open /proc/1/root{canary}                    | EACCES              EACCES         | EACCES               EACCES          | *   *          |
files     | see     | find {data} canary                           | absent              absent         | EACCES               EACCES          | ok  ok         |
files     | see     | find {work} victim                           | absent              absent         | EACCES               EACCES          | ok  ok         |
files     | see     | list {home}                                  | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
files     | see     | list /sys                                    | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
files     | see     | find / root                                  | absent              absent         | EACCES               EACCES          | ok  ok         |
files     | see     | stat {database}                              | ENOENT              ENOENT         | ok                   ok              | ok  ok         | names, sizes and owners of files
files     | see     | watch {home}                                 | ENOENT              ENOENT         | *                    *               | ok  ok     | names, sizes and owners of files
files     | write   | write {database}                             | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
files     | write   | write {canary}                               | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
files     | write   | make-in {victims}                            | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
files     | write   | truncate {key} 12                            | ENOENT              ENOENT         | EACCES               EACCES@landlock3 | ok  ok     | cut short
files     | write   | chmod {key} 600                              | ENOENT              ENOENT         | EPERM                *               | ok  ok     | modes and times of files
files     | write   | touch {key}                                  | ENOENT              ENOENT         | EPERM                *               | ok  ok     | modes and times of files
files     | write   | make-in {package}                            | EROFS               EROFS          | EACCES               EACCES          | ok  ok         |
files     | write   | write {package}/attacker.js                  | refused             EROFS          | EACCES               EACCES          | ok  ok         |
files     | write   | write /usr/lib/os-release                    | refused             refused        | EACCES               EACCES          | ok  EACCES     |
files     | write   | write /etc/passwd                            | refused             refused        | EACCES               EACCES          | ok  EACCES     |
files     | write   | write /etc/resolv.conf                       | refused             refused        | EACCES               EACCES          | ok  EACCES     |
files     | write   | write /proc/sys/kernel/core_pattern          | refused             refused        | refused              refused         | ok  EACCES     |
processes | read    | search {marker}                              | nowhere             nowhere        | nowhere              nowhere         | ok  ok         |
processes | read    | open /proc/{appliance}/environ               | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
processes | read    | open /proc/{victim}/environ                  | ENOENT              ENOENT         | EACCES               EACCES          | ok  *          |
processes | read    | open /proc/1/environ                         | EACCES              EACCES         | EACCES               EACCES          | *   *          |
processes | see     | open /proc/{appliance}/cmdline               | ENOENT              ENOENT         | ok                   ok              | ok  ok         | processes of the host and their arguments
processes | see     | stat /proc/{victim}                          | ENOENT              ENOENT         | ok                   ok              | ok  ok         | processes of the host and their arguments
processes | signal  | signal {appliance}                           | ESRCH               ESRCH          | EPERM                EPERM@landlock6 | ok  ok         | send signals to processes of the appliance's user
processes | signal  | signal {victim}                              | ESRCH               ESRCH          | EPERM                EPERM@landlock6 | ok  ok         | send signals to processes of the appliance's user
processes | signal  | signal-by-descriptor {appliance}             | ESRCH               ESRCH          | EPERM                EPERM@landlock6 | ok  ok     | send signals to processes of the appliance's user
processes | signal  | limit {appliance}                            | refused             refused        | EPERM                EPERM           | ok  ok     |
processes | signal  | slow {appliance}                             | ESRCH               ESRCH          | EPERM                *               | ok  ok         | priority of processes of the appliance's user
processes | exhaust | write /proc/{appliance}/oom_score_adj        | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok     |
processes | trace   | open /proc/{appliance}/mem                   | ENOENT              ENOENT         | EACCES               EACCES          | ok  *          |
processes | trace   | steal-descriptor {appliance}                 | ESRCH               ESRCH          | EPERM                EPERM           | ok  *          |
processes | trace   | shared-memory {shm}                          | EINVAL              EINVAL         | refused              refused         | ok  ok         |
processes | escape  | list /proc/{appliance}/root                  | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
syscalls  | trace   | probe ptrace {appliance}                     | EPERM               EPERM          | EPERM                EPERM           | *   *          |
syscalls  | mount   | probe mount                                  | EPERM               EPERM          | EPERM                EPERM           | *   *          |
syscalls  | mount   | run /usr/bin/unshare --mount /bin/true       | exit 1              exit 1         | exit 1               exit 1          | ok  exit 1     |
syscalls  | mount   | run /usr/bin/mount -t tmpfs none {mine}/tmp  | refused             refused        | refused              refused         | -   refused    |
syscalls  | escape  | run /usr/bin/unshare --user /bin/true        | exit 1              exit 1         | exit 1               exit 1          | *   *          |
syscalls  | escape  | run /usr/bin/nsenter -t{appliance} -n /bin/true| exit 1              exit 1         | exit 1               exit 1          | ok  exit 1     |
syscalls  | escape  | run /usr/sbin/chroot / /bin/true             | refused             refused        | refused              refused         | ok  refused    |
syscalls  | escape  | probe unshare user                           | EPERM               EPERM          | EPERM                EPERM           | *   *          |
syscalls  | escape  | probe clone3                                 | ENOSYS              ENOSYS         | ENOSYS               ENOSYS          | EINVAL EINVAL  |
syscalls  | escape  | probe setns /proc/self/ns/mnt                | EPERM               EPERM          | EPERM                EPERM           | ok  EPERM      |
syscalls  | escape  | probe setuid-bit                             | EPERM               EPERM          | EPERM                EPERM           | EBADF EBADF    |
syscalls  | escape  | probe mknod                                  | EPERM               EPERM          | EPERM                EPERM           | ENOENT ENOENT  |
syscalls  | escape  | probe open-by-handle                         | EPERM               EPERM          | EPERM                EPERM           | *   *          |
syscalls  | escape  | probe bpf                                    | EPERM               EPERM          | EPERM                EPERM           | *   *          |
syscalls  | escape  | probe io_uring                               | EPERM               EPERM          | EPERM                EPERM           | *   *          |
syscalls  | escape  | probe keyctl                                 | EPERM               EPERM          | EPERM                EPERM           | ok  ok         |
syscalls  | escape  | probe perf                                   | EPERM               EPERM          | EPERM                EPERM           | *   *          |
syscalls  | escape  | probe userfaultfd                            | EPERM               EPERM          | EPERM                EPERM           | *   *          |
syscalls  | escape  | probe tiocsti                                | EPERM               EPERM          | EPERM                EPERM           | *   *          |
syscalls  | escape  | probe x32                                    | refused             refused        | refused              refused         | *   *          |
syscalls  | escape  | probe i386                                   | refused             refused        | refused              refused         | *   *          |
syscalls  | connect | probe raw-socket                             | EPERM               EPERM          | EACCES               EACCES          | *   EPERM      |
syscalls  | connect | probe packet-socket                          | EAFNOSUPPORT        EAFNOSUPPORT   | EAFNOSUPPORT         EAFNOSUPPORT    | *   EPERM      |
syscalls  | connect | probe vsock                                  | EAFNOSUPPORT        EAFNOSUPPORT   | EAFNOSUPPORT         EAFNOSUPPORT    | *   *          |
syscalls  | connect | probe fast-open                              | EOPNOTSUPP          EOPNOTSUPP     | EOPNOTSUPP           EOPNOTSUPP      | *   *          |
identity  | escape  | become-root                                  | EPERM               EINVAL         | EPERM                EPERM           | ok  EPERM      |
identity  | escape  | probe-as-owner 0                             | same user           same user      | same user            same user       | *   *          |
identity  | escape  | have-capabilities                            | none                none           | none                 none            | ok  none       |
identity  | escape  | have-new-privileges                          | none                none           | none                 none            | *   *          |
identity  | escape  | be-user {user}                               | refused             refused        | refused              ok              | ok  ok         | runs as the appliance's user
network   | connect | reach {tcp}                                  | ECONNREFUSED        ECONNREFUSED   | EACCES               EACCES          | ok  ok         |
network   | connect | reach {tcp6}                                 | ECONNREFUSED        ECONNREFUSED   | EACCES               EACCES          | ok  ok         |
network   | connect | reach 192.0.2.1:443                          | ECONNRESET          ECONNRESET     | EACCES               EACCES          | -   -          |
network   | connect | reach 192.0.2.1:4444                         | ECONNREFUSED        ECONNREFUSED   | EACCES               EACCES          | -   -          |
network   | connect | reach 169.254.169.254:80                     | ECONNRESET          ECONNRESET     | EACCES               EACCES          | -   -          |
network   | connect | reach 169.254.1.1:443                        | ECONNRESET          ECONNRESET     | EACCES               EACCES          | -   -          |
network   | connect | reach 2001:db8::1:443                        | refused             refused        | EACCES               EACCES          | -   -          |
network   | connect | reach fe80::1%lo:443                         | refused             refused        | EACCES               EACCES          | -   -          |
network   | connect | datagram {udp}                               | silence             silence        | EACCES               EACCES          | ok  ok         |
network   | connect | datagram 192.0.2.53:53                       | silence             silence        | EACCES               EACCES          | -   -          |
network   | connect | reach-path {path}                            | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
network   | connect | reach-path {socket}                          | ENOENT              ENOENT         | EACCES               EACCES          | ok  ok         |
network   | connect | reach-path {abstract}                        | ECONNREFUSED        ECONNREFUSED   | EACCES               EACCES          | ok  ok         |
network   | connect | get {url}/healthz                            | ECONNREFUSED        ECONNREFUSED   | EACCES               EACCES          | ok  ok         |
network   | connect | tunnel 127.0.0.1:3128 {tcp}                  | 403                 403            | EACCES               EACCES          | -   -          |
network   | connect | probe multipath-socket                       | EPROTONOSUPPORT     EPROTONOSUPPORT| EACCES               EACCES          | *   *          |
network   | resolve | resolve not-allowed.example                  | ENOTFOUND           ENOTFOUND      | refused              refused         | -   -          |
network   | see     | interfaces                                   | lo alone            lo alone       | ok                   ok              | ok  ok         | addresses and connections of the host
memory    | exhaust | probe memory 600000000                       | refused             refused        | refused              refused         | ok  ok         |
memory    | exhaust | eat-memory 2 300000000                       | killed@cgroup       ok@rlimit      | killed@cgroup        ok@rlimit       | ok  ok         | per process, not per tree
memory    | exhaust | fill /tmp 80                                 | ENOSPC              ENOSPC         | EACCES               EACCES          | -   -          |
pids      | exhaust | probe fork 400                               | EAGAIN              EAGAIN         | EAGAIN               ok@none         | ok  ok         |
`;

export const LEVELS = ["isolated", "confined", "off"] as const;
export const USERS = ["root", "user"] as const;
export type Level = (typeof LEVELS)[number];
export type User = (typeof USERS)[number];

export interface Attack {
  readonly axis: (typeof CAGE_AXES)[number];
  readonly act: string;
  /** For the attacker. */
  readonly words: string;
  /** By `level user`. */
  readonly outcomes: ReadonlyMap<string, Expected>;
  /** In the report, where it gets through an axis that is partial; empty where it never should. */
  readonly told: string;
}

export interface Expected {
  readonly outcome: string;
  /** What the host has to have for that. */
  readonly on: string | undefined;
}

export const ATTACKS: readonly Attack[] = TABLE.trim().split("\n").slice(1).map(attackOf);

export function expectedOf({ outcomes, words }: Attack, level: Level, user: User): Expected {
  const expected = outcomes.get(`${level} ${user}`);
  if (expected === undefined) throw new Error(`nothing is expected of ${words}`);
  return expected;
}

/** Whether an attempt came to what was expected; what it found out stands behind `ok`. */
export function isAsExpected(outcome: string, { outcome: expected }: Expected): boolean {
  if (expected === "*") return true;
  if (expected === "refused") return !gotThrough(outcome);
  return outcome === expected || (expected === "ok" && gotThrough(outcome));
}

export function gotThrough(outcome: string): boolean {
  return outcome === "ok" || outcome.startsWith("ok ");
}

function attackOf(line: string): Attack {
  const [axis = "", act = "", words = "", ...rest] = line.split("|").map((cell) => cell.trim());
  const told = rest.at(-1) ?? "";
  const cells = rest.slice(0, -1);
  if (cells.length !== LEVELS.length) throw new Error(`not a line of the table: ${line}`);
  const outcomes = LEVELS.flatMap((level, index) => {
    const both = twoOf(cells[index] ?? "", line);
    return USERS.map((user, which) => [`${level} ${user}`, expectation(both[which] ?? "")] as const);
  });
  return { axis: v.parse(v.picklist(CAGE_AXES), axis), act, words, outcomes: new Map(outcomes), told };
}

/** An outcome of two words (`exit 1`, `same user`) has one blank in it, two outcomes have more between them, or none. */
function twoOf(cell: string, line: string): readonly string[] {
  const wide = cell.split(/\s{2,}/);
  const both = wide.length === 2 ? wide : cell.split(/\s+/);
  if (both.length !== 2) throw new Error(`not two outcomes: ${cell} in ${line}`);
  return both;
}

function expectation(cell: string): Expected {
  const [outcome = "", on] = cell.split("@");
  return { outcome, on };
}
