// The launcher's parser and bytes that nobody would write: a short run of src/cage/launcher/fuzz.c under the compiler's
// sanitizers, and some of the kind through the launcher itself.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { uncaged } from "../../../src/cage/launch-plan.ts";
import { encodeLaunch } from "../../../src/cage/launch-spec.ts";

const SOURCE = join(import.meta.dir, "../../../src/cage/launcher");
const LAUNCHER = join(SOURCE, `launcher-${process.arch}`);
const FLAGS =
  "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Werror -Wno-unused-function";
const INPUTS = 200_000;

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "fuzz-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const compiler = Bun.which("gcc");
const sanitizes = compiler !== null && canSanitize(compiler);

function canSanitize(gcc: string): boolean {
  const source = Buffer.from("int main(void) { return 0; }");
  const options = ["-fsanitize=address,undefined", "-x", "c", "-", "-o", "/dev/null"];
  return (
    Bun.spawnSync([gcc, ...options], { stdin: source, stdout: "ignore", stderr: "ignore" }).exitCode === 0
  );
}

test.skipIf(!sanitizes)(
  `${INPUTS} inputs to the parser (skipped without gcc and its sanitizers)`,
  () => {
    const program = join(directory, "fuzz");
    const built = Bun.spawnSync([
      compiler ?? "gcc",
      ...FLAGS.split(" "),
      "-o",
      program,
      join(SOURCE, "fuzz.c"),
    ]);
    expect(built.stderr.toString()).toBe("");
    const seed = "20261123";
    const run = Bun.spawnSync([program, String(INPUTS), seed]);
    console.log(`seed ${seed}: ${run.stdout.toString().trim()}`);
    expect({ code: run.exitCode, err: run.stderr.toString() }).toEqual({ code: 0, err: "" });
    // Most are refused, and not all: otherwise what is behind the refusals was never tried.
    const [, taken = "0"] = /(\d+) taken/.exec(run.stdout.toString()) ?? [];
    expect(Number(taken)).toBeGreaterThan(INPUTS / 100);
    expect(Number(taken)).toBeLessThan(INPUTS / 2);
  },
  60_000,
);

/** Something valid of which one part is not. */
function spoiled(valid: Uint8Array, round: number): Uint8Array {
  const bytes = Uint8Array.from(valid);
  // The level, which is the first record: nothing runs, whatever the rest says.
  bytes[16] = 3 + (round % 250);
  if (round % 3 === 0) return bytes.subarray(0, round % bytes.length);
  for (let count = round % 5; count > 0; count--) {
    bytes[Math.floor((round * 7919 * count) % bytes.length)] = (round * 31 + count) % 256;
  }
  bytes[16] = 3 + (round % 250);
  return bytes;
}

/** The launcher and what it is told on descriptor 3, as bytes. */
async function told(bytes: Uint8Array): Promise<{ code: number; out: string; err: string; report: string }> {
  const child = Bun.spawn([LAUNCHER, String(process.pid)], {
    cwd: "/",
    env: {},
    stdio: ["ignore", "pipe", "pipe", "pipe", "pipe"],
  });
  const [orders, report] = [child.stdio[3], child.stdio[4]];
  if (typeof orders !== "number" || typeof report !== "number") throw new Error("no sockets");
  try {
    writeSync(orders, bytes);
  } catch {
    // It has heard enough.
  }
  closeSync(orders);
  const [code, out, err] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
  const words = readFileSync(report, "utf8");
  closeSync(report);
  return { code, out, err, report: words };
}

test("spoiled specifications to the launcher itself: each is refused in words, and nothing runs", async () => {
  const valid = encodeLaunch(
    uncaged({ launcher: LAUNCHER, argv: ["/bin/echo", "it ran"], env: { A: "b" }, cwd: "/" }),
  );
  expect(await told(valid)).toMatchObject({
    code: 0,
    out: "it ran\n",
    err: "",
    report: expect.stringMatching(/^inner \d+\n$/),
  });
  for (let round = 0; round < 150; round++) {
    const { code, out, err, report } = await told(spoiled(valid, round));
    expect({ round, code, out }).toEqual({ round, code: 125, out: "" });
    expect(err).toMatch(/^toolcrib-launcher: cannot read the specification: .*\n$/);
    expect(report).toBe(err.replace("toolcrib-launcher: ", "refused "));
  }
}, 60_000);

describe("a specification is refused that", () => {
  const number = (value: number): number[] => [...new Uint8Array(Uint32Array.of(value).buffer)];
  const text = (value: string): number[] => [...Buffer.from(`${value}\0`)];
  const record = (kind: number, ...body: number[]): number[] => [
    ...number(kind),
    ...number(body.length),
    ...body,
  ];
  const spec = (...records: number[][]): Uint8Array => {
    const rest = records.flat();
    return Uint8Array.from([...Buffer.from("TCL1"), ...number(rest.length), ...rest]);
  };
  const level = record(3, ...number(0));
  const argument = record(1, ...text("/bin/echo"));
  const cwd = record(4, ...text("/"));
  const identity = record(5, ...number(0), ...number(0), ...number(0));
  const network = record(11, ...number(0));
  const base = [level, argument, cwd, identity, network];
  const isolated = [
    record(3, ...number(2)),
    argument,
    cwd,
    record(5, ...number(1), ...number(9), ...number(9)),
    record(11, ...number(1)),
  ];
  const mount = record(17, ...text("/proc"));

  const table: readonly (readonly [string, Uint8Array, string])[] = [
    ["is empty", new Uint8Array(), "it ends too early"],
    ["has another magic", Uint8Array.from([...Buffer.from("TCL2"), 0, 0, 0, 0]), "it is none, or too long"],
    [
      "says that it is longer than 4 MiB",
      Uint8Array.from([...Buffer.from("TCL1"), ...number(4 * 1024 ** 2 + 1)]),
      "it is none, or too long",
    ],
    ["ends before it said", spec(...base).subarray(0, -1), "it ends too early"],
    ["has no records", spec(), "a record is missing"],
    [
      "has a record that goes beyond the end",
      spec(...base, [...number(2), ...number(9), 1]),
      "a record that is cut short",
    ],
    [
      "has a record of almost 4 GiB",
      spec(...base, [...number(2), ...number(0xffff_fff0)]),
      "a record that is cut short",
    ],
    ["has a kind that is unknown", spec(...base, record(22)), "a record of an unknown kind"],
    ["has kind 0", spec(...base, record(0)), "a record of an unknown kind"],
    ["has two levels", spec(...base, level), "too many records of one kind"],
    ["has no program", spec(level, cwd, identity, network), "a record is missing"],
    [
      "has a relative program",
      spec(level, record(1, ...text("echo")), cwd, identity, network),
      "not what its kind asks for",
    ],
    [
      "has a text without an end",
      spec(...base, record(2, ...Buffer.from("A=b"))),
      "not what its kind asks for",
    ],
    [
      "has two texts where one belongs",
      spec(...base, record(2, ...text("A=b"), ...text("C=d"))),
      "not what its kind asks for",
    ],
    ["has a variable without a name", spec(...base, record(2, ...text("=b"))), "not what its kind asks for"],
    ["has half an instruction", spec(...base, record(8, 1, 2, 3, 4)), "not what its kind asks for"],
    [
      "gives an identity without a cage",
      spec(level, argument, cwd, record(5, ...number(1), ...number(9), ...number(9)), network),
      "an identity without a cage",
    ],
    ["mounts without isolation", spec(...base, mount), "mounts belong to isolated"],
    ["isolates without mounts", spec(...isolated), "mounts belong to isolated"],
    [
      "isolates with the network of the host",
      spec(...isolated.slice(0, 4), network, mount),
      "the network is not that of the level",
    ],
    [
      "isolates as root",
      spec(
        ...isolated.slice(0, 3),
        record(5, ...number(1), ...number(0), ...number(0)),
        record(11, ...number(1)),
        mount,
      ),
      "not what its kind asks for",
    ],
    [
      "mounts above its root",
      spec(...isolated, record(17, ...text("/a/../../proc"))),
      "not what its kind asks for",
    ],
    ["mounts onto the root", spec(...isolated, record(17, ...text("/"))), "not what its kind asks for"],
    [
      "has a tmpfs without a bound",
      spec(...isolated, record(16, ...number(0), ...number(0), ...number(0o755), ...text("/tmp"))),
      "not what its kind asks for",
    ],
    [
      "has a bind with a flag that is unknown",
      spec(...isolated, record(15, ...number(4), ...text("/a"), ...text("/a"))),
      "not what its kind asks for",
    ],
  ];
  test.each(table)("%s", async (_, bytes, why) => {
    const { code, out, report } = await told(bytes);
    expect({ code, out }).toEqual({ code: 125, out: "" });
    expect(report).toStartWith("refused cannot read the specification: ");
    expect(report).toContain(why);
  });
});
