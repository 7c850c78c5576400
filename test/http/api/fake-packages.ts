// The parts of an Admin that have to do with packages, for fakes that nobody asks for them.

import type { BundleAdmin } from "../../../src/control/bundles.ts";
import type { McpbAdmin } from "../../../src/control/mcpb.ts";
import type { PackageAdmin } from "../../../src/control/packages.ts";

function nobody(): never {
  throw new Error("this fake has no packages");
}

export const NO_PACKAGES: {
  readonly packages: PackageAdmin;
  readonly bundles: BundleAdmin;
  readonly mcpb: McpbAdmin;
} = {
  packages: { check: nobody, prepare: nobody, switch: nobody, rollback: nobody, vault: nobody },
  bundles: { write: nobody, load: nobody },
  mcpb: { take: nobody, fetch: nobody, plan: nobody },
};
