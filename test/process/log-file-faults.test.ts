// The log file of a server when its writer is killed, again and again, and when the disk is full.

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

setDefaultTimeout(60_000);

const WRITER = join(import.meta.dir, "log-writer.ts");
const MOUNTS = ["unshare", "-Urm", "--propagation", "private"];
const canMount = Bun.spawnSync([...MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt"], {
  stderr: "ignore",
}).success;
const LINE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z line (\d{9})$/;

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "log-faults-"));
  directories.push(directory);
  return directory;
}

/** The numbers of the lines of one writer, of which none may be missing. */
function expectNoGap(numbers: readonly number[]): void {
  const gap = numbers.findIndex((number, index) => index > 0 && number !== (numbers[index - 1] ?? 0) + 1);
  expect(gap).toBe(-1);
}

function numbersIn(lines: readonly string[]): readonly number[] {
  return lines.flatMap((line) => {
    const digits = LINE.exec(line)?.[1];
    return digits === undefined ? [] : [Number(digits)];
  });
}

test("kill -9 at any moment: whole lines, in order, none of those that were written lost", async () => {
  const directory = temporary();
  const path = join(directory, "files.log");
  for (let round = 0; round < 8; round++) {
    const writer = Bun.spawn([process.execPath, WRITER, path], { stdout: "pipe", stderr: "inherit" });
    const text = new TextDecoder();
    let written = 0;
    for await (const chunk of writer.stdout) {
      written = Number(text.decode(chunk).trim().split("\n").at(-1));
      // Some rotations later, at a place that differs from round to round.
      if (written > 600 + round * 37) break;
    }
    writer.kill("SIGKILL");
    await writer.exited;

    const files = readdirSync(directory).toSorted().toReversed();
    expect(files.length).toBeLessThanOrEqual(5);
    const lines = files.flatMap((name) => readFileSync(join(directory, name), "utf8").split("\n"));
    // At most the one that a kill of each round left.
    expect(lines.filter((line) => line !== "" && !LINE.test(line)).length).toBeLessThanOrEqual(round + 1);
    const numbers = numbersIn(lines);
    // Each writer begins with 1, unless that is gone by now.
    const ofThisRound = numbers.slice(Math.max(0, numbers.lastIndexOf(1)));
    expect(ofThisRound.at(-1)).toBeGreaterThanOrEqual(written);
    expectNoGap(ofThisRound);
  }
});

test.skipIf(!canMount)(
  // Skipped where nobody may mount a small file system of his own.
  "a full disk: told once, bounded, and it goes on when there is space",
  async () => {
    const directory = temporary();
    const script = `
      mount -t tmpfs -o size=256k none ${directory} || exit 1
      head -c 150000 /dev/zero > ${directory}/filler
      ${process.execPath} ${WRITER} ${directory}/files.log ${directory}/filler
      echo "=== $?"; cat ${directory}/files.log`;
    const ran = Bun.spawnSync([...MOUNTS, "sh", "-c", script], { stderr: "inherit" }).stdout.toString();
    const [said = "", log = ""] = ran.split("=== 0\n");
    expect(said.match(/TROUBLE .*ENOSPC/g)).toHaveLength(1);
    // 100,000 lines of 40 bytes came while nothing could be written.
    expect(Number(/GREW (-?\d+)/.exec(said)?.[1])).toBeLessThan(32 * 1024 ** 2);
    expect(said.endsWith("END\n")).toBe(true);
    const lines = log.split("\n").slice(0, -1);
    const others = lines.filter((line) => !LINE.test(line)).map((line) => line.slice(25));
    expect(others).toEqual([expect.stringMatching(/^\[toolcrib\] dropped \d+ lines$/), "the last line"]);
    expectNoGap(numbersIn(lines));
  },
);
