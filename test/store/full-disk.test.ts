import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A small file system in a mount namespace of the child: it is gone with the child. */
const MOUNT = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"';
const mayMount = Bun.spawnSync([
  "unshare",
  "--user",
  "--map-root-user",
  "--mount",
  "sh",
  "-c",
  MOUNT,
  tmpdir(),
  "true",
]).success;

test.skipIf(!mayMount)(
  `a full disk${mayMount ? "" : " (skipped: no small file system can be mounted here)"}`,
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "full-"));
    try {
      const command = [process.execPath, join(import.meta.dir, "full-disk.ts"), directory];
      const child = Bun.spawn(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, directory, ...command],
        {
          stdout: "pipe",
          stderr: "inherit",
        },
      );
      const seen = JSON.parse(await child.stdout.text());
      const path = join(directory, "toolcrib.db");

      expect(seen.create).toBe(
        `no-space: The disk is full and nothing was saved: free some space for ${path}, then try again.`,
      );
      expect(seen.lock).toStartWith("no-space: ");
      expect(seen.restart).toStartWith("no-space: ");
      expect(seen.afterCreate).toEqual([]);
      expect(seen.write).toStartWith("no-space: ");
      expect(seen.atFull).toBeGreaterThanOrEqual(10);
      expect(seen.whileFull).toEqual([seen.atFull, seen.atFull]);
      expect(seen.acknowledged).toBe(seen.atFull + 1);
      expect(seen.afterRoom).toEqual([seen.acknowledged, seen.acknowledged]);
      expect(seen.afterRestart).toEqual(seen.afterRoom);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);
