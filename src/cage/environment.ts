// The environment of a server: a short list of names from the appliance's own, places of the server's own, then
// what its specification says. plan.ts calls it. Nothing else of the appliance's environment reaches a server:
// there are its secrets, and variables that would turn a program into another one.

import { isAbsolute, join } from "node:path";

/** Used where the appliance has none, as under some service managers. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * What passes from the appliance: how to find programs, which language and clock the host has, and which
 * certificates it trusts (a company's own authority is trusted by every program of its, or HTTPS fails). The last
 * are paths of files that hold no secret.
 *
 * Left out on purpose: TERM, COLORTERM (no terminal is there, and colours would end up in logs), USER, LOGNAME and
 * SHELL (who runs the appliance is not a server's business), HTTP_PROXY and its kin (they often hold a password:
 * a server that needs one gets it by its own specification).
 */
const TRUST = [
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "NODE_EXTRA_CA_CERTS",
  "REQUESTS_CA_BUNDLE",
  "CURL_CA_BUNDLE",
];
const PASSED = new Set(["LANG", "LANGUAGE", "TZ", ...TRUST]);

/**
 * Names that no specification can set. They make this executable, and every program that was compiled by Bun, act
 * as another program; where the runtime of a server needs one, the plan adds it last.
 */
export const RESERVED_VARIABLES: readonly string[] = ["BUN_BE_BUN", "BUN_OPTIONS"];

/**
 * The whole environment of a server, its runtime's own variables excepted. `given` is the server's specification,
 * its secrets filled in: it may set whatever it likes (PATH, HOME and NODE_OPTIONS included), except
 * RESERVED_VARIABLES, which are dropped. HOME, TMPDIR and the XDG directories lie in `workDirectory`, which is
 * absolute; plan.ts names those that have to exist.
 */
export function childEnvironment(
  host: Readonly<Record<string, string | undefined>>,
  given: Readonly<Record<string, string>>,
  workDirectory: string,
): Record<string, string> {
  const env: Record<string, string> = {
    // Text is UTF-8 also where a service manager gives no language: Python and others would fall back to ASCII.
    LANG: "C.UTF-8",
    ...passed(host),
    PATH: searchPath(host["PATH"]),
    HOME: workDirectory,
    TMPDIR: temporaryDirectory(workDirectory),
    XDG_CACHE_HOME: join(workDirectory, ".cache"),
    XDG_CONFIG_HOME: join(workDirectory, ".config"),
    XDG_DATA_HOME: join(workDirectory, ".local", "share"),
    XDG_STATE_HOME: join(workDirectory, ".local", "state"),
    ...given,
  };
  for (const name of RESERVED_VARIABLES) delete env[name];
  return env;
}

/** Files and directories of certificates that the host's environment names: a cage has to show them. */
export function trustedFiles(host: Readonly<Record<string, string | undefined>>): readonly string[] {
  return TRUST.map((name) => host[name] ?? "").filter((path) => isAbsolute(path));
}

export function temporaryDirectory(workDirectory: string): string {
  return join(workDirectory, "tmp");
}

function passed(host: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(host)) {
    if (value && (PASSED.has(name) || /^LC_[A-Z]+$/.test(name))) found[name] = value;
  }
  return found;
}

/** NB: an entry that is empty or relative means the current directory, where a server may have put anything. */
function searchPath(path: string | undefined): string {
  const directories = (path ?? "").split(":").filter((entry) => isAbsolute(entry));
  return directories.length > 0 ? directories.join(":") : DEFAULT_PATH;
}
