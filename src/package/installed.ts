// Reads what an installation left in a directory of the vault: which version came, with which hash, and which file is
// its program. Called by npm.ts for a fresh tree and for one that is there already.

import { readFile, readdir, stat } from "node:fs/promises";
import { join, normalize } from "node:path";
import * as v from "valibot";
import { AppError, systemErrorCode } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { printable, quoted } from "../model/printable.ts";
import type { PinnedPackage } from "../model/server-spec.ts";
import type { PackageSpec } from "./command-line.ts";

const MAX_JSON_BYTES = 16 * 1024 * 1024;
/** Names of programs listed in an error. */
const MAX_NAMES = 20;

const Lockfile = v.object({ packages: v.record(v.string(), v.array(v.unknown())) });
const Manifest = v.object({
  name: v.string(),
  version: v.string(),
  bin: v.optional(v.union([v.string(), v.record(v.string(), v.string())])),
});
type Manifest = v.InferOutput<typeof Manifest>;

/** Our own note in the package.json at the root of an installation. */
const Root = v.object({
  toolcrib: v.optional(v.object({ registry: v.optional(v.string()) }), {}),
  trustedDependencies: v.optional(v.array(v.string()), []),
});

export interface Locked {
  readonly version: string;
  /** Subresource integrity of the package's archive. */
  readonly integrity: string;
  /** Packages in the lockfile, those for other systems included. */
  readonly packages: number;
  /** The first 12 hex digits of the lockfile's SHA-256. */
  readonly hash: string;
}

/** @throws AppError `install-failed` when the registry gave no hash: such a package cannot be pinned. */
export async function readLock(directory: string, name: string): Promise<Locked> {
  const text = await readBounded(join(directory, "bun.lock"));
  const lock = v.parse(Lockfile, Bun.JSONC.parse(text));
  const entry = lock.packages[name] ?? [];
  const id = entry[0];
  const integrity = entry[3];
  if (typeof id !== "string" || !id.startsWith(`${name}@`))
    throw new Error(`bun.lock has no entry for ${name}`);
  if (typeof integrity !== "string" || integrity === "") {
    throw new AppError(
      "install-failed",
      `The registry gives no integrity hash for ${name}: it cannot be pinned.`,
    );
  }
  const hash = new Bun.CryptoHasher("sha256").update(text).digest("hex").slice(0, 12);
  return { version: id.slice(name.length + 1), integrity, packages: Object.keys(lock.packages).length, hash };
}

/** Where a package belongs, relative to the vault. */
export function vaultPath(name: string, version: string, hash: string): string {
  return join("npm", `${directoryPrefix(name, version)}${hash}`);
}

/**
 * The package in `<vault>/<directory>`, or, while it is made, in `at`.
 * @throws AppError `install-failed` when it has no program to run
 */
export async function readPinned(
  at: string,
  directory: string,
  name: string,
  bin: string | undefined,
): Promise<PinnedPackage> {
  const { version, integrity } = await readLock(at, name);
  const home = join("node_modules", name);
  const manifest = v.parse(Manifest, JSON.parse(await readBounded(join(at, home, "package.json"))));
  const target = chooseBin(manifest, bin);
  const entry = join(home, normalize(join("/", target)));
  if (!(await isFile(join(at, entry)))) {
    throw new AppError(
      "install-failed",
      `The package ${name}@${version} names ${quoted(target)} as its program, but does not contain that file.`,
    );
  }
  return { ecosystem: "npm", name, version, integrity, directory, entry };
}

/** An installation of exactly this version, asked of the same registry. Never asks the network. */
export async function findPinned(
  vaultDirectory: string,
  wanted: PackageSpec,
  bin: string | undefined,
  registry: string | undefined,
  scripts: readonly string[] = [],
): Promise<PinnedPackage | undefined> {
  const prefix = directoryPrefix(wanted.name, wanted.wanted);
  for (const found of await listVault(vaultDirectory)) {
    if (!found.startsWith(prefix) || !/^[0-9a-f]{12}$/.test(found.slice(prefix.length))) continue;
    const directory = join("npm", found);
    const at = join(vaultDirectory, directory);
    const root = await readRoot(at);
    const isSame = root.registry === registry && Bun.deepEquals(root.scripts, scripts);
    if (isSame) return readPinned(at, directory, wanted.name, bin);
  }
  return undefined;
}

/** How an installation was asked for. */
export async function readRoot(
  at: string,
): Promise<{ readonly registry: string | undefined; readonly scripts: readonly string[] }> {
  const root = v.parse(Root, JSON.parse(await readBounded(join(at, "package.json"))));
  return { registry: root.toolcrib.registry, scripts: root.trustedDependencies };
}

/**
 * The file, relative to the package, that is its program: the one asked for, the one named like the package, or the
 * only one. Follows npm's own choice (`npm exec`: one target under several names counts as one).
 */
export function chooseBin(manifest: Manifest, wanted: string | undefined): string {
  const own = unscoped(manifest.name);
  const bins = typeof manifest.bin === "string" ? { [own]: manifest.bin } : (manifest.bin ?? {});
  const names = Object.keys(bins);
  const title = `${manifest.name}@${manifest.version}`;
  if (names.length === 0) {
    throw new AppError(
      "install-failed",
      `The package ${title} is not a program: its package.json has no "bin". Is it a library? Name the package of the server.`,
    );
  }
  const list = names.slice(0, MAX_NAMES).map(quoted).join(", ");
  const asked =
    wanted === undefined ? undefined : (bins[wanted] ?? (wanted === manifest.name ? bins[own] : undefined));
  if (asked !== undefined) return asked;
  if (wanted !== undefined) {
    const near = nearest(wanted, names);
    const next = near === undefined ? `it has ${list}` : `did you mean ${quoted(near)}?`;
    throw new AppError("install-failed", `The package ${title} has no program ${quoted(wanted)}: ${next}`);
  }
  const [only, ...others] = new Set(Object.values(bins));
  const target = bins[own] ?? (others.length === 0 ? only : undefined);
  if (target !== undefined) return target;
  throw new AppError(
    "install-failed",
    `The package ${title} has several programs (${list}): say which, as in "npx -p ${manifest.name} ${printable(names[0] ?? "", 80)}".`,
  );
}

function unscoped(name: string): string {
  return name.split("/").at(-1) ?? name;
}

function directoryPrefix(name: string, version: string): string {
  return `${name.replaceAll("/", "+")}@${version}-`;
}

/** Newest name last; empty while nothing was installed. */
async function listVault(vaultDirectory: string): Promise<readonly string[]> {
  try {
    return (await readdir(join(vaultDirectory, "npm"))).toSorted();
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return [];
    throw thrown;
  }
}

async function readBounded(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > MAX_JSON_BYTES)
    throw new AppError("install-failed", `${quoted(path)} is too large: ${size} bytes.`);
  return readFile(path, "utf8");
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
