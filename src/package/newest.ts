// What the registries have for a command line at this moment: the version that `update` would install, or the newest
// one for a command line that names its version. Called by control/packages.ts.

import { AppError } from "../errors.ts";
import type { StdioSpec } from "../model/server-spec.ts";
import { isExactVersion, type NpmMeaning } from "./command-line.ts";
import type { PypiMeaning } from "./command-line-python.ts";
import { exactVersion } from "./pypi-requirement.ts";
import { needsInstall } from "./resolve.ts";

export interface Newest {
  /** As the command line asks for it. */
  readonly wanted: string;
  readonly version: string;
  /** Where it belongs in the vault. */
  readonly directory: string;
  /** The command line names one version: `version` is what it would get if it named none. */
  readonly isExact: boolean;
}

interface Resolution {
  readonly version: string;
  readonly directory: string;
}

/** How to ask: resolveNpm and resolvePypi, with the places of this appliance filled in. */
export interface Resolvers {
  npm(meaning: NpmMeaning): Promise<Resolution>;
  pypi(meaning: PypiMeaning): Promise<Resolution>;
}

/** @throws AppError `install-failed` when the registry cannot be asked; `usage` for what runs no package of one */
export async function findNewest(spec: StdioSpec, resolvers: Resolvers): Promise<Newest> {
  const meaning = needsInstall(spec);
  if (meaning === undefined) {
    throw new AppError(
      "usage",
      "It comes from no registry: only packages of npm and PyPI have newer versions.",
    );
  }
  const { wanted } = meaning.packageSpec;
  const isExact = meaning.kind === "npm" ? isExactVersion(wanted) : exactVersion(wanted) !== undefined;
  const packageSpec = isExact ? { ...meaning.packageSpec, wanted: "latest" } : meaning.packageSpec;
  const { version, directory } =
    meaning.kind === "npm"
      ? await resolvers.npm({ ...meaning, packageSpec })
      : await resolvers.pypi({ ...meaning, packageSpec });
  return { wanted, version, directory, isExact };
}
