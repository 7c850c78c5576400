// What an installation from a Python index works with: a uv, and a staging directory that nothing is left of
// afterwards. Called by pypi.ts and pypi-again.ts.

import { join } from "node:path";
import type { InstallProgress } from "./launch-command.ts";
import { fileOrigins, openIndex } from "./pypi-index.ts";
import { normalizeName } from "./pypi-requirement.ts";
import type { PypiPlaces, PypiWanted } from "./pypi-steps.ts";
import { makeStaging, removeStaging } from "./staging.ts";
import { findUv } from "./uv.ts";
import type { UvScene } from "./uv-step.ts";

/** @throws AppError as findUv does, and what `act` throws */
export async function withUv<T>(
  request: PypiWanted & PypiPlaces & { readonly progress?: InstallProgress },
  act: (scene: UvScene) => Promise<T>,
): Promise<T> {
  const { host, registry, vaultDirectory, signal, progress } = request;
  const onDownload = (what: string): void => progress?.("downloading", what);
  const uv = request.uv ?? (await findUv({ host, registry, vaultDirectory, signal, onDownload }));
  const fileAddresses = await whereFilesAre(request);
  const staging = await makeStaging(vaultDirectory);
  // NB: a build may write wherever uv does, and what is in the cache is not checked again.
  const cacheDirectory = request.allowBuild.length === 0 ? request.cacheDirectory : join(staging, "cache");
  try {
    return await act({ uv, host, registry, cacheDirectory, staging, fileAddresses });
  } finally {
    await removeStaging(staging);
  }
}

/** What confines an installation has to know where an index sends for its files. PyPI's own place is known. */
async function whereFilesAre({
  start,
  host,
  registry,
  signal,
  packageSpec,
}: PypiWanted & PypiPlaces): Promise<readonly string[]> {
  if (start === undefined) return [];
  const client = await openIndex(host, registry, signal);
  return client.host === "pypi.org" ? [] : fileOrigins(client, normalizeName(packageSpec.name));
}
