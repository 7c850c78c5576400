// The composition root: makes every long-lived object, in order, and ends them in the reverse of it. The only place
// that constructs.

import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BUILD } from "./build-info.ts";
import { toAppError } from "./errors.ts";
import { installLauncher } from "./cage/launcher.ts";
import { directoriesOf, launchPlan } from "./cage/plan.ts";
import { Adding } from "./control/adding.ts";
import { Administration } from "./control/administration.ts";
import { Changes } from "./control/changes.ts";
import { examine } from "./control/doctor.ts";
import { plan } from "./control/import/plan.ts";
import { Offers } from "./control/offers.ts";
import { createBus } from "./events.ts";
import { Gateway } from "./gateway/gateway.ts";
import { TokenBook } from "./gateway/token-book.ts";
import type { Api } from "./http/api/api.ts";
import { hostGuard } from "./http/host-guard.ts";
import { McpRoutes } from "./http/mcp.ts";
import { createMetrics } from "./http/metrics.ts";
import { problemOf } from "./http/problem.ts";
import { Pulse } from "./http/pulse.ts";
import { serveHttp } from "./http/server.ts";
import type { Log } from "./log.ts";
import type { ConfiguredServer, PinnedPackage, StdioSpec } from "./model/server-spec.ts";
import type { InstallProgress } from "./package/launch-command.ts";
import { installNpm } from "./package/npm.ts";
import { findProgram } from "./package/program.ts";
import { needsInstall, resolveLaunch } from "./package/resolve.ts";
import { sweepStaging } from "./package/staging.ts";
import type { Paths } from "./paths.ts";
import type { Settings, SettingView } from "./settings.ts";
import { openStore } from "./store/store.ts";
import { secretsOfEnvironment } from "./upstream/hidden-values.ts";
import { Pool } from "./upstream/pool.ts";
import { remoteConnector } from "./upstream/remote.ts";
import { stdioConnector } from "./upstream/stdio.ts";
import type { Connector } from "./upstream/upstream.ts";
import type { OutputRing } from "./process/output-ring.ts";

export interface ApplianceOptions {
  readonly settings: Settings;
  readonly settingViews: readonly SettingView[];
  /** Made and closed to others by now. */
  readonly paths: Paths;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

export interface Appliance {
  /** Where agents reach it. */
  readonly url: string;
  /** True when no token was ever made: somebody is here for the first time. */
  readonly isNew: boolean;
  /** Ends everything, servers included. Resolves when no process is left. */
  stop(): Promise<void>;
}

/** Another program that writes the database stops everything for as long: the store has the only thread. */
const BUSY_TIMEOUT_MS = 1_000;
const HOUSEKEEPING_MS = 60_000;
/** For answers that are under way when the appliance is told to stop. */
const STOP_GRACE_MS = 3_000;

/** @throws AppError `bad-configuration`, `conflict` (another appliance has this data), `no-space` */
export async function startAppliance(options: ApplianceOptions): Promise<Appliance> {
  const { settings, settingViews, paths, env, log } = options;
  const now = (): number => Date.now();
  const startedAt = now();
  const self = { name: "toolcrib", title: "Toolcrib", version: BUILD.version };

  const store = openStore(paths.database, { busyTimeoutMs: BUSY_TIMEOUT_MS });
  const launcher = await installLauncher(paths.launcher);
  const swept = await sweepStaging(paths.vault);
  if (swept > 0) log.info("removed what interrupted installations left", { directories: swept });

  const bus = createBus((thrown) => log.error("listener failed", { reason: String(thrown) }));
  const tokenBook = new TokenBook(now);
  const pool = new Pool({
    connectorFor,
    parallelStarts: settings.parallelStarts,
    defaultCallTimeoutMs: settings.callTimeoutMs,
    bus,
    log,
    now,
    random: Math.random,
    onReady: (server, upstream) => void offers.refresh(server, upstream),
    onListChanged: (server, upstream) => offers.changed(server, upstream),
  });
  const gateway = new Gateway({
    servers: pool,
    bus,
    limits: { maxSessions: settings.maxSessions, idleMs: settings.sessionIdleMs },
    self,
    now,
  });
  const offers = new Offers({ store, gateway, bus, log, self });
  const changes = new Changes({
    store,
    bus,
    now,
    applyServers(servers) {
      pool.apply(servers);
      offers.configure(servers);
    },
    applyTokens: (tokens) => tokenBook.replace(tokens),
  });
  const adding = new Adding({ changes, pool, offers, install, problemOf, now });
  const administration = new Administration({
    changes,
    adding,
    pool,
    offers,
    gateway,
    tokenBook,
    status: () => ({
      version: BUILD.version,
      commit: BUILD.commit,
      url: web.url,
      pid: process.pid,
      startedAt: new Date(startedAt).toISOString(),
      dataDirectory: paths.data,
      servers: changes.servers.length,
      sessions: gateway.sessions.size,
    }),
    settings: settingViews,
    doctor: () => examine({ paths, env }),
    plan: (request) =>
      plan(request, { hasProgram: (word) => findProgram(word, env["PATH"] ?? "", paths.work) !== undefined }),
    now,
    saveTokenUse,
  });

  pool.apply(changes.servers);
  offers.restore(changes.servers);
  const tokens = changes.tokens();
  tokenBook.replace(tokens);

  const pulse = new Pulse();
  const metrics = createMetrics({
    bus,
    // Nobody needs a token for a scrape: it must not cost more than a look at the states.
    servers: () =>
      changes.servers.map(({ name }) => ({ name, state: pool.status(name)?.state ?? "stopped" })),
    sessions: () => gateway.sessions.size,
  });
  bus.on("call.finished", (call) => {
    if (log.enabled("debug")) log.debug("call", { ...call });
  });
  let stopping = false;
  const web = serveHttp({
    listen: settings.listen,
    maxBodyBytes: settings.maxBodyBytes,
    guard: hostGuard({ ...settings, listenHost: settings.listen.host, publicUrl: settings.publicUrl }),
    mcp: new McpRoutes({ gateway, tokens: tokenBook, pulse, maxBodyBytes: settings.maxBodyBytes }),
    metrics,
    unready: () => (stopping ? "stopping" : undefined),
    log,
  });
  // Loaded with the first command: agents do not wait for it at the start, nor pay for it in memory.
  let api: Promise<Api> | undefined;
  const socket = serveSocket(paths.socket, async (request) => {
    api ??= import("./http/api/api.ts").then(({ createApi }) =>
      createApi(administration, {
        version: BUILD.version,
        onUnexpected: (error) => log.error("API failed", { reason: String(error) }),
      }),
    );
    return (await api).fetch(request);
  });

  const housekeeping = setInterval(() => {
    gateway.sessions.expire();
    for (const id of tokenBook.expired()) gateway.sessions.endAllOf(id);
    saveTokenUse();
  }, HOUSEKEEPING_MS);
  wakeUnread();

  return {
    url: web.url,
    isNew: tokens.length === 0,
    async stop() {
      stopping = true;
      clearInterval(housekeeping);
      gateway.sessions.endAll();
      pulse.close();
      await Promise.all([web.stop(STOP_GRACE_MS), socket.stop(true)]);
      rmSync(paths.socket, { force: true });
      offers.close();
      await pool.close();
      saveTokenUse();
      store.close();
    },
  };

  /** Servers whose lists were never read are started, so that their tools appear without anybody asking. */
  function wakeUnread(): void {
    for (const server of changes.servers) {
      if (!server.enabled || offers.of(server.name) !== undefined) continue;
      pool.acquire(server.name).catch(() => undefined);
    }
  }

  function saveTokenUse(): void {
    const used = tokenBook.takeUsed();
    if (used.size === 0) return;
    try {
      store.touchTokens(used);
    } catch (thrown) {
      // A full disk or another writer: no reason to end, and the next time will do.
      tokenBook.putBack(used);
      log.warn("last use of tokens not saved", { reason: toAppError(thrown).message });
    }
  }

  async function install(
    spec: StdioSpec,
    progress: InstallProgress,
    signal: AbortSignal,
  ): Promise<PinnedPackage | undefined> {
    const wanted = needsInstall(spec);
    if (wanted === undefined) return undefined;
    return installNpm({
      packageSpec: wanted.packageSpec,
      bin: wanted.bin,
      registry: wanted.registry,
      vaultDirectory: paths.vault,
      cacheDirectory: paths.cache,
      self: process.execPath,
      launcher,
      host: env,
      progress,
      signal,
    });
  }

  function connectorFor(
    server: ConfiguredServer,
    output: OutputRing,
    onSpawn: (pid: number) => void,
  ): Connector {
    const { name, spec } = server;
    const startTimeoutMs = spec.startTimeoutMs ?? settings.startTimeoutMs;
    const clientInfo = { name: self.name, version: self.version };
    if (spec.kind === "http") {
      return remoteConnector({
        spec,
        clientInfo,
        startTimeoutMs,
        maxMessageBytes: settings.maxLineBytes,
        log,
      });
    }
    return stdioConnector({
      async plan() {
        const workDirectory = join(paths.work, name);
        for (const directory of directoriesOf(workDirectory))
          mkdirSync(directory, { recursive: true, mode: 0o700 });
        const command = resolveLaunch(spec, server.package, {
          vaultDirectory: paths.vault,
          self: process.execPath,
          path: env["PATH"] ?? "",
          workDirectory,
        });
        return launchPlan({ command, env: spec.env, cwd: spec.cwd, workDirectory, launcher, host: env });
      },
      clientInfo,
      startTimeoutMs,
      maxLineBytes: settings.maxLineBytes,
      maxQueuedBytes: settings.maxQueuedBytes,
      stderr: output,
      secrets: secretsOfEnvironment(spec.env),
      log,
      onSpawn,
    });
  }
}

/** File permission is the authentication: the socket is its owner's alone, from its first moment on. */
function serveSocket(path: string, fetch: (request: Request) => Promise<Response>): Bun.Server<undefined> {
  rmSync(path, { force: true });
  const mask = process.umask(0o177);
  try {
    const options: Bun.Serve.Options<undefined, never> = { unix: path, development: false, fetch };
    // NB: the default of 10 s would cut a followed log; Bun's types know the option for TCP only.
    const server = Bun.serve(Object.assign(options, { idleTimeout: 0 }));
    chmodSync(path, 0o600);
    return server;
  } finally {
    process.umask(mask);
  }
}
