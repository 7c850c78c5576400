// A directory with something for a caged server to get at: what is its own, what it was granted, and what is none of its
// business. One for each user, who owns it.

import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installLauncher } from "../../../src/cage/launcher.ts";
import type { User } from "./attempts.ts";
import type { Place } from "./plans.ts";

export interface Scene extends Place {
  readonly root: string;
  /** Granted for reading; anybody may write as far as its mode goes. Holds `file` and the directory `below`. */
  readonly readable: string;
  /** Not granted, and everybody's as far as its mode goes. */
  readonly secret: string;
  close(): void;
}

/** @param owner of its own directory, where it is not the user */
export async function openScene({ uid }: User, owner = uid): Promise<Scene> {
  const root = mkdtempSync(join(tmpdir(), "cage-scene-"));
  const launcher = await installLauncher(join(root, "launcher"));
  const [work, readable, secret] = ["work", "readable", "secret"].map((name) => join(root, name));
  if (work === undefined || readable === undefined || secret === undefined) throw new Error("no names");
  for (const directory of [work, readable, join(readable, "below")]) mkdirSync(directory);
  writeFileSync(secret, "secret\n");
  writeFileSync(join(readable, "file"), "granted\n");
  for (const path of [secret, readable, join(readable, "file")]) chmodSync(path, 0o777);
  for (const path of [root, join(root, "launcher")]) chmodSync(path, 0o755);
  if (process.getuid?.() === 0) {
    chownSync(work, owner, owner);
    chownSync(readable, uid, uid);
  }
  return {
    root,
    launcher,
    work,
    readable,
    secret,
    close: () => rmSync(root, { recursive: true, force: true }),
  };
}
