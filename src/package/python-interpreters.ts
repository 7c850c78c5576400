// The Pythons of this host: which there are, which version each is, and where its home lies. Called by pypi.ts before
// an installation; a start knows its interpreter by then.

import { readdir, realpath } from "node:fs/promises";
import { delimiter, dirname, isAbsolute, join } from "node:path";

export interface Interpreter {
  /** Absolute, no link. */
  readonly path: string;
  /** Such as `3.12.3`. */
  readonly version: string;
  /** What has to be readable for it to run, beside the system's own directories. */
  readonly home: string | undefined;
}

/** The oldest that is still maintained, and that the MCP SDK runs on. Older ones are taken when asked for by name. */
const OLDEST_MINOR = 10;
const MAX_FOUND = 24;
const ANSWER_MS = 10_000;
const USUAL_FOLDERS = ["/usr/local/bin", "/usr/bin"];

// Builds without the global lock count as another implementation: few packages have wheels for them.
const QUESTION = `
import os, sys, sysconfig
threaded = sysconfig.get_config_var("Py_GIL_DISABLED")
name = "free-threaded" if threaded else sys.implementation.name
program = getattr(sys, "_base_executable", None) or sys.executable
print(name, sys.version_info.releaselevel, "%d.%d.%d" % sys.version_info[:3], os.path.realpath(program), sep="\\n")
`;

/**
 * CPython interpreters in the order in which they should be tried: those that every user of the host may read, the
 * newest first, then the others.
 * @param wanted `3`, `3.12` or `3.12.1`; undefined for any that is maintained
 * @param more folders to look in beside those of PATH, last
 */
export async function findInterpreters(
  host: Readonly<Record<string, string | undefined>>,
  wanted: string | undefined,
  more: readonly string[],
): Promise<readonly Interpreter[]> {
  const ofPath = (host["PATH"] ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
  const programs = await listPrograms([...ofPath, ...USUAL_FOLDERS, ...more]);
  const asked = await Promise.all(programs.slice(0, MAX_FOUND).map((program) => ask(program, host)));
  const found = new Map(asked.flatMap((each) => (each === undefined ? [] : [[each.path, each] as const])));
  return [...found.values()]
    .filter(({ version }) =>
      wanted === undefined ? minorOf(version) >= OLDEST_MINOR : isVersion(version, wanted),
    )
    .toSorted((a, b) => rank(a) - rank(b) || Bun.semver.order(b.version, a.version));
}

/** `3.12.3` is a `3`, a `3.12` and a `3.12.3`. */
function isVersion(version: string, wanted: string): boolean {
  return version === wanted || version.startsWith(`${wanted}.`);
}

/** `3.12.3` → 12 */
export function minorOf(version: string): number {
  return Number(version.split(".")[1]);
}

function rank({ home }: Interpreter): number {
  return home === undefined ? 0 : 1;
}

/** What an interpreter at `path` reads beside the system's directories: the folder that its `bin` is in. */
export function homeOf(path: string): string | undefined {
  if (/^\/(?:usr|bin)\//.test(path)) return undefined;
  const prefix = dirname(dirname(path));
  return prefix === "/" ? undefined : prefix;
}

/** Real paths, each once, in order. */
async function listPrograms(folders: readonly string[]): Promise<readonly string[]> {
  const lists = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(folder).catch(() => []);
      const programs = names.filter((name) => /^python3(?:\.\d{1,2})?$/.test(name)).toSorted();
      return Promise.all(programs.map((name) => realpath(join(folder, name)).catch(() => "")));
    }),
  );
  return [...new Set(lists.flat())].filter((path) => path !== "");
}

async function ask(
  program: string,
  host: Readonly<Record<string, string | undefined>>,
): Promise<Interpreter | undefined> {
  try {
    const child = Bun.spawn([program, "-I", "-S", "-c", QUESTION], {
      // A shim of a version manager looks for its manager.
      env: { PATH: host["PATH"] ?? USUAL_FOLDERS.join(delimiter), HOME: host["HOME"] ?? "/" },
      cwd: "/",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: ANSWER_MS,
      killSignal: "SIGKILL",
    });
    const [name, level, version = "", path = ""] = (await child.stdout.text()).split("\n");
    if (name !== "cpython" || level !== "final" || !/^3\.\d+\.\d+$/.test(version) || !isAbsolute(path))
      return undefined;
    return { path, version, home: homeOf(path) };
  } catch {
    // Not a program that this host can run.
    return undefined;
  }
}
