// What this program was made from: the build sets the constants (scripts/build.ts), a run from source has none.

import manifest from "../package.json" with { type: "json" };

declare const TOOLCRIB_VERSION: string | undefined;
declare const TOOLCRIB_COMMIT: string | undefined;
declare const TOOLCRIB_FLAGS: string | undefined;

export interface BuildInfo {
  readonly version: string;
  /** `source` for a run that was not built. */
  readonly commit: string;
  /** Version of Bun, which is inside. */
  readonly bun: string;
  /** As `bun build --target` names it. */
  readonly target: string;
  /** Options of the build that decide how the program behaves. */
  readonly flags: readonly string[];
}

export const BUILD: BuildInfo = {
  version: typeof TOOLCRIB_VERSION === "string" ? TOOLCRIB_VERSION : manifest.version,
  commit: typeof TOOLCRIB_COMMIT === "string" ? TOOLCRIB_COMMIT : "source",
  bun: Bun.version,
  target: `bun-${process.platform}-${process.arch}`,
  flags: typeof TOOLCRIB_FLAGS === "string" ? TOOLCRIB_FLAGS.split(" ") : [],
};
