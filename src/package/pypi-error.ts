// What uv printed when it failed, as one sentence for the person who asked for the package. Pure. Called by
// pypi-steps.ts.

import { AppError } from "../errors.ts";
import { isDiskFull, noSpace, quote } from "./install-error.ts";
import { normalizeName } from "./pypi-requirement.ts";

/** Longer lines are cut before anything is looked for in them. */
const MAX_LINE = 2_000;

export interface WantedPypi {
  readonly name: string;
  readonly wanted: string;
}

type Explain = (wanted: WantedPypi, match: RegExpMatchArray) => string;

const HOW_TO_APPROVE = "approve that by the name of the package, or choose a version that has wheels";

// In the order in which they are tried; the first that is found anywhere in the output decides. NB: a refusal of the
// index stands in a hint behind "was not found", so it is looked for first.
const REASONS: readonly (readonly [RegExp, Explain])[] = [
  [
    /\((https?:\/\/[^\s)]+)\) (?:could not be queried due to a lack of valid authentication|returned a 403)/,
    (wanted, [, url]) =>
      `The Python index ${hostOf(url)} refuses ${title(wanted)}: put its address with user name and password into ` +
      "UV_DEFAULT_INDEX in the appliance's environment, then try again.",
  ],
  [
    /HTTP status \S+ error \((\d{3})[^)]*\) for url \(([^)]*)\)/,
    (wanted, [, status, url]) =>
      `The Python index ${hostOf(url)} answered HTTP ${status} for ${title(wanted)}: try again later.`,
  ],
  [
    /Because (?:there (?:is|are) no versions? of )?(\S+) was not found in the package registry/,
    (wanted, [, name]) =>
      normalizeName(name ?? "") === normalizeName(wanted.name)
        ? `There is no package ${wanted.name} in the Python index: check the spelling.`
        : `${title(wanted)} needs the package ${quote(name)}, which is not in the Python index: it cannot be installed.`,
  ],
  [
    /Wheels are required for `([^`]+)`/,
    (wanted, [, name]) =>
      `${subject(wanted, name)} has no ready-made archive (wheel) for this host, and building it would run its code: ` +
      `${HOW_TO_APPROVE}.`,
  ],
  [
    /does not satisfy Python(\S+) and (\S+?)==/,
    (wanted, [, range, name]) =>
      `${subject(wanted, name)} needs Python ${quote(range)}, which this host does not have.`,
  ],
  [
    /(?:^|\s)(\S+?)(?:==\S+)? has no wheels with a matching ([A-Za-z ]+?) tag/,
    (wanted, [, name, what]) =>
      `${subject(wanted, name)} has no ready-made archive (wheel) for the ${what ?? "system"} of this host: it cannot ` +
      "be installed here.",
  ],
  [
    /(?:there is no version of|there are no versions of) (\S+?)((?:===?|~=|!=|[<>]=?)\S+)/,
    (wanted, [, name, version]) =>
      `${subject(wanted, name)} has no version ${quote(version?.replace(/^==/, ""))}: look at its versions, or leave the version out.`,
  ],
  [
    /only (\S+?)((?:[<>]=?|==)\S+) is available and/,
    (wanted, [, name, version]) =>
      `${subject(wanted, name)} has only versions ${quote(version)}: look at its versions, or leave the version out.`,
  ],
  [
    /Hash mismatch for `([^`=]+)/,
    (wanted, [, name]) =>
      `The archive of ${subjectOf(wanted, name)} is not the one that its index promised (its hash differs): nothing ` +
      "was installed; try again, and ask who runs the index if it stays so.",
  ],
  [
    /Failed to (?:extract archive|read metadata from|unzip)[^\n]*?([A-Za-z0-9][\w.]*?)-\d[^\s]*\.whl/,
    (wanted, [, name]) =>
      `The archive of ${subjectOf(wanted, name)} is damaged: nothing was installed; try again, and ask who runs the ` +
      "index if it stays so.",
  ],
  [
    /Package `([^`]+)` was included as a URL dependency/,
    (wanted, [, name]) =>
      `${title(wanted)} needs ${quote(name)} from an address and not from an index: it cannot be pinned.`,
  ],
  [
    /Failed to (?:download and )?build `([^`=]+)/,
    (wanted, [, name]) =>
      `The build of ${subjectOf(wanted, name)} failed: look at what it needs on this host.`,
  ],
  [
    /error sending request for url \(([^)]*)\)|Failed to fetch: `?(https?:[^\s`]+)/,
    (wanted, [, url, other]) =>
      `The Python index ${hostOf(url ?? other)} cannot be reached for ${title(wanted)}: check the network, the proxy ` +
      "settings and UV_DEFAULT_INDEX, then try again.",
  ],
];

/** `output` is what uv printed, already bounded. Nothing in it reaches the sentence without redaction. */
export function pypiError(wanted: WantedPypi, output: string): AppError {
  if (isDiskFull(output)) return noSpace();
  const lines = output.split("\n").map((line) => line.slice(0, MAX_LINE).trim());
  const text = lines.join("\n");
  for (const [pattern, explain] of REASONS) {
    const match = text.match(pattern);
    if (match !== null) return new AppError("install-failed", explain(wanted, match));
  }
  const cause =
    lines.find((line) => /^(?:cause|caused by):/i.test(line)) ?? lines.find((line) => /^error:/i.test(line));
  const words = (cause ?? lines.findLast((line) => line !== "") ?? "").replace(
    /^(?:cause|caused by|error):\s*/i,
    "",
  );
  const said = words === "" ? "uv ended without a word" : quote(words.replace(/\.$/, ""));
  return new AppError("install-failed", `${title(wanted)} could not be installed: ${said}.`);
}

/** True where a package would have to be built, whatever the Python. */
export function needsBuild(output: string): boolean {
  return /Wheels are required for `/.test(output);
}

/** True where another Python may do: the reason is the version of this one, or what archives exist for it. */
export function isAboutPython(output: string): boolean {
  return /does not satisfy Python|no wheels with a matching Python (?:version|implementation|ABI)/.test(
    output,
  );
}

/** The versions of Python that uv says are needed, such as `>=3.12`. */
export function neededPython(output: string): string | undefined {
  return /does not satisfy Python((?:[<>]=?|==|~=)3[\d.]*(?:,(?:[<>]=?|!=)3[\d.]*)*)/.exec(output)?.[1];
}

/** `mcp-server-time==1.2`; the newest is not shown. */
export function title(wanted: WantedPypi): string {
  return wanted.wanted === "latest" ? wanted.name : `${wanted.name}${wanted.wanted}`;
}

/** The package that was asked for, or the one that it needs, at the beginning of a sentence. */
function subject(wanted: WantedPypi, name: string | undefined): string {
  const inside = subjectOf(wanted, name);
  return `${inside.charAt(0).toUpperCase()}${inside.slice(1)}`;
}

function subjectOf(wanted: WantedPypi, name: string | undefined): string {
  if (name === undefined || normalizeName(name) === normalizeName(wanted.name))
    return `the package ${wanted.name}`;
  return `the package ${quote(name)}, which comes with ${title(wanted)},`;
}

function hostOf(url: string | undefined): string {
  return quote(URL.parse(url ?? "")?.host ?? "");
}
