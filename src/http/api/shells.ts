// /api/v1/shells and /api/v1/servers/{name}/shells: a terminal, or a command, in the cage of a server.
//
// One answer is the whole life of a shell: it streams what is printed for as long as the shell runs, says at its end
// how it ended, and whoever hangs up ends the shell. What is typed comes in requests of its own. So nothing of it
// needs more than HTTP: errors before the start have their status, a slow reader holds the program back, a shell that
// nobody attends to cannot be. A WebSocket has none of the three, and no request costs what a person could notice
// (0.1 ms on the socket).

import { Elysia } from "elysia";
import type { OpenShell, ShellAdmin } from "../../control/shells.ts";
import { AppError } from "../../errors.ts";
import { type ShellEvent, ShellRequest, ShellSize } from "../../model/shell.ts";
import { MAX_CONFIGURATION_BYTES, readBody, readBytes } from "./request-body.ts";
import { answers, nameIn, takes } from "./route-detail.ts";

const tags = ["shells"];

/** Of one request with input. */
const MAX_INPUT_BYTES = 1024 * 1024;
const MAX_SIZE_BYTES = 1024;
/** What may wait for the reader beside what the shell itself keeps. */
const MAX_WAITING_BYTES = 64 * 1024;

const BYTES = "application/octet-stream";
const done = {
  responses: { 204: { description: "Done" }, default: { $ref: "#/components/responses/Problem" } },
};

export function shellRoutes(shells: ShellAdmin) {
  return new Elysia()
    .get("/shells", () => ({ shells: shells.list() }), {
      detail: { tags, summary: "Shells that are open", ...answers("{ shells: ShellView[] }") },
    })
    .post(
      "/servers/:name/shells",
      async ({ params, request }) => {
        const wanted = await readBody(request, ShellRequest, MAX_CONFIGURATION_BYTES);
        const shell = await shells.open(nameIn(params.name), wanted, request.signal);
        return eventStream(shell, request.signal);
      },
      {
        parse: "none",
        detail: {
          tags,
          summary: "A shell, or a command, in the cage of a server; hanging up ends it",
          ...takes("ShellRequest"),
          ...answers("ShellEvent in each line, the last is ended", "application/x-ndjson"),
        },
      },
    )
    .post(
      "/shells/:id/input",
      async ({ params, request }) => {
        const id = nameIn(params.id);
        const bytes = await readInput(request);
        if (bytes.length === 0) shells.endInput(id);
        else await shells.write(id, bytes);
        return nothing();
      },
      {
        parse: "none",
        detail: {
          tags,
          summary:
            "What is typed; an empty body is the end of input. Answered when the program's side has taken it",
          requestBody: { required: true, content: { [BYTES]: {} } },
          ...done,
        },
      },
    )
    .post(
      "/shells/:id/size",
      async ({ params, request }) => {
        shells.resize(nameIn(params.id), await readBody(request, ShellSize, MAX_SIZE_BYTES));
        return nothing();
      },
      {
        parse: "none",
        detail: { tags, summary: "The size of its terminal", ...takes("ShellSize"), ...done },
      },
    )
    .delete(
      "/shells/:id",
      async ({ params }) => {
        await shells.close(nameIn(params.id));
        return nothing();
      },
      { detail: { tags, summary: "End a shell and all that runs in it", ...done } },
    );
}

/** Pulled by the reader: what it does not take stays with the shell. */
function eventStream(shell: OpenShell, signal: AbortSignal): Response {
  const lines = linesOf(shell);
  const leave = (): void => shell.leave();
  signal.addEventListener("abort", leave, { once: true });
  if (signal.aborted) leave();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done: isOver, value } = await lines.next();
        if (isOver === true) controller.close();
        else controller.enqueue(value);
      },
      cancel: leave,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_WAITING_BYTES }),
  );
  return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
}

async function* linesOf({ id, output, ended }: OpenShell): AsyncGenerator<Uint8Array, undefined> {
  yield line({ event: "open", id });
  for await (const { stream, bytes } of output) yield line({ event: stream, bytes: bytes.toBase64() });
  yield line({ event: "ended", ...(await ended) });
}

function line(event: ShellEvent): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(event)}\n`);
}

/** NB: no form of a web page can send this type. */
async function readInput(request: Request): Promise<Uint8Array> {
  if (request.headers.get("content-type") !== BYTES) {
    throw new AppError("invalid-request", `The body must be bytes: send it with "content-type: ${BYTES}".`);
  }
  return readBytes(request, MAX_INPUT_BYTES);
}

function nothing(): Response {
  return new Response(null, { status: 204 });
}
