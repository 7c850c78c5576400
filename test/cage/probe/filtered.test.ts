// The filter on the kernel of this host: the probe runs under it, and every call that the filter refuses is refused
// by its own answer; without the filter none is, so the probe tells the two apart.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type FilterOptions, seccompFilter } from "../../../src/cage/seccomp.ts";

const ARCH = process.arch === "arm64" ? "arm64" : "x64";
const PROBE = join(import.meta.dir, `../../../src/cage/probe/probe-${ARCH}`);
const OPEN = { inet: true, udp: true, unix: true, alone: true, namespaces: false };

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "filtered-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function outcomes(argv: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const child = Bun.spawn([...argv], { stdin: "ignore", stdout: "pipe", stderr: "inherit", env: {} });
  const [text, code] = await Promise.all([child.stdout.text(), child.exited]);
  expect(code).toBe(0);
  const lines = text.split("\n").slice(0, -1);
  return Object.fromEntries(lines.map((line) => line.split("\t").slice(0, 2)));
}

function filtered(options: Omit<FilterOptions, "arch">, attempts: readonly string[]) {
  const file = join(directory, crypto.randomUUID());
  writeFileSync(file, seccompFilter({ arch: ARCH, ...options }));
  return outcomes([process.execPath, join(import.meta.dir, "filtered.ts"), file, PROBE, ...attempts]);
}

const REFUSED: Readonly<Record<string, string>> = {
  "unshare user": "EPERM",
  "unshare mount": "EPERM",
  "unshare net": "EPERM",
  "setns /proc/self/ns/mnt": "EPERM",
  clone3: "ENOSYS",
  mount: "EPERM",
  chroot: "EPERM",
  [`ptrace ${process.pid}`]: "EPERM",
  "setuid-bit": "EPERM",
  mknod: "EPERM",
  "open-by-handle": "EPERM",
  bpf: "EPERM",
  io_uring: "EPERM",
  keyctl: "EPERM",
  perf: "EPERM",
  userfaultfd: "EPERM",
  tiocsti: "EPERM",
  "raw-socket": "EPERM",
  "packet-socket": "EAFNOSUPPORT",
  vsock: "EAFNOSUPPORT",
  "multipath-socket": "EPROTONOSUPPORT",
  "fast-open": "EOPNOTSUPP",
  ...(ARCH === "x64" ? { x32: "EPERM", i386: "killed 31" } : {}),
};

/** Whoever may run programs may do these. */
const ALLOWED = [
  "read /etc/passwd",
  `write ${tmpdir()}`,
  "list /",
  "fork 3",
  "memory 1000000",
  "interfaces",
  "limits",
];

test("everything is refused by its own answer, and nothing else is", async () => {
  const found = await filtered(OPEN, [...Object.keys(REFUSED), ...ALLOWED]);
  expect(found).toEqual({ ...REFUSED, ...Object.fromEntries(ALLOWED.map((text) => [text, "ok"])) });
}, 30_000);

test("without the filter the kernel is reached, so that the answers say something", async () => {
  const found = await outcomes([PROBE, ...Object.keys(REFUSED)]);
  // NB: a host may refuse some of these to everybody; a filter that is around all this refuses them in the same way.
  const same = Object.entries(REFUSED).filter(([text, answer]) => found[text] === answer);
  expect(same.length).toBeLessThan(Object.keys(REFUSED).length / 2);
  expect(found["setuid-bit"]).toBe("EBADF");
  expect(found["tiocsti"]).toBe("EBADF");
});

describe("sockets that were not given are refused:", () => {
  test.each<[Partial<FilterOptions>, Readonly<Record<string, string>>]>([
    [
      { inet: false, udp: false, unix: false },
      {
        "connect-tcp 127.0.0.1 9": "EACCES",
        "send-udp 127.0.0.1 9": "EACCES",
        "connect-unix /nowhere": "EACCES",
        "unix-abstract nobody": "EACCES",
        "listen-tcp": "EACCES",
        interfaces: "ok",
      },
    ],
    [
      { udp: false },
      { "send-udp 127.0.0.1 9": "EACCES", "listen-tcp": "ok", "connect-unix /nowhere": "ENOENT" },
    ],
    [{ unix: false }, { "connect-unix /nowhere": "EACCES", "listen-tcp": "ok" }],
  ])(
    "%p",
    async (options, answers) => {
      expect(await filtered({ ...OPEN, ...options }, Object.keys(answers))).toEqual({ ...answers });
    },
    30_000,
  );
});

test("with namespaces, what they need is let through and the rest is not", async () => {
  const found = await filtered({ ...OPEN, namespaces: true }, ["clone3", "mount", "bpf", "keyctl"]);
  expect(found).toMatchObject({ clone3: "EINVAL", bpf: "EPERM", keyctl: "EPERM" });
}, 30_000);

// Programs of the host run under the filter as they do without; skipped for those that it has not.
const PROGRAMS: readonly (readonly [name: string, args: readonly string[]])[] = [
  [process.execPath, ["-e", "new Worker('data:text/javascript,'); Bun.spawnSync(['true'])"]],
  [
    "node",
    [
      "-e",
      "new (require('worker_threads').Worker)('0',{eval:true}); require('child_process').execFileSync('true')",
    ],
  ],
  [
    "python3",
    ["-c", "import threading,subprocess,ssl,socket; subprocess.run(['true']); socket.socketpair()"],
  ],
];
describe("programs run under the strictest filter:", () => {
  for (const [name, args] of PROGRAMS) {
    const path = Bun.which(name);
    test.skipIf(path === null)(
      basename(name),
      async () => {
        const file = join(directory, basename(name));
        writeFileSync(
          file,
          seccompFilter({
            arch: ARCH,
            inet: false,
            udp: false,
            unix: false,
            alone: false,
            namespaces: false,
          }),
        );
        const argv = [process.execPath, join(import.meta.dir, "filtered.ts"), file, path ?? "", ...args];
        const child = Bun.spawn(argv, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
        const [code, words] = await Promise.all([child.exited, child.stderr.text()]);
        expect({ code, words }).toEqual({ code: 0, words: "" });
      },
      60_000,
    );
  }
});
