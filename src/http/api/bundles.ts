// /api/v1/bundles: servers with their packages as one archive, and the packages of such an archive into the vault.

import { Elysia } from "elysia";
import type { BundleAdmin } from "../../control/bundles.ts";
import { AppError } from "../../errors.ts";
import { BundleRequest } from "../../model/package-view.ts";
import { MAX_CONFIGURATION_BYTES, readBody } from "./request-body.ts";
import { answers, takes } from "./route-detail.ts";

const tags = ["packages"];
const ARCHIVE = "application/gzip";

/** NB: the listener has to let bodies through that are as large as the vault: its own default bound is 128 MiB. */
export function bundleRoutes(bundles: BundleAdmin) {
  return new Elysia()
    .post(
      "/bundles",
      async ({ request }) => {
        const { servers } = await readBody(request, BundleRequest, MAX_CONFIGURATION_BYTES);
        return new Response(await bundles.write(servers), { headers: { "content-type": ARCHIVE } });
      },
      {
        parse: "none",
        detail: {
          tags,
          summary: "Servers with their packages, without secrets, as one archive",
          ...takes("BundleRequest"),
          ...answers("The archive (tar, gzip)", ARCHIVE),
        },
      },
    )
    .post("/bundles/load", ({ request }) => bundles.load(archiveOf(request), request.signal), {
      parse: "none",
      detail: {
        tags,
        summary: "Check an archive and put its packages into the vault; adds no server",
        ...answers("LoadedView"),
      },
    });
}

/** NB: no form of a web page can send this type. */
function archiveOf(request: Request): ReadableStream<Uint8Array> {
  if (request.headers.get("content-type") !== ARCHIVE || request.body === null) {
    throw new AppError(
      "invalid-request",
      `The body must be the archive: send it with "content-type: ${ARCHIVE}".`,
    );
  }
  return request.body;
}
