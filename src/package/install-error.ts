// What a failed installation printed, as one sentence for the person who asked for it. Pure. Called by npm-steps.ts;
// pypi-error.ts has the words of uv.

import { AppError } from "../errors.ts";
import { printable } from "../model/printable.ts";
import type { PackageSpec } from "./command-line.ts";

/** Longest part of the installer's own words in a sentence. */
const MAX_QUOTE = 200;
/** Longer lines are cut before anything is looked for in them. */
const MAX_LINE = 1_000;

type Explain = (wanted: PackageSpec, match: RegExpMatchArray) => string;

// In the order in which they are tried; the first that is found anywhere in the output decides.
const REASONS: readonly (readonly [RegExp, Explain])[] = [
  [/GET (\S+) - 404\b/, (wanted, [, url]) => notThere(wanted, nameInUrl(url ?? ""))],
  [
    /No version matching "([^"]*)" found for specifier "([^"]*)"/,
    (wanted, [, version, name]) =>
      `${subject(wanted, name)} has no version ${quote(version)}: look at its versions, or leave the version out.`,
  ],
  [
    /Package "([^"]*)" with tag "([^"]*)" not found/,
    (wanted, [, name, tag]) =>
      `${subject(wanted, name)} has no tag ${quote(tag)}: leave it out, or name a version.`,
  ],
  [
    /GET (\S+) - (401|403)\b/,
    (wanted, [, url, status]) =>
      `The registry ${hostOf(url)} refuses ${title(wanted)} (HTTP ${status}): ` +
      "put a token for it into ~/.npmrc of the appliance's user, then try again.",
  ],
  [
    /GET (\S+) - (\d{3})\b/,
    (wanted, [, url, status]) =>
      `The registry ${hostOf(url)} answered HTTP ${status} for ${title(wanted)}: try again later.`,
  ],
  [
    /Integrity check failed for tarball: (\S+)/,
    (wanted, [, name]) =>
      `The archive of ${subject(wanted, name)} is not the one that its registry promised (integrity check failed): ` +
      "nothing was installed; try again, and ask who runs the registry if it stays so.",
  ],
  [
    /error: (\w+) downloading/,
    (wanted, [, reason]) =>
      `The registry cannot be reached for ${title(wanted)} (${quote(reason)}): ` +
      "check the network, the proxy settings and npm's registry setting, then try again.",
  ],
];

/** `output` is what the installer printed, already bounded. Nothing in it reaches the sentence without redaction. */
export function installError(wanted: PackageSpec, output: string): AppError {
  if (isDiskFull(output)) return noSpace();
  const lines = output.split("\n").map((line) => line.slice(0, MAX_LINE).trim());
  const text = lines.join("\n");
  for (const [pattern, explain] of REASONS) {
    const match = text.match(pattern);
    if (match !== null) return new AppError("install-failed", explain(wanted, match));
  }
  const line = lines.find((words) => /^error:/i.test(words)) ?? lines.findLast((words) => words !== "") ?? "";
  const words = line.replace(/^error:\s*/i, "");
  const said = words === "" ? "the installer ended without a word" : quote(words);
  return new AppError("install-failed", `${title(wanted)} could not be installed: ${said}.`);
}

export function noSpace(cause?: unknown): AppError {
  return new AppError(
    "no-space",
    "The disk is full: nothing was installed. Free some space in the data and cache directories, then try again.",
    { cause },
  );
}

export function isDiskFull(output: string): boolean {
  return /\b(?:ENOSPC|EDQUOT|NoSpaceLeft|DiskQuota)\b|no space left on device|disk quota exceeded/i.test(
    output,
  );
}

/** `@acme/tool@1.2.3`; a tag that was not written is not shown. */
export function title(wanted: PackageSpec): string {
  return wanted.wanted === "latest" ? wanted.name : `${wanted.name}@${wanted.wanted}`;
}

function notThere(wanted: PackageSpec, name: string): string {
  if (name === wanted.name) return `There is no package ${name} in the registry: check the spelling.`;
  return `${title(wanted)} needs the package ${quote(name)}, which is not in the registry: it cannot be installed.`;
}

/** The package that was asked for, or the one that it needs. */
function subject(wanted: PackageSpec, name: string | undefined): string {
  if (name === undefined || name === wanted.name) return `The package ${wanted.name}`;
  return `The package ${quote(name)}, which ${title(wanted)} needs,`;
}

function nameInUrl(url: string): string {
  const last = url.split("?")[0]?.split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

function hostOf(url: string | undefined): string {
  return quote(URL.parse(url ?? "")?.host ?? "");
}

/** Words of an installer without secrets: no credentials in addresses, no query strings, no tokens. */
export function quote(words: string | undefined): string {
  const redacted = (words ?? "")
    .replace(/:\/\/[^/\s@]*@/g, "://")
    .replace(/\?\S*/g, "")
    .replace(/\b(_authToken|_auth|token|password)(\s*[=:]\s*)\S+/gi, "$1$2[secret]")
    .replace(/\b(Bearer|Basic)\s+\S+/gi, "$1 [secret]")
    .replace(/\bnpm_[A-Za-z0-9]{10,}/g, "[secret]");
  return printable(redacted, MAX_QUOTE);
}
