// The probe in real cages: as this user, and as a plain user where this one is root. A cage that holds has nothing
// broken; no cage at all, judged as one, has everything named.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Evidence } from "../../../src/cage/evidence.ts";
import { type Finding, wordsOf } from "../../../src/cage/findings.ts";
import type { ProbeOutcome } from "../../../src/cage/probe.ts";
import type { CageReport } from "../../../src/model/cage-report.ts";

interface Tried {
  readonly probed: ProbeOutcome;
  readonly live: Evidence | undefined;
  readonly report: CageReport;
}

const SCRIPT = join(import.meta.dir, "try-cage.ts");
const PROBE = join(import.meta.dir, `../../../src/cage/probe/probe-${process.arch}`);
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

function succeeds(...command: readonly string[]): boolean {
  return Bun.spawnSync([...command], { stdio: ["ignore", "ignore", "ignore"] }).exitCode === 0;
}

const asNobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
const hasLandlock = Bun.spawnSync([PROBE, "landlock"]).stdout.toString().includes("\tok\t");

/** Who runs the appliance, and what this host lets them do. */
const USERS = [
  {
    name: isRoot ? "as root" : "as a plain user",
    prefix: [],
    runs: true,
    isolates: isRoot
      ? succeeds("unshare", "--mount", "--net", "true")
      : succeeds("unshare", "--user", "--map-current-user", "--mount", "true"),
  },
  {
    name: "as nobody",
    prefix: asNobody,
    // Skipped unless root runs this, and the files of this project can be read by all.
    runs: isRoot && succeeds(...asNobody, "test", "-r", SCRIPT, "-a", "-x", process.execPath),
    isolates: isRoot && succeeds(...asNobody, "unshare", "--user", "--map-current-user", "--mount", "true"),
  },
];

let directory = "";
beforeEach(() => {
  // NB: below /tmp, an isolated server has a /tmp of its own over everything.
  directory = mkdtempSync(join(isRoot ? "/var/lib" : tmpdir(), "toolcrib-test-"));
  chmodSync(directory, 0o711);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function tried(prefix: readonly string[], ...words: readonly string[]): Promise<Tried> {
  if (prefix.length > 0) chownSync(directory, NOBODY, NOBODY);
  const child = Bun.spawn([...prefix, process.execPath, SCRIPT, directory, ...words], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    cwd: "/",
  });
  const [text, code] = await Promise.all([child.stdout.text(), child.exited]);
  expect(code).toBe(0);
  return JSON.parse(text);
}

function broken({ probed, live }: Tried): readonly string[] {
  const all: readonly Finding[] = [...probed.findings, ...(live?.findings ?? [])];
  return wordsOf(all, "broken");
}

for (const { name, prefix, runs, isolates } of USERS) {
  describe.skipIf(!runs)(name, () => {
    // Skipped where the host has no namespaces for this user.
    test.skipIf(!isolates)(
      "an isolated cage holds",
      async () => {
        const all = await tried(prefix, "isolated");
        expect(broken(all)).toEqual([]);
        expect(wordsOf(all.probed.findings, "gap")).toEqual([]);
        expect(wordsOf(all.probed.findings, "amiss")).toEqual([]);
        expect(all.probed.findings.length).toBeGreaterThan(50);
        expect(all.live?.findings.length).toBeGreaterThanOrEqual(9);
        expect(all.report.level).toBe("isolated");
      },
      60_000,
    );

    // Skipped where the kernel has no Landlock.
    test.skipIf(!hasLandlock)(
      "a confined cage holds, and its gaps are told",
      async () => {
        const all = await tried(prefix, "confined");
        expect(broken(all)).toEqual([]);
        expect(wordsOf(all.probed.findings, "amiss")).toEqual([]);
        expect(wordsOf(all.probed.findings, "gap")).toContain(
          "sees the processes of the host and their arguments",
        );
        expect(all.report.level).toBe("confined");
      },
      60_000,
    );

    test.skipIf(!hasLandlock)(
      "a confined cage with a proxy holds, and its gaps are told",
      async () => {
        const all = await tried(prefix, "proxied");
        expect(broken(all)).toEqual([]);
        const network = all.report.axes.find(({ axis }) => axis === "network");
        expect(network?.enforced).toBe("partial");
        expect(network?.missing).toContain("any host on port 41873");
        expect(all.report.level).toBe("confined");
      },
      60_000,
    );

    test("no cage, judged as an isolated one, has its holes named", async () => {
      const all = await tried(prefix, "off", "isolated");
      const words = broken(all);
      expect(words.length).toBeGreaterThan(30);
      for (const hole of [
        "It could read the appliance's database.",
        "It could write to the appliance's database.",
        "It could see another server's files.",
        "It could put something into the vault.",
        "It could send signals to the appliance.",
        "It could read the environment of the appliance.",
        "It could reach the appliance's own port.",
        "It could reach the socket of the administrators.",
        "It shares the pid namespace with the appliance.",
        "It shares the network namespace with the appliance.",
        "It runs without a filter of system calls.",
      ]) {
        expect(words).toContain(hole);
      }
      expect(all.report.level).toBe("off");
    }, 60_000);

    test.skipIf(!hasLandlock)(
      "a confined cage, judged as an isolated one, is less",
      async () => {
        const all = await tried(prefix, "confined", "isolated");
        expect(broken(all)).toContain("It shares the net namespace with the appliance.");
        expect(broken(all)).not.toContain("It could read the appliance's database.");
        expect(all.report.level).toBe("off");
      },
      60_000,
    );
  });
}
