// What a planned server will do, as lines for the person who says yes or no. Pure. Nothing is cut from the command
// line, nothing in it can act on the terminal, and no value of a variable or header is shown.

import { printable, quoted } from "../../model/printable.ts";
import { type Cage, CAGE_LIMITS } from "../../model/cage.ts";
import type { HttpSpec, ServerSpec, StdioSpec } from "../../model/server-spec.ts";
import { isExactVersion, understand } from "../../package/command-line.ts";
import { exactVersion } from "../../package/pypi-requirement.ts";

export function summarize(spec: ServerSpec): readonly string[] {
  return spec.kind === "stdio" ? summarizeStdio(spec) : summarizeHttp(spec);
}

/** A command line as one line of text that a shell would read as the same words. */
export function showCommandLine(words: readonly string[]): string {
  return words.map(showWord).join(" ");
}

/** An address without the values of its query that look like keys. */
export function showUrl(url: string): string {
  const shown = url.replace(/([?&][^=&#?]*)=[^&#]*/g, (all, name: string) =>
    SECRET_NAME.test(name) ? `${name}=…` : all,
  );
  return printable(shown);
}

/** What a specification runs or connects to, on one line. */
export function showSpec(spec: ServerSpec): string {
  return spec.kind === "http" ? showUrl(spec.url) : showCommandLine([spec.command, ...spec.args]);
}

const SECRET_NAME = /key|token|secret|pass|auth|sig/i;

function summarizeStdio(spec: StdioSpec): readonly string[] {
  return [
    `runs: ${showSpec(spec)}`,
    `from: ${source(spec)}`,
    ...cageLines(spec.cage),
    ...(spec.cwd === undefined ? [] : [`in: ${printable(spec.cwd)}`]),
    ...names("environment", Object.keys(spec.env)),
    ...timeouts(spec),
  ];
}

function summarizeHttp(spec: HttpSpec): readonly string[] {
  return [
    `connects to: ${showSpec(spec)}`,
    "runs: nothing on this host",
    ...names("headers", Object.keys(spec.headers)),
    ...timeouts(spec),
  ];
}

function source(spec: StdioSpec): string {
  const meaning = understand(spec.command, spec.args);
  switch (meaning.kind) {
    case "npm": {
      const { name, wanted } = meaning.packageSpec;
      const registry = meaning.registry === undefined ? "the npm registry" : showUrl(meaning.registry);
      return `package ${name} of ${registry}, ${version(wanted)}; installed once, ${scriptsOf(spec)}`;
    }
    case "pypi": {
      const { name, wanted } = meaning.packageSpec;
      const index = meaning.registry === undefined ? "the Python index" : showUrl(meaning.registry);
      const beside =
        meaning.with.length === 0 ? "" : ` with ${meaning.with.map((each) => printable(each)).join(", ")}`;
      return `package ${name}${beside} of ${index}, ${pythonVersion(wanted)}; installed once, nothing of it is built here`;
    }
    case "python":
      return `${meaning.tool} of this host, which fetches what it needs when the server starts`;
    case "program":
      return "a program of this host";
  }
}

function pythonVersion(wanted: string): string {
  if (wanted === "latest") return "the version that is the newest today";
  const exact = exactVersion(wanted);
  return exact === undefined ? `the newest version within ${quoted(wanted)}` : `version ${exact}`;
}

function scriptsOf({ scripts = [] }: StdioSpec): string {
  if (scripts.length === 0) return "its install scripts are not run";
  return `install scripts are run of ${scripts.map((name) => printable(name)).join(", ")}`;
}

function version(wanted: string): string {
  if (isExactVersion(wanted)) return `version ${wanted}`;
  const isTag = /^[a-z][\w.-]*$/i.test(wanted);
  return isTag
    ? `the version that is ${quoted(wanted)} today`
    : `the newest version within ${quoted(wanted)}`;
}

function cageLines(cage: Cage): readonly string[] {
  if (cage.mode === "off") {
    return [
      "as: the user that the appliance runs as, WITHOUT A CAGE: it may read, write and reach all that this user can",
    ];
  }
  const limits = { ...CAGE_LIMITS, ...defined(cage) };
  return [
    "as: a user of its own, in a cage",
    `may read: the system, its package${listed(cage.read)}`,
    `may write: its own directory${listed(cage.write)}`,
    `may reach: ${reach(cage)}`,
    ...Object.entries(cage.broker ?? {}).map(
      ([name, { host, header }]) =>
        `never sees ${printable(name)}: it is put into ${printable(header)} for ${printable(host)}`,
    ),
    `limits: ${limits.memoryBytes / 1024 ** 2} MiB of memory, ${limits.processes} processes and threads, ${limits.cpus} processors`,
    ...(cage.minimum === "confined"
      ? ["starts also where the host can only confine it (Landlock, no namespaces)"]
      : []),
  ];
}

function reach(cage: Cage): string {
  if (cage.learn === true) return "every public address, which is written down (learn)";
  return cage.network.length === 0 ? "nothing" : cage.network.map((rule) => printable(rule)).join(", ");
}

function listed(paths: readonly string[]): string {
  return paths.map((path) => `, ${printable(path)}`).join("");
}

function defined({ memoryBytes, processes, cpus }: Cage): Partial<typeof CAGE_LIMITS> {
  return Object.fromEntries(
    Object.entries({ memoryBytes, processes, cpus }).filter(([, limit]) => limit !== undefined),
  );
}

function timeouts(spec: ServerSpec): readonly string[] {
  return [
    ...(spec.startTimeoutMs === undefined ? [] : [`must start within: ${spec.startTimeoutMs} ms`]),
    ...(spec.callTimeoutMs === undefined ? [] : [`must answer a call within: ${spec.callTimeoutMs} ms`]),
  ];
}

function names(what: string, keys: readonly string[]): readonly string[] {
  return list(what, keys).map((line) => `${line} (values are not shown)`);
}

function list(what: string, entries: readonly string[]): readonly string[] {
  return entries.length === 0 ? [] : [`${what}: ${entries.map((entry) => printable(entry)).join(", ")}`];
}

/** Quoted as a POSIX shell would need it; what acts or hides is escaped first, so that it shows as text. */
function showWord(word: string): string {
  const shown = printable(word);
  if (shown !== word) return `$'${printable(word.replace(/[\\']/g, "\\$&"))}'`;
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
