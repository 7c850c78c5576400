// Writes that are on the disk when they return. Called by whatever puts something into the vault.

import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Makes what was added to and removed from a directory last. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** `path` has `text` and nothing else, or what it had before. */
export async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  // Of its own, because others may be at it at the same time.
  const making = `${path}.${crypto.randomUUID()}.new`;
  const file = await open(making, "wx", mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(making, path);
  await syncDirectory(dirname(path));
}
