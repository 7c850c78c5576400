// `serve` runs the appliance in the foreground until it is told to stop; `setup-url` is for its console.

import { createLog, stderrWriter } from "../log.ts";
import { prepare } from "../paths.ts";
import { readSettings } from "../settings.ts";
import type { Context } from "./context.ts";

export async function serve(context: Context): Promise<number> {
  const { terminal, env, flags, paths, json } = context;
  const { settings, views } = readSettings({ flags, env, settingsFile: paths.settingsFile });
  prepare(paths);
  const log = createLog({
    level: settings.logLevel,
    write: stderrWriter(),
    readable: terminal.isTalkTerminal && !json,
  });
  const { startAppliance } = await import("../app.ts");
  const stopSignal = untilStopped();
  const appliance = await startAppliance({ settings, settingViews: views, paths, env, log });
  const told = { url: appliance.url, socket: paths.socket };
  const greeted = json ? context.printJson(told) : terminal.out(greeting(appliance.url, appliance.isNew));
  // Nobody reads them: no reason to end.
  await greeted.catch(() => undefined);
  log.info("serving", told);
  const signal = await stopSignal;
  log.info("stopping", { signal });
  await appliance.stop();
  log.info("stopped");
  return 0;
}

export async function setupUrl({ terminal }: Context): Promise<number> {
  terminal.talk(
    'toolcrib: the web console is not in this version, so nothing needs a setup: "toolcrib token create NAME" lets an agent in.',
  );
  return 1;
}

function greeting(url: string, isNew: boolean): string {
  const lines = [`Toolcrib serves MCP at ${url}/mcp`];
  if (isNew) lines.push('No agent has a token yet: "toolcrib token create NAME" makes one.');
  return `${lines.join("\n")}\n`;
}

/** A second signal while stopping ends the process at once, as it would any other. */
function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, resolve);
  });
}
