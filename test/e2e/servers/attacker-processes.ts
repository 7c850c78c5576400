// What the attacker tries on processes, on itself and by other programs of the host.

import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Attempt, refusal } from "./attacker-attempt.ts";
import {
  attachSharedMemory,
  becomeRoot,
  limit,
  signal,
  signalByDescriptor,
  slow,
  stealDescriptor,
} from "./attacker-libc.ts";

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

/** A shell's work, which goes on after it was answered. */
function start(script: string): void {
  Bun.spawn(["/bin/sh", "-c", script], {
    env: { PATH: "/usr/bin:/bin" },
    stdio: ["ignore", "ignore", "ignore"],
  }).unref();
}

/** Goes off again and again: where a shell may not fork any more, it ends. */
function bomb(): string {
  setInterval(() => {
    try {
      start("bomb() { bomb | bomb & }; bomb");
    } catch {
      // Neither may this.
    }
  }, 20);
  return "";
}

/** A grandchild in a session of its own that is deaf to signals; it says that it is there by a file. */
async function linger(): Promise<string> {
  const grandchild = 'trap "" TERM HUP INT; : > lingers; while :; do sleep 600; done';
  start(`(setsid sh -c '${grandchild}' lingerer &)`);
  while (!existsSync("lingers")) await Bun.sleep(5);
  rmSync("lingers");
  return "";
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
  signal: ([pid = ""]) => signal(Number(pid)),
  "signal-by-descriptor": ([pid = ""]) => signalByDescriptor(Number(pid)),
  slow: ([pid = ""]) => slow(Number(pid)),
  limit: ([pid = ""]) => limit(Number(pid)),
  "steal-descriptor": ([pid = ""]) => stealDescriptor(Number(pid)),
  "shared-memory": ([id = ""]) => attachSharedMemory(Number(id)),
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
  linger,
  bomb,
  burn: ([count = "1"]) => {
    for (let burner = 0; burner < Number(count); burner++) start("while :; do :; done");
    return "";
  },
  /** Ends with it. */
  hog: () => {
    const all: Buffer[] = [];
    for (;;) all.push(Buffer.alloc(16 << 20, 1));
  },
  "become-root": becomeRoot,
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
