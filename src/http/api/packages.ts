// /api/v1/updates, /api/v1/vault and the routes of a server's package: what is newer, an update, the switch to it and
// the way back.

import { Elysia } from "elysia";
import type { PackageAdmin } from "../../control/packages.ts";
import { SwitchRequest, type UpdateEvent } from "../../model/package-view.ts";
import { presentable, problemOf } from "../problem.ts";
import { pushStream } from "./push-stream.ts";
import { MAX_CONFIGURATION_BYTES, readBody } from "./request-body.ts";
import { answers, nameIn, takes } from "./route-detail.ts";

const tags = ["packages"];

export function packageRoutes(packages: PackageAdmin, onUnexpected: (error: unknown) => void) {
  return new Elysia()
    .get(
      "/updates",
      async ({ request }) => {
        const names = new URL(request.url).searchParams.getAll("server");
        return { updates: await packages.check(names, request.signal) };
      },
      {
        detail: {
          tags,
          summary: "What is newer; the registries are asked",
          parameters: [
            {
              name: "server",
              in: "query",
              schema: { type: "array", items: { type: "string" } },
              explode: true,
            },
          ],
          ...answers("{ updates: UpdateView[] }"),
        },
      },
    )
    .get("/vault", () => packages.vault(), {
      detail: { tags, summary: "How large the vault is, and who needs what", ...answers("VaultView") },
    })
    .post(
      "/servers/:name/update",
      ({ params, request }) => updateStream(packages, nameIn(params.name), request, onUnexpected),
      {
        parse: "none",
        detail: {
          tags,
          summary: "Install what is newer beside the version in use, start it once, and say what differs",
          ...answers(
            "UpdateEvent in each line, the last is current, prepared or failed",
            "application/x-ndjson",
          ),
        },
      },
    )
    .post(
      "/servers/:name/switch",
      async ({ params, request }) => {
        const { candidate } = await readBody(request, SwitchRequest, MAX_CONFIGURATION_BYTES);
        return packages.switch(nameIn(params.name), candidate);
      },
      {
        parse: "none",
        detail: {
          tags,
          summary: "Use the version that an update prepared",
          ...takes("SwitchRequest"),
          ...answers("SwitchView"),
        },
      },
    )
    .post("/servers/:name/rollback", ({ params }) => packages.rollback(nameIn(params.name)), {
      parse: "none",
      detail: { tags, summary: "Use the version before the last update", ...answers("SwitchView") },
    });
}

/** Events of progress that a slow reader has no room for are dropped; the last one is not. */
function updateStream(
  packages: PackageAdmin,
  name: string,
  request: Request,
  onUnexpected: (error: unknown) => void,
): Response {
  return pushStream(request, "application/x-ndjson", (push) => {
    const gone = new AbortController();
    const report = (event: UpdateEvent): void => {
      const line = `${JSON.stringify(event)}\n`;
      if (event.event === "progress") push.text(line);
      else push.last(line);
    };
    const run = async (): Promise<void> => {
      try {
        await packages.prepare(name, report, gone.signal);
      } catch (error) {
        report({ event: "failed", error: problemOf(presentable(error, onUnexpected)) });
      }
      push.close();
    };
    void run();
    return () => gone.abort();
  });
}
