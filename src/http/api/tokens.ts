// /api/v1/tokens: who may speak to /mcp. The token itself is in one answer only, that of its creation.

import { Elysia } from "elysia";
import type { Admin } from "../../control/admin.ts";
import { TokenRequest } from "../../model/api.ts";
import { MAX_CONFIGURATION_BYTES, readBody } from "./request-body.ts";
import { answers, nameIn, takes } from "./route-detail.ts";

const tags = ["tokens"];

export function tokenRoutes(admin: Admin) {
  return new Elysia()
    .get("/tokens", () => ({ tokens: admin.tokens() }), {
      detail: { tags, summary: "All tokens", ...answers("{ tokens: TokenView[] }") },
    })
    .post(
      "/tokens",
      async ({ request }) =>
        admin.createToken(await readBody(request, TokenRequest, MAX_CONFIGURATION_BYTES)),
      {
        parse: "none",
        detail: { tags, summary: "Make a token", ...takes("TokenRequest"), ...answers("TokenCreated") },
      },
    )
    .delete(
      "/tokens/:nameOrId",
      ({ params }) => {
        admin.revokeToken(nameIn(params.nameOrId));
        return new Response(null, { status: 204 });
      },
      { detail: { tags, summary: "Revoke a token", responses: { 204: { description: "Revoked" } } } },
    );
}
