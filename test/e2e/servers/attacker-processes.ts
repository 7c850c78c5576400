// What the attacker tries on processes, on itself and by other programs of the host.

import { dlopen, FFIType, ptr, read } from "bun:ffi";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { getSystemErrorName } from "node:util";
import { type Attempt, refusal } from "./attacker-attempt.ts";

const { i32, i64, ptr: pointer } = FFIType;
const {
  symbols: { __errno_location: errnoLocation, ...libc },
} = dlopen("libc.so.6", {
  __errno_location: { args: [], returns: pointer },
  getpriority: { args: [i32, i32], returns: i32 },
  kill: { args: [i32, i32], returns: i32 },
  prlimit: { args: [i32, i32, pointer, pointer], returns: i32 },
  setpriority: { args: [i32, i32, i32], returns: i32 },
  setuid: { args: [i32], returns: i32 },
  shmat: { args: [i32, pointer, i32], returns: i64 },
  syscall: { args: [i64, i64, i64, i64], returns: i64 },
});

/** The same on all machines. */
const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;
const RLIMIT_NOFILE = 7;

/** NB: to be asked at once, while nothing else has called the C library. */
function checked(result: number | bigint): bigint {
  if (result >= 0) return BigInt(result);
  const location = errnoLocation();
  const number = location === null ? 0 : read.i32(location);
  throw refusal(getSystemErrorName(-number));
}

/** The limit that it has already, so that nothing changes. */
function limit(pid: number): string {
  const old = new BigUint64Array(2);
  checked(libc.prlimit(pid, RLIMIT_NOFILE, null, ptr(old)));
  checked(libc.prlimit(pid, RLIMIT_NOFILE, ptr(old), null));
  return "";
}

function stealDescriptor(pid: number): string {
  const descriptor = checked(libc.syscall(PIDFD_OPEN, pid, 0, 0));
  checked(libc.syscall(PIDFD_GETFD, Number(descriptor), 0, 0));
  return "";
}

/** In the environment of any process that it sees, its own included. */
function search(marker: string): string {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(join("/proc", pid, "environ"), "latin1").includes(marker)) return `in ${pid}`;
    } catch {
      // Not one that it may read, or gone.
    }
  }
  throw refusal("nowhere");
}

async function run(argv: readonly string[]): Promise<{ code: number; out: string }> {
  const child = Bun.spawn([...argv], { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
  const [code, out] = await Promise.all([child.exited, child.stdout.text()]);
  return { code, out: out.trim() };
}

/** One line of the probe: the attempt, its outcome and a detail. */
async function probe(program: string, words: readonly string[]): Promise<string> {
  const { out } = await run([join(import.meta.dir, program), words.join(" ")]);
  const [, outcome = "nothing said", detail = ""] = out.split("\t");
  if (outcome !== "ok") throw refusal(outcome);
  return detail;
}

function status(name: string): string {
  return new RegExp(`^${name}:\\s*(\\w+)`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
}

/** So many processes that hold so many bytes each, at the same time; all of it has to come out again. */
async function eatMemory(processes: number, bytes: string): Promise<string> {
  const holds = `(head -c ${bytes} /dev/zero && echo held >&2 && cat) | tail -c ${bytes} | wc -c`;
  const eaters = Array.from({ length: processes }, () =>
    Bun.spawn(["/bin/sh", "-c", holds], {
      env: { PATH: "/usr/bin:/bin" },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
  // Each says so when it holds all, or is gone.
  await Promise.all(eaters.map(({ stderr }) => stderr.getReader().read()));
  for (const { stdin } of eaters) void stdin.end();
  const counts = await Promise.all(eaters.map(async ({ stdout }) => (await stdout.text()).trim()));
  if (counts.some((count) => count !== bytes)) throw refusal("killed");
  return "";
}

export const ON_PROCESSES: Readonly<Record<string, Attempt>> = {
  /** NB: not process.kill, which is no system call for a process that does not exist. */
  signal: ([pid = ""]) => {
    checked(libc.kill(Number(pid), 0));
    return "";
  },
  slow: ([pid = ""]) => {
    checked(libc.setpriority(0, Number(pid), libc.getpriority(0, Number(pid))));
    return "";
  },
  limit: ([pid = ""]) => limit(Number(pid)),
  "shared-memory": ([id = ""]) => {
    checked(libc.shmat(Number(id), null, 0));
    return "";
  },
  "steal-descriptor": ([pid = ""]) => stealDescriptor(Number(pid)),
  search: ([marker = ""]) => search(marker),
  probe: (words) => probe("probe", words),
  /** Ends with another user's rights where the bit on the program counts. */
  "probe-as-owner": async ([uid = "0"]) => {
    const detail = await probe("probe-setuid", ["uid"]);
    if (!detail.includes(`effective-uid=${uid} `)) throw refusal("same user");
    return "";
  },
  run: async (argv) => {
    const { code, out } = await run(argv);
    if (code !== 0) throw refusal(`exit ${code}`);
    return out;
  },
  "eat-memory": ([processes = "1", bytes = "0"]) => eatMemory(Number(processes), bytes),
  "become-root": () => {
    checked(libc.setuid(0));
    return "";
  },
  "have-capabilities": () => {
    const set = status("CapEff");
    if (/^0*$/.test(set)) throw refusal("none");
    return set;
  },
  "have-new-privileges": () => {
    if (status("NoNewPrivs") === "1") throw refusal("none");
    return "";
  },
  "be-user": ([uid = ""]) => {
    if (String(process.getuid?.()) !== uid) throw refusal(`uid ${process.getuid?.()}`);
    return "";
  },
  environment: ([name = ""]) => process.env[name] ?? "",
  pid: () => String(process.pid),
};
