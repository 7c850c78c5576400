// The route map on one screen, and the socket behind it.

import { AppError, systemErrorCode } from "../errors.ts";
import type { Log } from "../log.ts";
import { RPC } from "../model/protocol.ts";
import type { ListenAddress } from "../settings.ts";
import type { HostGuard } from "./host-guard.ts";
import type { McpRoutes } from "./mcp.ts";
import type { Metrics } from "./metrics.ts";
import { problemResponse } from "./problem.ts";
import { rpcFailure } from "./rpc-failure.ts";

export interface HttpOptions {
  readonly listen: ListenAddress;
  readonly maxBodyBytes: number;
  readonly guard: HostGuard;
  readonly mcp: McpRoutes;
  readonly metrics: Metrics;
  /** A sentence about why it cannot serve; undefined when it can. */
  readonly unready: () => string | undefined;
  readonly log: Log;
}

export interface HttpServer {
  /** Where it listens, with the port that the system chose. */
  readonly url: string;
  /** Takes no more, waits for what is under way up to `graceMs`, then cuts. */
  stop(graceMs: number): Promise<void>;
}

/**
 * For connections that say nothing. Open event streams and long calls are kept alive by the pulse, which is faster;
 * what cannot be kept alive like that is exempted by mcp.ts, once its caller is known.
 */
const IDLE_SECONDS = 120;
/** Bun refuses larger bodies by itself; ours is refused first, with a sentence. */
const SLACK_BYTES = 1_048_576;

const SERVER_PREFIX = "/mcp/-/server/";

/** @throws AppError `bad-configuration` when the address cannot be listened on. */
export function serveHttp(options: HttpOptions): HttpServer {
  const { mcp, metrics, guard, log } = options;

  const guarded =
    (endpoint: (request: Request) => string | undefined) =>
    (request: Request, server: Bun.Server<undefined>): Response | Promise<Response> => {
      const problem = guard(request.headers.get("host"), request.headers.get("origin"));
      if (problem !== undefined) return rpcFailure({ status: 403, code: 4030, message: problem });
      return mcp.handle(request, endpoint(request), server);
    };

  const start = (): Bun.Server<undefined> =>
    Bun.serve({
      hostname: options.listen.host,
      port: options.listen.port,
      idleTimeout: IDLE_SECONDS,
      maxRequestBodySize: options.maxBodyBytes + SLACK_BYTES,
      development: false,
      routes: {
        "/mcp": guarded(() => undefined),
        "/mcp/-/server/:name": guarded((request) => nameIn(request.url)),
        "/healthz": () => new Response("ok\n"),
        "/readyz": () => {
          const problem = options.unready();
          return new Response(`${problem ?? "ok"}\n`, { status: problem === undefined ? 200 : 503 });
        },
        "/metrics": async () =>
          new Response(await metrics.print(), { headers: { "content-type": metrics.contentType } }),
        "/api/*": () =>
          problemResponse(
            new AppError(
              "denied",
              "Administration goes through the command line on this host for now: toolcrib help.",
            ),
          ),
      },
      fetch: (request) =>
        new URL(request.url).pathname.startsWith("/mcp/")
          ? rpcFailure({ status: 404, code: RPC.invalidRequest, message: "There is no such endpoint." })
          : new Response("Not found\n", { status: 404 }),
      error: (error) => {
        log.error("request failed", { reason: error.message });
        return rpcFailure({
          status: 500,
          code: RPC.internalError,
          message: "Toolcrib failed on this request; its log says more.",
        });
      },
    });

  const server = listening(start, options.listen);
  return {
    url: `http://${hostInUrl(options.listen.host)}:${server.port}`,
    async stop(graceMs) {
      const done = server.stop(false);
      const timer = setTimeout(() => void server.stop(true), graceMs);
      await done;
      clearTimeout(timer);
    },
  };
}

function nameIn(url: string): string {
  const from = url.indexOf(SERVER_PREFIX) + SERVER_PREFIX.length;
  const query = url.indexOf("?", from);
  const name = query < 0 ? url.slice(from) : url.slice(from, query);
  try {
    return decodeURIComponent(name);
  } catch {
    // Broken percent-encoding: as it stands, which is the name of no server.
    return name;
  }
}

function listening(start: () => Bun.Server<undefined>, { host, port }: ListenAddress): Bun.Server<undefined> {
  try {
    return start();
  } catch (thrown) {
    const code = systemErrorCode(thrown);
    const why =
      code === "EADDRINUSE"
        ? "another program listens there already"
        : code === "EACCES"
          ? "this user may not listen there (ports below 1024 need rights)"
          : thrown instanceof Error
            ? thrown.message
            : String(thrown);
    throw new AppError(
      "bad-configuration",
      `Cannot listen on ${hostInUrl(host)}:${port}: ${why}. Stop it, or choose another address with --listen host:port.`,
      { cause: thrown },
    );
  }
}

function hostInUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
