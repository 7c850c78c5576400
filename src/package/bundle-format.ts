// What a bundle says of itself before its packages come: the first file of the archive. Called by bundle-write.ts and
// bundle-load.ts.

import * as v from "valibot";
import { PinnedPackage, ServerName, StdioSpec } from "../model/server-spec.ts";
import { isVaultPlace } from "./adopt.ts";

export const BUNDLE_FILE = "toolcrib-bundle.json";
export const MAX_HEAD_BYTES = 4 * 1_048_576;
const MAX_ENTRIES = 500;

const Pinned = v.pipe(PinnedPackage, v.check(isVaultPlace, "is no package of a vault"));

const Names = v.pipe(v.array(v.string()), v.maxLength(256));

export const BundledServer = v.strictObject({
  name: ServerName,
  /** Without the values of variables and brokered secrets. */
  spec: StdioSpec,
  /** The place of its package in `packages`. */
  package: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** What was left out because it may be a secret. */
  missing: v.strictObject({ env: Names, broker: Names }),
});
export type BundledServer = v.InferOutput<typeof BundledServer>;

export const BundleHead = v.pipe(
  v.strictObject({
    format: v.literal("toolcrib bundle 1"),
    madeAt: v.string(),
    /** Version of the program that wrote it. */
    madeBy: v.string(),
    /** Packages may hold programs that run nowhere else. */
    platform: v.strictObject({ os: v.string(), arch: v.string() }),
    servers: v.pipe(v.array(BundledServer), v.minLength(1), v.maxLength(MAX_ENTRIES)),
    packages: v.pipe(v.array(Pinned), v.minLength(1), v.maxLength(MAX_ENTRIES)),
  }),
  v.check(
    ({ servers, packages }) => servers.every((server) => server.package < packages.length),
    "a server names a package that is not there",
  ),
  v.check(
    ({ packages }) => new Set(packages.map(({ directory }) => directory)).size === packages.length,
    "two packages have one place",
  ),
);
export type BundleHead = v.InferOutput<typeof BundleHead>;

/** Name of the manifest of a package in the archive. */
export function manifestName(at: number): string {
  return `packages/${at}.tree`;
}

/** Name of a file of a package in the archive. */
export function fileName(at: number, path: string): string {
  return `packages/${at}/${path}`;
}
