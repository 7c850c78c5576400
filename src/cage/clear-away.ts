// Takes away a directory that a server has written to, while others are served. Called when the session is over that it
// was for, and for what an appliance that was killed left of that.
//
// NB: not `rm` of the runtime, which takes quadratic time for a tree that is deep (Bun 1.4.5): a server could stop the
// appliance for hours. Here each directory is lifted to the top before it is looked into, so that no path gets long,
// and names are bytes, since a server's need not be text.

import { existsSync, mkdtempSync, readdirSync, renameSync } from "node:fs";
import { chmod, readdir, rename, rmdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { systemErrorCode } from "../errors.ts";

/** NB: a dot is in no server's name. */
const CLEARED = ".cleared-";

/** It is gone from its place at once; resolves when its files are, too. Nothing of it may run any more. */
export async function clearAway(directory: string): Promise<void> {
  if (!existsSync(directory)) return;
  const cleared = mkdtempSync(join(dirname(directory), CLEARED));
  renameSync(directory, join(cleared, "0"));
  await empty(cleared);
}

/** What `clearAway` could not end in this directory. */
export async function clearLeftovers(parent: string): Promise<void> {
  const left = readdirSync(parent).filter((name) => name.startsWith(CLEARED));
  for (const name of left) await empty(join(parent, name));
}

/** `top` is closed to all servers; what lies in it is theirs. */
async function empty(top: string): Promise<void> {
  // Beside names that an earlier run gave.
  const run = crypto.randomUUID();
  let lifted = 0;
  const lift = async (path: Buffer): Promise<Buffer> => {
    const to = Buffer.from(join(top, `${run}-${++lifted}`));
    // To move a directory takes the right to write to it.
    await chmod(path, 0o700);
    await rename(path, to);
    return to;
  };
  const root = Buffer.from(top);
  const waiting: Buffer[] = [root];
  for (let each = waiting.pop(); each !== undefined; each = waiting.pop()) {
    for (const name of await readdir(each, { encoding: "buffer" })) {
      const path = Buffer.concat([each, Buffer.from("/"), name]);
      if (!(await isUnlinked(path))) waiting.push(await lift(path));
    }
    if (each !== root) await rmdir(each);
  }
  await rmdir(top);
}

/** False for a directory. */
async function isUnlinked(path: Buffer): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (thrown) {
    if (systemErrorCode(thrown) === "EISDIR") return false;
    throw thrown;
  }
}
