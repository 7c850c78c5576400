// The socket of the appliance: where it cannot listen, what it says of itself, and how it stops.

import { afterEach, describe, expect, test } from "bun:test";
import { createBus } from "../../src/events.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { TokenBook } from "../../src/gateway/token-book.ts";
import { hostGuard } from "../../src/http/host-guard.ts";
import { McpRoutes } from "../../src/http/mcp.ts";
import { createMetrics } from "../../src/http/metrics.ts";
import { Pulse } from "../../src/http/pulse.ts";
import { type HttpOptions, type HttpServer, serveHttp } from "../../src/http/server.ts";
import { nullLog } from "../../src/log.ts";
import { within } from "../e2e/wait.ts";

const MAX_BODY_BYTES = 1_000;
const running: HttpServer[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop(0)));
});

function serve(options: Partial<HttpOptions> = {}): HttpServer {
  const bus = createBus();
  const gateway = new Gateway({
    servers: { ready: () => undefined, acquire: () => new Promise(() => undefined), callTimeoutMs: () => 1 },
    bus,
    limits: { maxSessions: 1, idleMs: 1 },
    self: { name: "t", title: "T", version: "1" },
    now: Date.now,
  });
  const server = serveHttp({
    listen: { host: "127.0.0.1", port: 0 },
    maxBodyBytes: MAX_BODY_BYTES,
    guard: hostGuard({ listenHost: "127.0.0.1", allowedHosts: [], allowedOrigins: [], publicUrl: undefined }),
    mcp: new McpRoutes({
      gateway,
      tokens: new TokenBook(Date.now),
      pulse: new Pulse(),
      maxBodyBytes: MAX_BODY_BYTES,
    }),
    metrics: createMetrics({
      bus,
      servers: () => [],
      sessions: () => 0,
      host: () => ({
        used: { memoryBytes: 0, processes: 0, instances: 0 },
        limits: { memoryBytes: 1, processes: 1, instances: 1, instancesPerServer: 1, parallelStarts: 1 },
        waiting: 0,
      }),
    }),
    unready: () => undefined,
    log: nullLog,
    ...options,
  });
  running.push(server);
  return server;
}

describe("an address", () => {
  test("that is taken is told with the way out, and nothing listens", () => {
    // NB: of another kind, because a second Bun.serve of one test run takes the place of the first.
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
    const { port } = taken;
    const again = (): HttpServer => serve({ listen: { host: "127.0.0.1", port } });
    expect(again).toThrow(`Cannot listen on 127.0.0.1:${port}: another program listens there already.`);
    expect(again).toThrow("--listen host:port");
  });

  test("that is not of this host", () => {
    expect(() => serve({ listen: { host: "203.0.113.1", port: 0 } })).toThrow(
      "Cannot listen on 203.0.113.1:0",
    );
  });

  test("of IPv6 stands in brackets in the URL", async () => {
    const server = serve({ listen: { host: "::1", port: 0 } });
    expect(server.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });
});

test("/readyz says why it cannot serve, /healthz does not care", async () => {
  const { url } = serve({ unready: () => "stopping" });
  const response = await fetch(`${url}/readyz`);
  expect([response.status, await response.text()]).toEqual([503, "stopping\n"]);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});

test("what fails inside is 500 without a word of what it was, and is logged", async () => {
  const logged: string[] = [];
  const { url } = serve({
    log: { ...nullLog, error: (message, fields) => void logged.push(`${message} ${JSON.stringify(fields)}`) },
    metrics: {
      contentType: "text/plain",
      print: () => Promise.reject(new Error("secret detail")),
    },
  });
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain("secret detail");
  expect(logged.join()).toContain("secret detail");
});

test("stop waits for what is under way, and cuts it after the grace", async () => {
  const begun = Promise.withResolvers<void>();
  const server = serve({
    metrics: {
      contentType: "text/plain",
      print: () => {
        begun.resolve();
        return new Promise(() => undefined);
      },
    },
  });
  const hanging = fetch(`${server.url}/metrics`).then(
    () => "answered",
    () => "cut",
  );
  await begun.promise;
  await within("the end", server.stop(50));
  expect(await hanging).toBe("cut");
});
