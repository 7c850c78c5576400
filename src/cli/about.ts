// `version` and `settings`: facts about the program and how it is set.

import { BUILD } from "../build-info.ts";
import { AppError } from "../errors.ts";
import { readSettings, type SettingView } from "../settings.ts";
import type { Context } from "./context.ts";
import { formatTable } from "./table.ts";

export async function version(context: Context): Promise<void> {
  if (context.json) return context.printJson(BUILD);
  await context.terminal.out(
    `toolcrib ${BUILD.version} (${BUILD.commit}), Bun ${BUILD.bun}, ${BUILD.target}\n`,
  );
}

/** As the running appliance has them; without one, or with settings as options, as `serve` would have them. */
export async function settings(context: Context): Promise<void> {
  const { terminal, flags } = context;
  const asks = Object.keys(flags).some((key) => key !== "home");
  const views = (asks ? undefined : await ofAppliance(context)) ?? ofStart(context);
  if (context.json) return context.printJson({ settings: views });
  const rows = views.map(({ key, value, source }) => [key, value, source]);
  await terminal.out(
    formatTable([{ head: "SETTING" }, { head: "VALUE" }, { head: "SOURCE" }], rows, terminal.columns),
  );
}

async function ofAppliance({ api, terminal }: Context): Promise<readonly SettingView[] | undefined> {
  try {
    return (await api.json<{ settings: readonly SettingView[] }>("GET", "/settings")).settings;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "unreachable") throw error;
    terminal.talk("No appliance is running: these are the settings that it would start with.");
    return undefined;
  }
}

function ofStart({ flags, env, paths }: Context): readonly SettingView[] {
  return readSettings({ flags, env, settingsFile: paths.settingsFile }).views;
}
