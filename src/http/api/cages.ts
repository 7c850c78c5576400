// /api/v1/servers/{name}/cage and …/grants: what confines a server, and one more grant.

import { Elysia } from "elysia";
import type { CageAdmin } from "../../control/caging.ts";
import { GrantRequest } from "../../model/cage-view.ts";
import { MAX_CONFIGURATION_BYTES, readBody } from "./request-body.ts";
import { answers, nameIn, takes } from "./route-detail.ts";

const tags = ["cages"];

export function cageRoutes(cages: CageAdmin) {
  return new Elysia()
    .get("/servers/:name/cage", ({ params }) => cages.view(nameIn(params.name)), {
      detail: { tags, summary: "What a server's cage enforces and refused", ...answers("CageView") },
    })
    .post(
      "/servers/:name/grants",
      async ({ params, request }) =>
        cages.allow(nameIn(params.name), await readBody(request, GrantRequest, MAX_CONFIGURATION_BYTES)),
      {
        parse: "none",
        detail: { tags, summary: "Widen a server's cage", ...takes("GrantRequest"), ...answers("CageView") },
      },
    );
}
