// The bytes of a launch plan: every part of it in its record, the bounds of the launcher's own header, and what is
// refused in words before it comes to that.

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type LaunchPlan, type Mount, uncaged } from "../../src/cage/launch-plan.ts";
import { encodeLaunch, SPEC_LIMITS } from "../../src/cage/launch-spec.ts";
import { AppError } from "../../src/errors.ts";

const RECORDS = readFileSync(join(import.meta.dir, "../../src/cage/launcher/records.h"), "utf8");
const SPEC = readFileSync(join(import.meta.dir, "../../src/cage/launcher/spec.h"), "utf8");

/** Of `enum kind`, in its order from 1. */
const KINDS = /enum kind \{([^}]*)\}/
  .exec(RECORDS)?.[1]
  ?.split("\n")
  .flatMap((line) => /^ +([A-Z_]+)/.exec(line)?.[1] ?? []);

const OFF = uncaged({
  launcher: "/l",
  argv: ["/bin/echo", "ü", ""],
  env: { A: "1=2", B: "" },
  cwd: "/srv/x",
});

const TEXTS = new Set(
  "ARGUMENT VARIABLE DIRECTORY HOSTNAME CGROUP PROC MAKE_DIRECTORY SYMLINK MAKE_FILE".split(" "),
);

/** `KIND hex` of each record, or `KIND text~` where it is all text. */
function decoded(bytes: Uint8Array): readonly string[] {
  const view = Buffer.from(bytes);
  expect(view.toString("latin1", 0, 4)).toBe("TCL1");
  expect(view.readUInt32LE(4)).toBe(bytes.length - 8);
  const records: string[] = [];
  for (let at = 8; at < view.length;) {
    const size = view.readUInt32LE(at + 4);
    const body = view.subarray(at + 8, at + 8 + size);
    const kind = KINDS?.[view.readUInt32LE(at) - 1] ?? "?";
    const shown = TEXTS.has(kind) ? body.toString("utf8").replaceAll("\0", "~") : body.toString("hex");
    records.push(`${kind} ${shown}`.trim());
    at += 8 + size;
  }
  return records;
}

const isolated = (some: Partial<LaunchPlan>): LaunchPlan => ({
  ...OFF,
  argv: ["/a"],
  env: {},
  level: "isolated",
  identity: { kind: "own-uid", uid: 258, gid: 3 },
  network: { kind: "own", listeners: [] },
  hostname: "cage",
  ...some,
});

test("a plan without a cage", () => {
  expect(decoded(encodeLaunch(OFF))).toEqual([
    "LEVEL 00000000",
    "ARGUMENT /bin/echo~",
    "ARGUMENT ü~",
    "ARGUMENT ~",
    "VARIABLE A=1=2~",
    "VARIABLE B=~",
    "DIRECTORY /srv/x~",
    "IDENTITY 000000000000000000000000",
    "NETWORK 00000000",
  ]);
});

test("a confined plan, with limits, groups, ports, a filter and a terminal", () => {
  const plan: LaunchPlan = {
    ...OFF,
    argv: ["/a"],
    env: {},
    level: "confined",
    paths: [
      { path: "/r", access: "read" },
      { path: "/w", access: "write" },
      { path: "/d", access: "device" },
    ],
    network: { kind: "ports", ports: [443] },
    seccomp: Uint8Array.from([6, 0, 0, 0, 0, 0, 255, 127]),
    rlimits: [
      { resource: "core", value: 0 },
      { resource: "data", value: 2 ** 40 + 1 },
    ],
    cgroups: ["/sys/fs/cgroup/x/cgroup.procs"],
    hostname: "not for this level",
    terminal: true,
  };
  expect(decoded(encodeLaunch(plan))).toEqual([
    "LEVEL 01000000",
    "ARGUMENT /a~",
    "DIRECTORY /srv/x~",
    "IDENTITY 000000000000000000000000",
    "TERMINAL",
    "FILTER 060000000000ff7f",
    "LIMIT 050000000000000000000000",
    "LIMIT 010000000100000000010000",
    "CGROUP /sys/fs/cgroup/x/cgroup.procs~",
    "NETWORK 02000000",
    "PORT bb010000",
    "PATH_RULE 000000002f7200",
    "PATH_RULE 010000002f7700",
    "PATH_RULE 020000002f6400",
  ]);
});

test("an isolated plan: identity, listeners and each kind of mount", () => {
  const mounts: readonly Mount[] = [
    { kind: "bind", source: "/s", target: "/t", write: true, mapOwner: true },
    { kind: "bind", source: "/s", target: "/t", write: false, mapOwner: false },
    { kind: "tmpfs", target: "/t", bytes: 4096, mode: 0o1777 },
    { kind: "proc", target: "/proc" },
    { kind: "devices", target: "/dev", shmBytes: 1 },
    { kind: "directory", target: "/d" },
    { kind: "symlink", target: "/l", to: "../x" },
    { kind: "file", target: "/f", content: "a\0b" },
  ];
  const listeners = [
    { protocol: "udp", address: "127.0.0.1", port: 53 },
    { protocol: "tcp", address: "0.0.0.0", port: 443 },
  ] as const;
  const network = { kind: "own", listeners } as const;
  expect(decoded(encodeLaunch(isolated({ mounts, network })))).toEqual([
    "LEVEL 02000000",
    "ARGUMENT /a~",
    "DIRECTORY /srv/x~",
    "IDENTITY 010000000201000003000000",
    "HOSTNAME cage~",
    "NETWORK 01000000",
    "LISTENER 01000000350000007f000001",
    "LISTENER 00000000bb01000000000000",
    "BIND 030000002f73002f7400",
    "BIND 000000002f73002f7400",
    "TMPFS 0010000000000000ff0300002f7400",
    "PROC /proc~",
    "DEVICES 01000000000000002f64657600",
    "MAKE_DIRECTORY /d~",
    "SYMLINK /l~../x~",
    "MAKE_FILE /f~a~b",
  ]);
});

test("the bounds are those of the launcher", () => {
  const bound = (name: string, header = RECORDS): number => {
    const [, product = ""] = new RegExp(`${name} = ([\\d *]+)`).exec(header) ?? [];
    return product.split("*").reduce((value, factor) => value * Number(factor), 1);
  };
  const limits: Readonly<Record<string, number>> = SPEC_LIMITS;
  expect(limits).toEqual({
    bytes: bound("MOST_SPEC_BYTES", SPEC),
    records: bound("MOST_RECORDS"),
    pathBytes: bound("MOST_PATH"),
    hostnameBytes: bound("MOST_HOSTNAME"),
    listeners: bound("MOST_LISTENERS"),
    filterInstructions: bound("MOST_FILTER"),
    cgroups: bound("MOST_CGROUPS"),
    ports: bound("MOST_PORTS"),
    tmpfs: bound("MOST_TMPFS"),
  });
});

describe("refused in words", () => {
  const bindOf = (source: string, target = "/t"): Mount => ({
    kind: "bind",
    source,
    target,
    write: false,
    mapOwner: false,
  });
  const listener = { protocol: "tcp", address: "127.0.0.1", port: 1 } as const;
  const table: readonly (readonly [string, LaunchPlan, string])[] = [
    ["no program", { ...OFF, argv: [] }, 'Its program is no absolute path: ""'],
    ["a relative program", { ...OFF, argv: ["echo"] }, 'Its program is no absolute path: "echo"'],
    ["a relative directory", { ...OFF, cwd: "x" }, 'Its working directory is no absolute path: "x"'],
    ["a NUL in an argument", { ...OFF, argv: ["/a", "b\0c"] }, "There is a NUL character in its argument"],
    [
      "a NUL in a variable",
      { ...OFF, env: { TOKEN: "hush\0hush" } },
      'There is a NUL character in its variable "TOKEN"',
    ],
    [
      "a variable with = in its name",
      { ...OFF, env: { "A=B": "hush" } },
      'This cannot be the name of a variable: "A=B"',
    ],
    [
      "a variable without a name",
      { ...OFF, env: { "": "hush" } },
      'This cannot be the name of a variable: ""',
    ],
    [
      "a path with ..",
      isolated({ mounts: [bindOf("/a/../b")] }),
      'not written in the one possible way: "/a/../b"',
    ],
    [
      "a path with //",
      isolated({ mounts: [bindOf("/a//b")] }),
      'not written in the one possible way: "/a//b"',
    ],
    [
      "a path that ends with /",
      isolated({ mounts: [bindOf("/a/")] }),
      'not written in the one possible way: "/a/"',
    ],
    [
      "the root as a target",
      isolated({ mounts: [bindOf("/a", "/")] }),
      'not written in the one possible way: "/"',
    ],
    [
      "a relative target",
      isolated({ mounts: [bindOf("/a", "b")] }),
      'Its path inside is no absolute path: "b"',
    ],
    [
      "a path that is too long",
      isolated({ mounts: [bindOf(`/${"x".repeat(4095)}`)] }),
      "a path of 4096 bytes",
    ],
    ["a host name that is too long", isolated({ hostname: "x".repeat(65) }), "This cannot be a host name"],
    ["no host name", isolated({ hostname: "" }), "This cannot be a host name"],
    [
      "a listener on no address",
      isolated({ network: { kind: "own", listeners: [{ ...listener, address: "::1" }] } }),
      "no IPv4 address",
    ],
    [
      "254 listeners",
      isolated({ network: { kind: "own", listeners: Array.from({ length: 254 }, () => listener) } }),
      "254 listeners, and 253 are the most",
    ],
    [
      "33 tmpfs",
      isolated({
        mounts: Array.from({ length: 33 }, (_, n) => ({ kind: "tmpfs", target: `/${n}`, bytes: 1, mode: 0 })),
      }),
      "33 tmpfs, and 32 are the most",
    ],
    [
      "half an instruction",
      { ...OFF, seccomp: new Uint8Array(12) },
      "Its filter of system calls has 12 bytes",
    ],
    ["no instruction", { ...OFF, seccomp: new Uint8Array(0) }, "Its filter of system calls has 0 bytes"],
    [
      "a fraction",
      isolated({ mounts: [{ kind: "tmpfs", target: "/t", bytes: 1.5, mode: 0 }] }),
      "out of range: 1.5",
    ],
    ["a limit below zero", { ...OFF, rlimits: [{ resource: "core", value: -1 }] }, "out of range: -1"],
    [
      "an endless limit",
      { ...OFF, rlimits: [{ resource: "core", value: Infinity }] },
      "out of range: Infinity",
    ],
    ["over 4 MiB", { ...OFF, env: { BIG: "x".repeat(4 * 1024 ** 2) } }, "more than 65536 in 4194304"],
    [
      "over 65,536 records",
      { ...OFF, argv: Array.from({ length: 65_536 }, () => "/a") },
      "It takes 65542 entries",
    ],
  ];
  test.each(table)("%s", (_, plan, words) => {
    const encode = (): Uint8Array => encodeLaunch(plan);
    expect(encode).toThrow(AppError);
    expect(encode).toThrow(words);
    expect(encode).not.toThrow("hush");
  });
});
