// Writes packages of the vault into one archive, for a host that reaches no registry: what the bundle is, then each
// package's manifest and files. Called by control/bundles.ts, which has looked at the packages before.

import { createReadStream } from "node:fs";
import { join } from "node:path";
import { AppError } from "../errors.ts";
import { quoted } from "../model/printable.ts";
import { BUNDLE_FILE, type BundleHead, fileName, manifestName } from "./bundle-format.ts";
import { readManifest } from "./manifest-file.ts";
import { tarEnd, tarHeader, tarPadding } from "./tar.ts";
import { parseTree, type TreeEntry, treeHash } from "./tree.ts";

const PIECE_BYTES = 256 * 1024;

/**
 * The archive (tar, gzip) as a stream that makes no more than is read of it. It breaks off with an AppError when a
 * package is not what its manifest says.
 */
export function writeBundle(vaultDirectory: string, head: BundleHead): ReadableStream<Uint8Array> {
  const pieces = archive(vaultDirectory, head);
  const tar = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(new Uint8Array(value));
    },
    async cancel() {
      await pieces.return();
    },
  });
  return tar.pipeThrough(new CompressionStream("gzip"));
}

async function* archive(vaultDirectory: string, head: BundleHead): AsyncGenerator<Uint8Array, void> {
  yield* textFile(BUNDLE_FILE, `${JSON.stringify(head, undefined, 2)}\n`);
  for (const [at, pinned] of head.packages.entries()) {
    const directory = join(vaultDirectory, pinned.directory);
    const manifest = await readManifest(directory);
    if (manifest === undefined || treeHash(manifest) !== pinned.tree) throw changed(pinned.directory);
    yield* textFile(manifestName(at), manifest);
    for (const entry of parseTree(manifest, () => true)) {
      if (entry.kind === "file")
        yield* packageFile(fileName(at, entry.path), join(directory, entry.path), entry);
    }
  }
  yield tarEnd();
}

async function* textFile(path: string, text: string): AsyncGenerator<Uint8Array, void> {
  const content = new TextEncoder().encode(text);
  yield tarHeader({ path, bytes: content.length });
  yield content;
  yield tarPadding(content.length);
}

async function* packageFile(
  path: string,
  file: string,
  { bytes }: Extract<TreeEntry, { kind: "file" }>,
): AsyncGenerator<Uint8Array, void> {
  yield tarHeader({ path, bytes });
  let read = 0;
  if (bytes > 0) {
    for await (const piece of createReadStream(file, { highWaterMark: PIECE_BYTES, end: bytes - 1 })) {
      read += piece.length;
      yield piece;
    }
  }
  if (read !== bytes) throw changed(path);
  yield tarPadding(bytes);
}

function changed(what: string): AppError {
  return new AppError(
    "blocked",
    `${quoted(what)} in the vault is damaged: restart its server, which mends it, and try again.`,
  );
}
