// kill -9 in the middle of writing: what was acknowledged is there, and nothing of what was half done.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { place } from "./fixture.ts";

const ROUNDS = 20;
/** More than any round lets it write: a writer that is not killed ends all the same. */
const MAX_WRITES = 5000;

test(`${ROUNDS} times`, async () => {
  using at = place();
  let known = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const last = await writeUntilKilled(at.path, round * 3);
    expect(last).toBeGreaterThanOrEqual(known);

    // Opening it proves as well that the lock died with the writer.
    const store = at.open();
    const names = store.listServers().map(({ name }) => name);
    // One more than acknowledged may be on the disk: killed between the write and the word.
    expect(names.length - (last + 1)).toBeOneOf([0, 1]);
    expect(names).toEqual(names.map((_, index) => `s${String(index).padStart(5, "0")}`));
    expect(store.listTokens().map(({ name }) => name)).toEqual(names);
    expect([...store.loadOffers().keys()].toSorted()).toEqual(names);
    expect(at.sql("SELECT revision, subject FROM changes ORDER BY revision")).toEqual(
      names.map((subject, index) => ({ revision: index + 1, subject })),
    );
    store.close();
    known = names.length;
  }
}, 60_000);

/** Kills the writer as soon as it has acknowledged `changes` and one; the last number that it acknowledged. */
async function writeUntilKilled(path: string, changes: number): Promise<number> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "writer.ts"), path, String(MAX_WRITES)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  let text = "";
  try {
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.split("\n").length > changes + 2) child.kill("SIGKILL");
    }
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
  const lines = text.split("\n").slice(0, -1);
  expect(lines[0]).toBe("open");
  expect(child.signalCode).toBe("SIGKILL");
  return Number(lines.at(-1));
}
