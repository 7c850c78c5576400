// `bundle`: writes servers with their packages into one file; `bundle load`: takes such a file into the vault, then
// plans its servers as `add` does.

import { link, mkdtemp, open, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { AppError, systemErrorCode } from "../errors.ts";
import type { LoadedServer, LoadedView } from "../model/package-view.ts";
import { printable } from "../model/printable.ts";
import { addPlanned } from "./add.ts";
import { type AddOptions, environmentOf } from "./add-request.ts";
import type { Context } from "./context.ts";
import { fileSize } from "./input.ts";

export interface BundleOptions {
  readonly output?: string;
}

export type LoadOptions = Pick<AddOptions, "yes" | "replace" | "env">;

const ARCHIVE = "application/gzip";
const DEFAULT_NAME = "toolcrib-bundle.tgz";

/** `-o -` is stdout. */
export async function bundle(
  context: Context,
  servers: readonly string[],
  { output = DEFAULT_NAME }: BundleOptions,
): Promise<void> {
  if (output === "-" && context.terminal.isOutputTerminal) {
    throw new AppError("usage", "The archive does not go to a terminal: name a file with -o.");
  }
  const archive = context.api.stream("POST", "/bundles", { servers });
  if (output === "-") {
    for await (const chunk of archive) await context.terminal.out(chunk);
    return;
  }
  const path = resolve(context.cwd, output);
  const bytes = await writeNew(path, archive);
  if (context.json) return context.printJson({ file: path, bytes, servers });
  await context.terminal.out(`${printable(path)}\n`);
  context.terminal.talk(
    `${Math.ceil(bytes / 1_048_576)} MiB. Values of variables and secrets are not in it. ` +
      'On the other host: "toolcrib bundle load FILE".',
  );
}

export async function load(context: Context, file: string, options: LoadOptions): Promise<number> {
  const path = resolve(context.cwd, file);
  if (fileSize(path) === undefined) throw new AppError("usage", `There is no file ${printable(file)} here.`);
  const given = environmentOf(options.env ?? []);
  const view = await context.api.json<LoadedView>("POST", "/bundles/load", Bun.file(path, { type: ARCHIVE }));
  const packages = new Set(view.servers.map((server) => server.package.directory)).size;
  context.terminal.talk(
    `${packages} ${packages === 1 ? "package" : "packages"} checked, ${view.packages.length} new in the vault.`,
  );
  const servers = view.servers.map((server) => withEnvironment(server, given));
  return addPlanned(context, { servers, notes: view.notes }, options);
}

/** A value goes to each server that had a variable of its name. */
function withEnvironment(server: LoadedServer, given: Readonly<Record<string, string>>): LoadedServer {
  const own = Object.entries(given).filter(([name]) => server.missing.env.includes(name));
  return { ...server, spec: { ...server.spec, env: { ...server.spec.env, ...Object.fromEntries(own) } } };
}

/** Whole or not at all, and never in the place of another file. Returns its bytes. */
async function writeNew(path: string, archive: AsyncIterable<Uint8Array>): Promise<number> {
  try {
    const directory = await mkdtemp(join(dirname(path), ".toolcrib-bundle-"));
    try {
      const making = join(directory, "bundle");
      const bytes = await writeAll(making, archive);
      await link(making, path);
      return bytes;
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  } catch (thrown) {
    if (thrown instanceof AppError) throw thrown;
    const code = systemErrorCode(thrown) ?? "unknown error";
    const what =
      code === "EEXIST" ? "is there already: name another file with -o" : `cannot be written (${code})`;
    throw new AppError("usage", `${printable(path)} ${what}.`, { cause: thrown });
  }
}

async function writeAll(path: string, archive: AsyncIterable<Uint8Array>): Promise<number> {
  const file = await open(path, "wx", 0o600);
  let bytes = 0;
  try {
    for await (const chunk of archive) {
      await file.writeFile(chunk);
      bytes += chunk.length;
    }
    await file.sync();
    return bytes;
  } finally {
    await file.close();
  }
}
