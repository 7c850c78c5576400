// The admin API, whole: the route map is the list below. app.ts makes it once and serves it on the admin socket,
// where the permission of the file is the authentication; the command line is its first client.

import { Elysia } from "elysia";
import type { Admin } from "../../control/admin.ts";
import { AppError } from "../../errors.ts";
import { presentable, problemResponse } from "../problem.ts";
import { applianceRoutes } from "./appliance.ts";
import { bundleRoutes } from "./bundles.ts";
import { cageRoutes } from "./cages.ts";
import { mcpbRoutes } from "./mcpb.ts";
import { packageRoutes } from "./packages.ts";
import { serverRoutes } from "./servers.ts";
import { shellRoutes } from "./shells.ts";
import { tokenRoutes } from "./tokens.ts";
import { toolRoutes } from "./tools.ts";

export interface ApiInfo {
  readonly version: string;
  /** Told of each error that nobody foresaw; the client only hears that there was one. */
  readonly onUnexpected: (error: unknown) => void;
}

export interface Api {
  /**
   * NB: a followed log and a slow start are silent for long, so the listener needs `idleTimeout: 0`. On a Unix socket
   * `server.timeout(request, 0)` changes nothing (Bun 1.4.5).
   */
  fetch(request: Request): Promise<Response>;
}

export function createApi(admin: Admin, info: ApiInfo): Api {
  const routes = new Elysia({ prefix: "/api/v1" })
    .use(applianceRoutes(admin))
    .use(serverRoutes(admin, info.onUnexpected))
    .use(cageRoutes(admin.cages))
    .use(packageRoutes(admin.packages, info.onUnexpected))
    .use(bundleRoutes(admin.bundles))
    .use(mcpbRoutes(admin.mcpb))
    .use(shellRoutes(admin.shells))
    .use(toolRoutes(admin))
    .use(tokenRoutes(admin));

  const app = new Elysia()
    .headers({ "cache-control": "no-store", "x-content-type-options": "nosniff" })
    .onError(({ code, error }) => problemResponse(presentable(refusal(code) ?? error, info.onUnexpected)))
    .use(routes)
    .get(
      "/api/openapi.json",
      async () => (await import("./openapi.ts")).openApiDocument(routes, info.version),
      {
        detail: { hide: true },
      },
    );

  return {
    async fetch(request) {
      return app.fetch(request);
    },
  };
}

/** Elysia's own refusals. NB: their messages may quote the request, so none of them is passed on. */
function refusal(code: unknown): AppError | undefined {
  if (code === "NOT_FOUND") {
    return new AppError(
      "not-found",
      "Nothing is served at this method and path: /api/openapi.json lists what is.",
    );
  }
  if (code === "PARSE" || code === "VALIDATION" || code === "INVALID_COOKIE_SIGNATURE") {
    return new AppError("invalid-request", "The request cannot be read.");
  }
  return undefined;
}
