// The identity of how a server runs: equal hashes mean that a running process is left alone.

import type { PinnedPackage, ServerSpec } from "./server-spec.ts";

/**
 * SHA-256, hex, over everything that decides how the server runs. The order of keys decides nothing, and neither do
 * `extra` keys, which are only kept.
 */
export function specHash(spec: ServerSpec, pinned: PinnedPackage | undefined): string {
  const { extra: _, ...decisive } = spec;
  return new Bun.CryptoHasher("sha256")
    .update(canonical({ spec: decisive, package: pinned ?? null }))
    .digest("hex");
}

/** JSON with sorted keys. The depth is bounded by the schema of a specification. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}
