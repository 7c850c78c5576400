// The composition root: makes every long-lived object, in order, and ends them in the reverse of it. The only place
// that constructs.

import { chmodSync, rmSync } from "node:fs";
import { totalmem } from "node:os";
import { openCages } from "./app/cages.ts";
import { cagedSteps } from "./app/installing.ts";
import { Connectors, instanceName, secretsOf } from "./app/connectors.ts";
import { createInstallers } from "./app/installers.ts";
import { createPackaging } from "./app/packaging.ts";
import { BUILD } from "./build-info.ts";
import { grantFault, refusedGrant } from "./cage/grants.ts";
import { hostFacts } from "./cage/host.ts";
import { toAppError } from "./errors.ts";
import { Adding } from "./control/adding.ts";
import { Administration } from "./control/administration.ts";
import { Changes } from "./control/changes.ts";
import { findServer } from "./control/find-server.ts";
import { examine } from "./control/doctor.ts";
import { SHELL_LIMITS, Shells } from "./control/shells.ts";
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
import { findProgram } from "./package/program.ts";
import { sweepStaging } from "./package/staging.ts";
import { Vault } from "./package/vault.ts";
import { closeFiles, type Paths } from "./paths.ts";
import type { Settings, SettingView } from "./settings.ts";
import { openStore } from "./store/store.ts";
import { ServerLogs } from "./process/server-logs.ts";
import { withoutSecrets } from "./upstream/hidden-values.ts";
import { sharedRef } from "./upstream/asker.ts";
import { Pool } from "./upstream/pool.ts";

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
const COLLECT_MS = 3_600_000;
/** Of bundles; every route has a bound of its own. */
const MAX_UPLOAD_BYTES = 1024 ** 4;
/** For answers that are under way when the appliance is told to stop. */
const STOP_GRACE_MS = 3_000;

/** @throws AppError `bad-configuration`, `conflict` (another appliance has this data), `no-space` */
export async function startAppliance(options: ApplianceOptions): Promise<Appliance> {
  const { settings, settingViews, paths, env, log } = options;
  const now = (): number => Date.now();
  const startedAt = now();
  const own = [paths.config, paths.data, paths.cache, paths.run];
  const self = { name: "toolcrib", title: "Toolcrib", version: BUILD.version };

  closeFiles(paths.data);
  const mask = process.umask(0o077);
  const store = openStore(paths.database, { busyTimeoutMs: BUSY_TIMEOUT_MS });
  process.umask(mask);
  const { cages, cgroups, buildCage, facts, launcher } = await openCages({
    paths,
    settings,
    env,
    log,
    now,
    port: () => Number(new URL(web.url).port),
    written: () => changes.servers.flatMap(({ spec }) => (spec.kind === "stdio" ? spec.cage.write : [])),
  });
  const startStep = buildCage === undefined ? undefined : cagedSteps(buildCage, log);
  const swept = await sweepStaging(paths.vault);
  if (swept > 0) log.info("removed what interrupted installations left", { directories: swept });

  const bus = createBus((thrown) => log.error("listener failed", { reason: String(thrown) }));
  const tokenBook = new TokenBook(now);
  const vault = new Vault({ directory: paths.vault, log, now });
  const ending = new AbortController();
  const installers = createInstallers({ paths, env, launcher, start: startStep, stopping: ending.signal });
  const connectors = new Connectors({
    cages,
    ensurePackage: (pinned) => vault.ensure(pinned, installers.reinstall),
    paths,
    settings,
    env,
    clientInfo: { name: self.name, version: self.version },
    log,
  });
  const logs = new ServerLogs({
    directory: paths.logs,
    mask: (name, text) => withoutSecrets(text, secretsOfServer(name)),
    log,
  });
  const pool = new Pool({
    outputOf: (server) => logs.of(server),
    connectorFor: (request) => connectors.connectorFor(request),
    limits: {
      parallelStarts: settings.parallelStarts,
      memoryBytes:
        settings.hostMemoryBytes === "auto" ? Math.floor(0.8 * totalmem()) : settings.hostMemoryBytes,
      processes: settings.hostProcesses,
      instances: settings.maxInstances,
      instancesPerServer: settings.maxInstancesPerServer,
    },
    defaultIdleStopMs: settings.idleStopMs,
    defaultStartTimeoutMs: settings.startTimeoutMs,
    defaultCallTimeoutMs: settings.callTimeoutMs,
    leases: () => gateway.leases(),
    usageOf: (pid) => cages.usageOf(pid),
    refusals: (server, instance, sinceMs) => cages.refusedSince(instanceName(server, instance), sinceMs),
    mask: (server, text) => withoutSecrets(text, secretsOfServer(server)),
    onGone: (server, instance) => connectors.gone(server, instance),
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
      void forgetRemoved();
    },
    applyTokens: (tokens) => tokenBook.replace(tokens),
  });
  const context = {
    hasProgram: (word: string) => findProgram(word, env["PATH"] ?? "", paths.work) !== undefined,
    grantFault: (path: string) => grantFault(path, own),
  };
  const packaging = createPackaging({
    servers: () => changes.servers,
    find: (name) => findServer(changes.servers, name),
    view: (name) => administration.server(name),
    offerOf: (name) => offers.of(name),
    save: (server, action, alongside) => changes.replacePackage(server, action, alongside),
    previous: store,
    problemOf,
    now,
    paths,
    env,
    vault,
    vaultMaxBytes: settings.vaultMaxBytes,
    installers,
    connectors,
    context,
    log,
  });
  const { install } = installers;
  const adding = new Adding({ changes, pool, offers, install, adopt: packaging.adopt, problemOf, now });
  const shells = new Shells({
    servers: () => changes.servers,
    prepare: (server, program) => connectors.prepare(server, sharedRef(0), program),
    limits: SHELL_LIMITS,
    bus,
    log,
    now,
  });
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
    doctor: () =>
      examine({
        paths,
        env,
        atStart: facts,
        ask: () => hostFacts({ launcher, limits: cgroups.means, without: settings.cageWithout }),
      }),
    cageFacts: cages,
    shells,
    refusedPaths: (cage) => refusedGrant(cage, own),
    plan: (request) => plan(request, context),
    packages: packaging.packages,
    bundles: packaging.bundles,
    mcpb: packaging.mcpb,
    now,
    saveTokenUse,
  });

  let known: ReadonlySet<string> = new Set(changes.servers.map((server) => server.name));
  pool.apply(changes.servers);
  offers.restore(changes.servers);
  const tokens = changes.tokens();
  tokenBook.replace(tokens);

  const pulse = new Pulse();
  const metrics = createMetrics({
    bus,
    // Nobody needs a token for a scrape: it must not cost more than a look at the states.
    servers: () =>
      changes.servers.flatMap(({ name }) => {
        const status = pool.status(name);
        return status === undefined ? [] : [{ name, ...status }];
      }),
    host: () => pool.host(),
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
    cages.look();
    for (const id of tokenBook.expired()) gateway.sessions.endAllOf(id);
    saveTokenUse();
  }, HOUSEKEEPING_MS);
  const collecting = setInterval(() => void packaging.collect(), COLLECT_MS);
  void packaging.collect();
  wakeUnread();

  return {
    url: web.url,
    isNew: tokens.length === 0,
    async stop() {
      stopping = true;
      clearInterval(housekeeping);
      clearInterval(collecting);
      ending.abort();
      gateway.sessions.endAll();
      pulse.close();
      await shells.closeAll();
      await Promise.all([web.stop(STOP_GRACE_MS), socket.stop(true)]);
      rmSync(paths.socket, { force: true });
      offers.close();
      await pool.close();
      await Promise.all([cgroups.close(), logs.close()]);
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

  function secretsOfServer(name: string): readonly string[] {
    const spec = changes.servers.find((server) => server.name === name)?.spec;
    return spec?.kind === "stdio" ? secretsOf(spec) : [];
  }

  /** What is kept of servers that are gone: their names may be others' next. */
  async function forgetRemoved(): Promise<void> {
    await pool.settled();
    const names = new Set(changes.servers.map((server) => server.name));
    for (const name of known) {
      if (names.has(name)) continue;
      cages.forget(name);
      await logs.remove(name);
    }
    known = names;
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
}

/** File permission is the authentication: the socket is its owner's alone, from its first moment on. */
function serveSocket(path: string, fetch: (request: Request) => Promise<Response>): Bun.Server<undefined> {
  rmSync(path, { force: true });
  const mask = process.umask(0o177);
  try {
    const options: Bun.Serve.Options<undefined, never> = { unix: path, development: false, fetch };
    // NB: the default of 10 s would cut a followed log; Bun's types know the option for TCP only.
    const server = Bun.serve(
      Object.assign(options, { idleTimeout: 0, maxRequestBodySize: MAX_UPLOAD_BYTES }),
    );
    chmodSync(path, 0o600);
    return server;
  } finally {
    process.umask(mask);
  }
}
