// /api/v1/servers and /api/v1/plans: what is configured, what it does, and every change of it.

import { Elysia } from "elysia";
import type { Admin } from "../../control/admin.ts";
import { type AddEvent, AddRequest, PlanRequest } from "../../model/api.ts";
import { presentable, problemOf } from "../problem.ts";
import { pushStream } from "./push-stream.ts";
import { MAX_CONFIGURATION_BYTES, readBody } from "./request-body.ts";
import { answers, nameIn, takes } from "./route-detail.ts";

const tags = ["servers"];

export function serverRoutes(admin: Admin, onUnexpected: (error: unknown) => void) {
  return new Elysia()
    .get("/servers", () => ({ servers: admin.servers() }), {
      detail: { tags, summary: "All servers", ...answers("{ servers: ServerView[] }") },
    })
    .get("/servers/:name", ({ params }) => admin.server(nameIn(params.name)), {
      detail: { tags, summary: "One server, with its last crash", ...answers("ServerView") },
    })
    .post(
      "/plans",
      async ({ request }) => admin.plan(await readBody(request, PlanRequest, MAX_CONFIGURATION_BYTES)),
      {
        parse: "none",
        detail: {
          tags,
          summary: "What an add would do, without doing it",
          ...takes("PlanRequest"),
          ...answers("PlanView"),
        },
      },
    )
    .post(
      "/servers",
      async ({ request }) => {
        const wanted = await readBody(request, AddRequest, MAX_CONFIGURATION_BYTES);
        return addStream(admin, wanted, request, onUnexpected);
      },
      {
        parse: "none",
        detail: {
          tags,
          summary: "Install, save and start a server; hanging up stops an installation",
          ...takes("AddRequest"),
          ...answers("AddEvent in each line, the last is done or failed", "application/x-ndjson"),
        },
      },
    )
    .delete(
      "/servers/:name",
      async ({ params }) => {
        await admin.remove(nameIn(params.name));
        return new Response(null, { status: 204 });
      },
      {
        detail: { tags, summary: "Stop and remove a server", responses: { 204: { description: "Removed" } } },
      },
    )
    .post("/servers/:name/enable", ({ params }) => admin.setEnabled(nameIn(params.name), true), {
      parse: "none",
      detail: { tags, summary: "Let a server run", ...answers("ServerView") },
    })
    .post("/servers/:name/disable", ({ params }) => admin.setEnabled(nameIn(params.name), false), {
      parse: "none",
      detail: { tags, summary: "Stop a server and keep it stopped", ...answers("ServerView") },
    })
    .post("/servers/:name/restart", ({ params }) => admin.restart(nameIn(params.name)), {
      parse: "none",
      detail: { tags, summary: "Stop a server, forget its crashes, start it", ...answers("ServerView") },
    })
    .get(
      "/servers/:name/logs",
      ({ params, query, request }) => logs(admin, nameIn(params.name), query["follow"] === "1", request),
      {
        detail: {
          tags,
          summary: "What is kept of a server's stderr; with follow=1 also what comes",
          parameters: [{ name: "follow", in: "query", schema: { type: "string", enum: ["1"] } }],
          ...answers("Text, as the server wrote it", "text/plain"),
        },
      },
    );
}

/** Events of progress that a slow reader has no room for are dropped; the last one is not. */
function addStream(
  admin: Admin,
  wanted: AddRequest,
  request: Request,
  onUnexpected: (error: unknown) => void,
): Response {
  return pushStream(request, "application/x-ndjson", (push) => {
    const gone = new AbortController();
    const report = (event: AddEvent): void => {
      const line = `${JSON.stringify(event)}\n`;
      if (event.event === "progress") push.text(line);
      else push.last(line);
    };
    const run = async (): Promise<void> => {
      try {
        await admin.add(wanted, report, gone.signal);
      } catch (error) {
        report({ event: "failed", saved: false, error: problemOf(presentable(error, onUnexpected)) });
      }
      push.close();
    };
    void run();
    return () => gone.abort();
  });
}

/** A follower who reads too slowly is told how much was left out, as soon as there is room again. */
async function logs(admin: Admin, name: string, follow: boolean, request: Request): Promise<Response> {
  const kept = await admin.logs(name);
  const contentType = "text/plain; charset=utf-8";
  if (!follow) return new Response(kept, { headers: { "content-type": contentType } });
  return pushStream(request, contentType, (push) => {
    let leftOut = 0;
    push.last(kept);
    return admin.followLogs(name, (text) => {
      const notice =
        leftOut === 0 ? "" : `\n[${leftOut} characters were left out: the reader was too slow]\n`;
      leftOut = push.text(notice + text) ? 0 : leftOut + text.length;
    });
  });
}
