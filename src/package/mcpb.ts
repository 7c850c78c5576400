// Takes an MCP bundle (.mcpb) into the vault: its hash is checked, it is unpacked with suspicion, made read-only and
// published in one step, like any other package. Runs nothing of it. Called by control/mcpb.ts.

import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError, systemErrorCode, toAppError } from "../errors.ts";
import { printable, quoted } from "../model/printable.ts";
import type { PinnedPackage } from "../model/server-spec.ts";
import { noSpace } from "./install-error.ts";
import { touchManifest } from "./manifest-file.ts";
import { MAX_MANIFEST_BYTES, type McpbManifest, parseMcpbManifest } from "./mcpb-manifest.ts";
import { mcpbPath } from "./mcpb-place.ts";
import { seal } from "./seal.ts";
import type { Spooled } from "./spool.ts";
import { makeStaging, publish, removeStaging } from "./staging.ts";
import { describeTree } from "./tree-scan.ts";
import { treeHash } from "./tree.ts";
import { unzip, type ZipLimits } from "./zip.ts";

export interface McpbInstall {
  /** Absolute. */
  readonly vaultDirectory: string;
  /** The bundle's file, whole. */
  readonly bundle: Spooled;
  /** SHA-256, hex, that it has to have. */
  readonly sha256: string | undefined;
  readonly signal: AbortSignal;
}

export interface InstalledMcpb {
  readonly pinned: PinnedPackage;
  readonly manifest: McpbManifest;
}

/** The largest bundles carry interpreters and models. */
const LIMITS: ZipLimits = { maxEntries: 100_000, maxBytes: 2 * 1024 ** 3, maxRatio: 100 };
const MANIFEST = "manifest.json";

/** @throws AppError `install-failed`, `bad-answer`, `usage`, `too-large`, `no-space`, `interrupted`; then nothing of it is left */
export async function installMcpb(request: McpbInstall): Promise<InstalledMcpb> {
  const { vaultDirectory, bundle, sha256, signal } = request;
  if (sha256 !== undefined && sha256.toLowerCase() !== bundle.sha256) {
    throw new AppError(
      "install-failed",
      `The bundle is not the one that was promised (its SHA-256 is ${bundle.sha256}): it was not installed.`,
    );
  }
  const staging = await makeStaging(vaultDirectory);
  try {
    await unzip(bundle.file, staging, LIMITS, signal);
    const manifest = await readManifestFile(staging);
    const entry = manifest.server.entry_point;
    await checkEntry(staging, manifest);
    await seal(staging, entry);
    const tree = treeHash(await describeTree(staging));
    const directory = mcpbPath(manifest.name, manifest.version, tree);
    const final = join(vaultDirectory, directory);
    await publish(staging, final);
    await touchManifest(final, Date.now());
    const { name, version } = manifest;
    const integrity = `sha256-${Buffer.from(bundle.sha256, "hex").toString("base64")}`;
    return { pinned: { ecosystem: "mcpb", name, version, integrity, directory, entry, tree }, manifest };
  } catch (thrown) {
    const known = toAppError(thrown);
    throw known.code === "no-space" ? noSpace(thrown) : known;
  } finally {
    await removeStaging(staging);
  }
}

/** Of a bundle in the vault. @throws AppError `usage` */
export async function readBundledManifest(
  vaultDirectory: string,
  pinned: PinnedPackage,
): Promise<McpbManifest> {
  return readManifestFile(join(vaultDirectory, pinned.directory));
}

async function readManifestFile(directory: string): Promise<McpbManifest> {
  const path = join(directory, MANIFEST);
  try {
    const { size } = await stat(path);
    if (size > MAX_MANIFEST_BYTES)
      throw new AppError("too-large", `The bundle's ${MANIFEST} has ${size} bytes.`);
    return parseMcpbManifest(await readFile(path, "utf8"));
  } catch (thrown) {
    if (systemErrorCode(thrown) !== "ENOENT") throw thrown;
    throw new AppError("usage", `The archive is no MCP bundle: it has no ${MANIFEST}.`, { cause: thrown });
  }
}

async function checkEntry(directory: string, { name, server }: McpbManifest): Promise<void> {
  const facts = await stat(join(directory, server.entry_point)).catch(() => undefined);
  if (facts?.isFile()) return;
  throw new AppError(
    "usage",
    `The bundle ${printable(name, 100)} names ${quoted(server.entry_point)} as its program, but does not contain that file.`,
  );
}
