// /api/v1/tools and /api/v1/call: what a caller sees, and one call as a caller would make it.

import { Elysia } from "elysia";
import type { Admin } from "../../control/admin.ts";
import { CallRequest } from "../../model/api.ts";
import { MAX_CALL_BYTES, readBody } from "./request-body.ts";
import { answers, takes } from "./route-detail.ts";

const tags = ["tools"];

export function toolRoutes(admin: Admin) {
  return new Elysia()
    .get("/tools", ({ query }) => ({ tools: admin.tools(query["as"] || undefined) }), {
      detail: {
        tags,
        summary: "The tools that a token sees; without one, those of an unrestricted token",
        parameters: [{ name: "as", in: "query", description: "Name of a token", schema: { type: "string" } }],
        ...answers("{ tools: ToolView[] }"),
      },
    })
    .post(
      "/call",
      async ({ request }) => {
        const call = await readBody(request, CallRequest, MAX_CALL_BYTES);
        // The bytes go out as the server sent them.
        return new Response(await admin.call(call, request.signal), {
          headers: { "content-type": "application/json" },
        });
      },
      {
        parse: "none",
        detail: {
          tags,
          summary: "Call a tool",
          ...takes("CallRequest"),
          ...answers("CallToolResult of the server"),
        },
      },
    );
}
