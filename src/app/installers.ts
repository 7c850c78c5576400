// How packages come into the vault of this appliance: which registry with which settings, in whose environment, made
// again when they are damaged. Made once by app.ts; called by `add`, by updates and before each start.

import type { PinnedPackage, StdioSpec } from "../model/server-spec.ts";
import { AppError } from "../errors.ts";
import type { StartStep } from "../package/installer-child.ts";
import type { InstallProgress } from "../package/launch-command.ts";
import { findNewest, type Newest } from "../package/newest.ts";
import { installNpm, resolveNpm } from "../package/npm.ts";
import { reinstallNpm } from "../package/npm-again.ts";
import { findNpmSettings } from "../package/npm-settings.ts";
import { installPypi, resolvePypi } from "../package/pypi.ts";
import { reinstallPypi } from "../package/pypi-again.ts";
import { needsInstall } from "../package/resolve.ts";
import type { Reinstall } from "../package/vault.ts";
import type { Paths } from "../paths.ts";

export interface InstallersOptions {
  readonly paths: Paths;
  /** The appliance's own environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly launcher: string;
  /** What starts each child of an installation; without one it has all rights of the appliance. */
  readonly start?: StartStep | undefined;
  /** Aborted when the appliance stops. */
  readonly stopping: AbortSignal;
}

export interface Installers {
  /** Undefined where there is nothing to install. @throws AppError `install-failed`, `no-space`, `interrupted` */
  install(
    spec: StdioSpec,
    progress: InstallProgress,
    signal: AbortSignal,
  ): Promise<PinnedPackage | undefined>;
  /** @throws as `install`; `usage` for what comes from no registry */
  newest(spec: StdioSpec, signal: AbortSignal): Promise<Newest>;
  readonly reinstall: Reinstall;
}

export function createInstallers(options: InstallersOptions): Installers {
  const { paths, env, launcher, start, stopping } = options;
  const places = (signal: AbortSignal) => ({
    vaultDirectory: paths.vault,
    cacheDirectory: paths.cache,
    launcher,
    start,
    host: env,
    signal: AbortSignal.any([signal, stopping]),
  });
  const npm = async (signal: AbortSignal) => ({
    ...places(signal),
    self: process.execPath,
    npmSettings: await findNpmSettings(paths.config, env),
  });
  const pypi = (signal: AbortSignal, { scripts = [] }: StdioSpec) => ({
    ...places(signal),
    allowBuild: scripts,
  });

  return {
    async install(spec, progress, signal) {
      const wanted = needsInstall(spec);
      if (wanted === undefined) return undefined;
      if (wanted.kind === "pypi") return installPypi({ ...wanted, ...pypi(signal, spec), progress });
      return installNpm({ ...wanted, ...(await npm(signal)), scripts: spec.scripts, progress });
    },
    newest: (spec, signal) =>
      findNewest(spec, {
        npm: async (meaning) => resolveNpm({ ...meaning, ...(await npm(signal)), scripts: spec.scripts }),
        pypi: (meaning) => resolvePypi({ ...meaning, ...pypi(signal, spec) }),
      }),
    async reinstall(pinned, damaged) {
      if (pinned.ecosystem === "npm") return reinstallNpm(await npm(stopping), pinned, damaged);
      if (pinned.ecosystem === "pypi") return reinstallPypi(places(stopping), pinned, damaged);
      throw new AppError("install-failed", "a bundle comes from no registry: add it again from its file.");
    },
  };
}
