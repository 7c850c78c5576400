// The broker inside of a compiled executable, built as the appliance is: TLS over a socket that was read already, and the
// library that writes certificates, behave there as they do here. Prints what fifty of them cost that wait.

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { SECRET } from "./broker-lab.ts";

const Report = v.object({ answer: v.string(), authorities: v.number(), bytesEach: v.number() });

const root = join(import.meta.dir, "../../..");
const MEBIBYTE = 1024 ** 2;

test("works compiled, and one that waits costs little", () => {
  const directory = mkdtempSync(join(tmpdir(), "toolcrib-broker-compiled-"));
  try {
    const program = join(directory, "program");
    const entry = join(import.meta.dir, "broker-program.ts");
    const built = Bun.spawnSync([process.execPath, join(root, "scripts/build.ts"), entry, program], {
      cwd: root,
    });
    expect(built.stderr.toString()).not.toContain("error");
    expect(built.exitCode).toBe(0);

    const ran = Bun.spawnSync([program], { cwd: directory, env: {}, timeout: 30_000 });
    expect(ran.stderr.toString()).toBe("");
    const { answer, authorities, bytesEach } = v.parse(Report, JSON.parse(ran.stdout.toString()));
    expect(answer).toContain(`\r\nAuthorization: Bearer ${"*".repeat(SECRET.length)}\r\n`);
    expect(answer).not.toContain(SECRET);
    expect(authorities).toBe(50);
    console.log(`a broker that waits: ${(bytesEach / 1024).toFixed(0)} KiB`);
    expect(bytesEach).toBeLessThan(MEBIBYTE);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}, 60_000);
