// Takes a bundle from elsewhere into the vault, as a stream: every path, size and hash is checked, and nothing is in
// its place before all of it is right. No network is used. Called by control/bundles.ts.

import { createWriteStream, existsSync } from "node:fs";
import { mkdir, readFile, statfs, symlink } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import * as v from "valibot";
import { AppError, systemErrorCode, toAppError } from "../errors.ts";
import { printable, quoted } from "../model/printable.ts";
import type { PinnedPackage } from "../model/server-spec.ts";
import { BUNDLE_FILE, BundleHead, fileName, manifestName, MAX_HEAD_BYTES } from "./bundle-format.ts";
import { ByteReader } from "./byte-reader.ts";
import { noSpace } from "./install-error.ts";
import { readLock, vaultPath } from "./installed.ts";
import { keepManifest, touchManifest } from "./manifest-file.ts";
import { mcpbPath } from "./mcpb-place.ts";
import { pypiPath } from "./pypi-lock.ts";
import { PYTHON, REQUIREMENTS } from "./pypi-venv.ts";
import { seal } from "./seal.ts";
import { makeStaging, publish, removeStaging } from "./staging.ts";
import { readTarHeader, skipPadding } from "./tar.ts";
import { describeTree } from "./tree-scan.ts";
import { parseTree, treeBytes, type TreeEntry, treeHash } from "./tree.ts";

const MAX_MANIFEST_BYTES = 64 * 1_048_576;

export interface LoadOptions {
  /** Absolute. */
  readonly vaultDirectory: string;
  /** The archive, as `toolcrib bundle` wrote it. */
  readonly archive: ReadableStream<Uint8Array>;
  /** Of all packages together, unpacked. */
  readonly maxBytes: number;
  readonly platform: BundleHead["platform"];
  /** True where this host has this interpreter, in this version or one that is as good. */
  readonly hasPython: (path: string, version: string) => Promise<boolean>;
  readonly signal: AbortSignal;
}

export interface LoadedBundle {
  readonly head: BundleHead;
  /** Directories of the vault that are new. */
  readonly placed: readonly string[];
}

/** A package that was unpacked and checked, and waits for all others. */
interface Waiting {
  readonly pinned: PinnedPackage;
  readonly staging: string;
}

/**
 * @throws AppError `bad-answer` for an archive that is damaged, hostile or of another format; `too-large`, `no-space`,
 * `conflict` for one of another platform, `interrupted`: then nothing of it is in the vault
 */
export async function loadBundle(options: LoadOptions): Promise<LoadedBundle> {
  const { vaultDirectory, signal } = options;
  const reader = new ByteReader(gunzip(options.archive, signal));
  const waiting: Waiting[] = [];
  try {
    const head = await readHead(reader, options);
    let left = options.maxBytes;
    for (const [at, pinned] of head.packages.entries()) {
      const staging = await makeStaging(vaultDirectory);
      waiting.push({ pinned, staging });
      left -= await unpack(reader, at, pinned, staging, left, options);
    }
    if ((await readTarHeader(reader)) !== undefined) throw unexpected();
    if (signal.aborted) throw interrupted();
    return { head, placed: await place(vaultDirectory, waiting) };
  } catch (thrown) {
    throw asLoadError(thrown, signal);
  } finally {
    await reader.cancel();
    for (const { staging } of waiting) await removeStaging(staging);
  }
}

/** NB: zlib's own stream makes no more than is read of it, whatever a few bytes may claim to unfold to. */
async function* gunzip(archive: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const unpacked = createGunzip();
  const packed = pipeline(archive, unpacked, { signal });
  // What is wrong with it is thrown by the stream that is read.
  packed.catch(() => undefined);
  for await (const chunk of unpacked) yield chunk;
  await packed;
}

async function readHead(reader: ByteReader, { platform, vaultDirectory }: LoadOptions): Promise<BundleHead> {
  const text = await readText(reader, BUNDLE_FILE, MAX_HEAD_BYTES);
  const head = v.safeParse(v.pipe(v.string(), v.parseJson(), BundleHead), text);
  if (!head.success) {
    const where = v.getDotPath(head.issues[0]);
    throw new AppError(
      "bad-answer",
      `The bundle's own description cannot be understood${where === null ? "" : ` at ${printable(where, 100)}`}: ` +
        "it was written by another version of Toolcrib, or by something else.",
    );
  }
  const { os, arch } = head.output.platform;
  if (os !== platform.os || arch !== platform.arch) {
    throw new AppError(
      "conflict",
      `The bundle is for ${printable(`${os} on ${arch}`, 80)}, and this host is ${platform.os} on ${platform.arch}: ` +
        "make it on a host like this one.",
    );
  }
  await mkdir(vaultDirectory, { recursive: true, mode: 0o700 });
  return head.output;
}

/** Returns the bytes that it takes. */
async function unpack(
  reader: ByteReader,
  at: number,
  pinned: PinnedPackage,
  staging: string,
  maxBytes: number,
  options: LoadOptions,
): Promise<number> {
  const manifest = await readText(reader, manifestName(at), MAX_MANIFEST_BYTES);
  if (treeHash(manifest) !== pinned.tree) throw mismatch(pinned, "its list of files is another one");
  const entries = parseTree(manifest, (path) => isInterpreter(pinned, path));
  const bytes = treeBytes(entries);
  if (bytes > maxBytes) {
    throw new AppError(
      "too-large",
      `The bundle's packages have more than ${options.maxBytes} bytes: raise vault_max_bytes.`,
    );
  }
  const { bavail, bsize } = await statfs(staging);
  if (bytes > bavail * bsize) throw noSpace();
  if (!entries.some(({ path }) => path === pinned.entry)) throw mismatch(pinned, "its program is not in it");
  for (const entry of entries) await makeEntry(reader, at, entry, staging);
  await finish(pinned, staging, entries, options);
  if ((await describeTree(staging)) !== manifest)
    throw mismatch(pinned, "a file of it has another content or mode");
  const directory = await placeOf(pinned, staging, entries).catch(() => undefined);
  if (directory !== pinned.directory) throw mismatch(pinned, "its place in the vault is another one");
  return bytes;
}

/** NB: paths come from the manifest, which was checked; the archive's own may only agree. */
async function makeEntry(reader: ByteReader, at: number, entry: TreeEntry, staging: string): Promise<void> {
  const path = join(staging, entry.path);
  if (entry.kind === "directory") await mkdir(path);
  if (entry.kind === "link" && !entry.target.startsWith("/")) await symlink(entry.target, path);
  if (entry.kind !== "file") return;
  const found = await readTarHeader(reader);
  if (found?.path !== fileName(at, entry.path) || found.bytes !== entry.bytes) throw unexpected();
  const mode = (entry.mode & 0o111) === 0 ? 0o644 : 0o755;
  await pipeline(reader.pieces(entry.bytes), createWriteStream(path, { flags: "wx", mode }));
  await skipPadding(reader, entry.bytes);
}

/** Read-only, without a link that leads out, on disk; the one link that may lead out comes last. */
async function finish(
  pinned: PinnedPackage,
  staging: string,
  entries: readonly TreeEntry[],
  { hasPython }: LoadOptions,
): Promise<void> {
  const interpreter = entries.find(({ path }) => isInterpreter(pinned, path));
  await seal(staging, pinned.ecosystem === "pypi" ? undefined : pinned.entry);
  if (pinned.ecosystem !== "pypi" || interpreter?.kind !== "link") return;
  if (!(await hasPython(interpreter.target, pinned.python))) {
    throw new AppError(
      "conflict",
      `The package ${printable(pinned.name, 200)} needs Python ${printable(pinned.python, 40)} as ` +
        `${quoted(interpreter.target)}, which this host does not have: install it there first.`,
    );
  }
  await symlink(interpreter.target, join(staging, interpreter.path));
}

function isInterpreter({ ecosystem }: PinnedPackage, path: string): boolean {
  return ecosystem === "pypi" && path === PYTHON;
}

/**
 * Where the package belongs, by its own lockfile: a bundle cannot put one package under another one's name. Rejects
 * where it has none.
 */
async function placeOf(
  pinned: PinnedPackage,
  staging: string,
  entries: readonly TreeEntry[],
): Promise<string> {
  const { name, version, tree = "" } = pinned;
  if (pinned.ecosystem === "npm") {
    const lock = await readLock(staging, name);
    const isSame = lock.integrity === pinned.integrity && lock.version === version;
    return isSame ? vaultPath(name, version, lock.hash) : "";
  }
  if (pinned.ecosystem === "mcpb") return mcpbPath(name, version, tree);
  const interpreter = entries.find(({ path }) => isInterpreter(pinned, path));
  const target = interpreter?.kind === "link" ? interpreter.target : "";
  return pypiPath(name, version, await readFile(join(staging, REQUIREMENTS), "utf8"), target);
}

async function place(vaultDirectory: string, waiting: readonly Waiting[]): Promise<readonly string[]> {
  const isThere = ({ pinned }: Waiting): boolean => existsSync(join(vaultDirectory, pinned.directory));
  for (const { pinned } of waiting.filter(isThere)) {
    if ((await keepManifest(join(vaultDirectory, pinned.directory))) === pinned.tree) continue;
    throw mismatch(pinned, "the vault has another one in its place");
  }
  const placed = waiting.filter((each) => !isThere(each));
  for (const { pinned, staging } of placed) await publish(staging, join(vaultDirectory, pinned.directory));
  for (const { pinned } of waiting) await touchManifest(join(vaultDirectory, pinned.directory), Date.now());
  return placed.map(({ pinned }) => pinned.directory);
}

async function readText(reader: ByteReader, path: string, maxBytes: number): Promise<string> {
  const found = await readTarHeader(reader);
  if (found?.path !== path) throw unexpected();
  if (found.bytes > maxBytes)
    throw new AppError("too-large", `${path} in the bundle has more than ${maxBytes} bytes.`);
  const content = await reader.take(found.bytes);
  await skipPadding(reader, found.bytes);
  return new TextDecoder("utf-8", { fatal: true }).decode(content);
}

function asLoadError(thrown: unknown, signal: AbortSignal): AppError {
  if (signal.aborted) return interrupted();
  const known = toAppError(thrown);
  if (known.code === "no-space") return noSpace(thrown);
  if (thrown instanceof AppError) return thrown;
  const code = systemErrorCode(thrown);
  if (code?.startsWith("E")) return known;
  // Of the decompressor, of a decoder, of a lockfile's parser: what came is not what was written.
  return new AppError("bad-answer", unexpected().message, { cause: thrown });
}

function mismatch({ name, version }: PinnedPackage, what: string): AppError {
  const title = printable(`${name}@${version}`, 200);
  return new AppError(
    "bad-answer",
    `The package ${title} of the bundle is not what the bundle says: ${what}.`,
  );
}

function unexpected(): AppError {
  return new AppError("bad-answer", "The archive is not one that `toolcrib bundle` wrote, or it is damaged.");
}

function interrupted(): AppError {
  return new AppError("interrupted", "Loading the bundle was interrupted: nothing of it is left.");
}
