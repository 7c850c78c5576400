// /api/v1/mcpb: MCP bundles into the vault, from an upload or an address, and plans of the servers in them.

import { Elysia } from "elysia";
import type { McpbAdmin } from "../../control/mcpb.ts";
import { AppError } from "../../errors.ts";
import { McpbFetchRequest, McpbPlanRequest } from "../../model/package-view.ts";
import { MAX_CONFIGURATION_BYTES, readBody } from "./request-body.ts";
import { answers, takes } from "./route-detail.ts";

const tags = ["packages"];
const ARCHIVE = "application/zip";

/** NB: the listener has to let bodies of 1 GiB through: its own default bound is 128 MiB. */
export function mcpbRoutes(mcpb: McpbAdmin) {
  return new Elysia()
    .post("/mcpb", ({ request, query }) => upload(mcpb, request, query["sha256"]), {
      parse: "none",
      detail: {
        tags,
        summary: "Check an MCP bundle and put it into the vault; adds no server",
        parameters: [{ name: "sha256", in: "query", schema: { type: "string" } }],
        ...answers("McpbView"),
      },
    })
    .post(
      "/mcpb/fetch",
      async ({ request }) =>
        mcpb.fetch(await readBody(request, McpbFetchRequest, MAX_CONFIGURATION_BYTES), request.signal),
      {
        parse: "none",
        detail: {
          tags,
          summary: "The same with what is at an address",
          ...takes("McpbFetchRequest"),
          ...answers("McpbView"),
        },
      },
    )
    .post(
      "/mcpb/plans",
      async ({ request }) => mcpb.plan(await readBody(request, McpbPlanRequest, MAX_CONFIGURATION_BYTES)),
      {
        parse: "none",
        detail: {
          tags,
          summary: "What an add of a bundle would do, without doing it",
          ...takes("McpbPlanRequest"),
          ...answers("PlanView"),
        },
      },
    );
}

/** NB: no form of a web page can send this type. */
function upload(mcpb: McpbAdmin, request: Request, sha256: string | undefined): Promise<unknown> {
  if (request.headers.get("content-type") !== ARCHIVE || request.body === null) {
    throw new AppError(
      "invalid-request",
      `The body must be the bundle: send it with "content-type: ${ARCHIVE}".`,
    );
  }
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256)) {
    throw new AppError("invalid-params", "sha256 has to be 64 hex digits.");
  }
  return mcpb.take(request.body, sha256, request.signal);
}
