// The vault's own npm settings, `npmrc` beside toolcrib.toml: registries of a company and the tokens for them. Their
// values go to the installer by the path of the file and nowhere else. Called by the composition root before an
// installation, and by installer-child.ts for the hosts that one may reach.

import { lstat, readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError, systemErrorCode } from "../errors.ts";

export interface NpmSettings {
  /** Absolute. */
  readonly path: string;
  /** Addresses that the file names as registries. */
  readonly registries: readonly string[];
  /** True where one of them is for all packages, and not for a scope. */
  readonly replacesDefault: boolean;
}

const FILE = "npmrc";
const MAX_BYTES = 64 * 1024;
const DEFAULT_REGISTRY = "https://registry.npmjs.org/";

const REGISTRY_VARIABLES = ["NPM_CONFIG_REGISTRY", "npm_config_registry", "BUN_CONFIG_REGISTRY"];
const PROXY_VARIABLES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/**
 * Undefined where there is no such file: the installer then reads the `.npmrc` of the appliance's user.
 * @throws AppError `bad-configuration` for a file that others may read or that is too large: it holds tokens
 */
export async function readNpmSettings(configDirectory: string): Promise<NpmSettings | undefined> {
  const path = join(configDirectory, FILE);
  try {
    const facts = await lstat(path);
    if (!facts.isFile()) throw wrong(path, "is not a file", `put a file there, or remove it`);
    if ((facts.mode & 0o077) !== 0) throw wrong(path, "may be read by others", `run "chmod 600 ${path}"`);
    if (facts.size > MAX_BYTES) throw wrong(path, `has more than ${MAX_BYTES} bytes`, "shorten it");
    return { path, ...registriesIn(await readFile(path, "utf8")) };
  } catch (thrown) {
    const code = systemErrorCode(thrown);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (thrown instanceof AppError) throw thrown;
    throw wrong(path, `cannot be read (${code ?? "unknown error"})`, "look at its owner and mode");
  }
}

/** `host:port` of what an installation has reason to reach, from where npm looks for it too. */
export function registryHosts(
  from: {
    readonly host: Readonly<Record<string, string | undefined>>;
    readonly npmSettings?: NpmSettings | undefined;
  },
  args: readonly string[],
): readonly string[] {
  const onLine = args.flatMap((arg) => /^--registry=(.*)$/.exec(arg)?.[1] ?? []);
  const given = (names: readonly string[]): readonly string[] =>
    names.flatMap((name) => from.host[name] || []);
  const named = [...onLine, ...given(REGISTRY_VARIABLES)];
  const usual = named.length > 0 || from.npmSettings?.replacesDefault === true ? [] : [DEFAULT_REGISTRY];
  const addresses = [...named, ...(from.npmSettings?.registries ?? []), ...usual, ...given(PROXY_VARIABLES)];
  return [...new Set(addresses.flatMap((address) => hostAndPort(address) ?? []))];
}

/**
 * The vault's own settings, or else those of the appliance's user, as npm finds them.
 * @throws AppError `bad-configuration` as `readNpmSettings`
 */
export async function findNpmSettings(
  configDirectory: string,
  host: Readonly<Record<string, string | undefined>>,
): Promise<NpmSettings | undefined> {
  const own = await readNpmSettings(configDirectory);
  if (own !== undefined) return own;
  for (const home of [host["XDG_CONFIG_HOME"], host["HOME"]]) {
    const found =
      home === undefined || home === "" ? undefined : await readUserSettings(join(home, ".npmrc"));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A link is fine here: it is the user's own file. Whatever is wrong with it is for the installer to say. */
async function readUserSettings(link: string): Promise<NpmSettings | undefined> {
  try {
    const path = await realpath(link);
    const { size } = await stat(path);
    return size > MAX_BYTES ? undefined : { path, ...registriesIn(await readFile(path, "utf8")) };
  } catch {
    return undefined;
  }
}

/** Comments, sections and every other key are the installer's business. */
function registriesIn(text: string): Omit<NpmSettings, "path"> {
  const found = text.split(/\r?\n/).flatMap((line) => {
    const [, scope, address] = /^\s*(?:(@[^\s:=]+):)?registry\s*=\s*["']?([^\s"']+)/.exec(line) ?? [];
    return address === undefined ? [] : [{ scope, address }];
  });
  return {
    registries: found.map(({ address }) => address),
    replacesDefault: found.some(({ scope }) => scope === undefined),
  };
}

function hostAndPort(address: string): string | undefined {
  const url = URL.parse(address);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return `${url.hostname}:${port}`;
}

function wrong(path: string, what: string, next: string): AppError {
  return new AppError("bad-configuration", `${path} ${what}: ${next}.`, { details: { path } });
}
