// What uv resolved (a pylock.toml, PEP 751), reduced to what is pinned: names, versions and hashes, as a requirements
// file. The hash of its text is a part of the package's place in the vault. Pure. Called by pypi-steps.ts and pypi.ts.

import { join } from "node:path";
import * as v from "valibot";
import { AppError } from "../errors.ts";
import { printable } from "../model/printable.ts";
import { normalizeName } from "./pypi-requirement.ts";

/** More packages than this is not a server. */
const MAX_PACKAGES = 5_000;
const Sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const File = v.object({
  name: v.optional(v.string()),
  url: v.optional(v.string()),
  hashes: v.object({ sha256: Sha256 }),
});

// NB: names and versions come from an index and go into a file of options and requirements: no space, no line break.
const Pylock = v.object({
  packages: v.pipe(
    v.array(
      v.object({
        name: v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/)),
        version: v.optional(v.pipe(v.string(), v.regex(/^[0-9A-Za-z][0-9A-Za-z.!+_-]{0,99}$/))),
        wheels: v.optional(v.array(File), []),
        sdist: v.optional(File),
      }),
    ),
    v.maxLength(MAX_PACKAGES),
  ),
});

export interface LockedFile {
  /** Name of the archive; empty where the index does not tell. */
  readonly name: string;
  /** Hex. */
  readonly sha256: string;
}

export interface LockedPackage {
  /** Normalized. */
  readonly name: string;
  readonly version: string;
  /** The archives that fit this host, any of which may be installed. */
  readonly files: readonly LockedFile[];
}

export interface Lock {
  /** By name. */
  readonly packages: readonly LockedPackage[];
  /** Hosts that the archives come from, as addresses. */
  readonly addresses: readonly string[];
}

/** @throws AppError `install-failed` for a package that has no version or no hash: it cannot be pinned */
export function readLock(pylock: string): Lock {
  const { packages } = v.parse(Pylock, Bun.TOML.parse(pylock));
  const addresses = packages.flatMap(({ wheels, sdist }) => [
    ...wheels,
    ...(sdist === undefined ? [] : [sdist]),
  ]);
  return {
    packages: packages.map(readPackage).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    addresses: [...new Set(addresses.flatMap(({ url }) => URL.parse(url ?? "")?.origin ?? []))],
  };
}

/** The entry of a package, however its name is spelt. */
export function lockedPackage({ packages }: Lock, name: string): LockedPackage {
  const wanted = normalizeName(name);
  const own = packages.find((each) => each.name === wanted);
  if (own === undefined) throw new Error(`the lock has no entry for ${wanted}`);
  return own;
}

function readPackage(found: v.InferOutput<typeof Pylock>["packages"][number]): LockedPackage {
  const { name, version, wheels, sdist } = found;
  const files = wheels.length > 0 || sdist === undefined ? wheels : [sdist];
  if (version === undefined || files.length === 0) {
    throw new AppError(
      "install-failed",
      `The package ${printable(name)} has no archive in the index: it cannot be pinned.`,
    );
  }
  return { name: normalizeName(name), version, files: files.map(lockedFile).toSorted(bySha256) };
}

function lockedFile({ name, url, hashes }: v.InferOutput<typeof File>): LockedFile {
  const last =
    URL.parse(url ?? "")
      ?.pathname.split("/")
      .at(-1) ?? "";
  return { name: name ?? decodeURIComponentOr(last), sha256: hashes.sha256 };
}

function decodeURIComponentOr(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function bySha256(a: LockedFile, b: LockedFile): number {
  return a.sha256 < b.sha256 ? -1 : 1;
}

/** As `uv pip install --require-hashes` reads it: a line for each package. */
export function requirementsText({ packages }: Pick<Lock, "packages">): string {
  const lines = packages.map(({ name, version, files }) => {
    const hashes = files.map(({ sha256 }) => ` --hash=sha256:${sha256}`);
    return `${name}==${version}${hashes.join("")}\n`;
  });
  return lines.join("");
}

/**
 * Where a package belongs, relative to the vault: the same interpreter, versions and hashes mean the same place.
 * @param interpreter absolute path of the interpreter, which the installation leads to
 */
export function pypiPath(name: string, version: string, requirements: string, interpreter: string): string {
  const hash = new Bun.CryptoHasher("sha256").update(`${interpreter}\n${requirements}`).digest("hex");
  return join("pypi", `${directoryPrefix(name)}${version}-${hash.slice(0, 12)}`);
}

/** What the directories of all versions of a package begin with. */
export function directoryPrefix(name: string): string {
  return `${normalizeName(name)}@`;
}

/**
 * Subresource integrity of the archive that was installed, of those that fit.
 * @param wheelTags lines of the installed package's WHEEL file; several archives may have the same
 */
export function integrityOf(files: readonly LockedFile[], wheelTags: readonly string[]): string {
  const tags = new Set(wheelTags);
  const matching = files.filter(({ name }) => tagsOf(name).every((tag) => tags.has(tag)));
  const candidates = matching.length > 0 ? matching : files;
  return candidates.map(({ sha256 }) => `sha256-${Buffer.from(sha256, "hex").toString("base64")}`).join(" ");
}

/** `x-1.0-py2.py3-none-any.whl` → `py2-none-any`, `py3-none-any`; a source archive has none. */
function tagsOf(file: string): readonly string[] {
  if (!file.endsWith(".whl")) return ["source"];
  const [pythons, abis, platforms] = file
    .slice(0, -4)
    .split("-")
    .slice(-3)
    .map((part) => part.split("."));
  return (pythons ?? []).flatMap((python) =>
    (abis ?? []).flatMap((abi) => (platforms ?? []).map((platform) => `${python}-${abi}-${platform}`)),
  );
}
