// MCP bundles: a file or an address into the vault, then a plan of the server in it. Nothing of a bundle runs before
// somebody adds it. Made by app.ts, called by the API.

import type { PlanView } from "../model/api.ts";
import type { McpbFetchRequest, McpbPlanRequest, McpbView } from "../model/package-view.ts";
import type { PinnedPackage } from "../model/server-spec.ts";
import type { InstalledMcpb } from "../package/mcpb.ts";
import type { McpbManifest } from "../package/mcpb-manifest.ts";
import { planFromBundle } from "./import/bundle.ts";
import type { PlanContext } from "./import/draft.ts";
import { planMcpb } from "./import/mcpb.ts";

export interface McpbAdmin {
  /** @param sha256 that it has to have, hex. @throws AppError as installMcpb: then nothing of it is in the vault */
  take(
    archive: AsyncIterable<Uint8Array>,
    sha256: string | undefined,
    signal: AbortSignal,
  ): Promise<McpbView>;
  /** @throws AppError as `take`; `usage` for an address that is not asked */
  fetch(request: McpbFetchRequest, signal: AbortSignal): Promise<McpbView>;
  /** @throws AppError `usage`, `blocked` for a bundle that is not in the vault */
  plan(request: McpbPlanRequest): Promise<PlanView>;
}

export interface McpbOptions {
  readonly install: (
    archive: AsyncIterable<Uint8Array>,
    sha256: string | undefined,
    signal: AbortSignal,
  ) => Promise<InstalledMcpb>;
  readonly download: (url: string, signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Once the bundle is known to be whole. @throws AppError `usage`, `blocked` */
  readonly manifestOf: (pinned: PinnedPackage) => Promise<McpbManifest>;
  readonly context: PlanContext;
}

export function createMcpb({ install, download, manifestOf, context }: McpbOptions): McpbAdmin {
  const take: McpbAdmin["take"] = async (archive, sha256, signal) => {
    const { pinned, manifest } = await install(archive, sha256, signal);
    return { package: pinned, questions: planMcpb(manifest, {}).questions };
  };
  return {
    take,
    fetch: ({ url, sha256 }, signal) => take(download(url, signal), sha256, signal),
    async plan({ package: pinned, ...options }) {
      return planFromBundle(await manifestOf(pinned), pinned, options, context);
    },
  };
}
