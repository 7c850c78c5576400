// The virtual environment of one package, on disk: what uv made of it is tidied up, described in a note, and led to
// its interpreter. Called by pypi.ts, pypi-again.ts and, for the note, by whoever looks for a package in the vault.

import { readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { AppError } from "../errors.ts";
import { printable, quoted } from "../model/printable.ts";
import { nearest } from "../nearest.ts";
import { syncDirectory } from "./durable.ts";
import { normalizeName } from "./pypi-requirement.ts";
import type { Interpreter } from "./python-interpreters.ts";
import { seal } from "./seal.ts";

/** The interpreter of an environment, relative to it: a link to that of the host. */
export const PYTHON = join("bin", "python");
const NOTE = "toolcrib.json";
export const REQUIREMENTS = "requirements.txt";

const MAX_NOTE_BYTES = 1024 * 1024;
const MAX_RECORD_BYTES = 64 * 1024 * 1024;
/** Names of programs listed in an error. */
const MAX_NAMES = 20;

/** What is true of an environment and cannot be read from its files alone. */
export const PypiNote = v.strictObject({
  name: v.string(),
  version: v.string(),
  integrity: v.string(),
  /** Version of the interpreter that it was made for. */
  python: v.string(),
  /** What was asked for. */
  request: v.strictObject({
    name: v.string(),
    wanted: v.string(),
    extras: v.array(v.string()),
    with: v.array(v.string()),
    prereleases: v.boolean(),
    registry: v.nullable(v.string()),
    allowBuild: v.array(v.string()),
    python: v.nullable(v.string()),
  }),
});
export type PypiNote = v.InferOutput<typeof PypiNote>;

/** Undefined where there is no environment of ours. */
export async function readNote(directory: string): Promise<PypiNote | undefined> {
  const path = join(directory, NOTE);
  try {
    if ((await stat(path)).size > MAX_NOTE_BYTES) return undefined;
    return v.parse(PypiNote, JSON.parse(await readFile(path, "utf8")));
  } catch {
    return undefined;
  }
}

export interface Distribution {
  /** Lines of its WHEEL file: which archive it came from. */
  readonly tags: readonly string[];
  /** Names of the programs that it brought into `bin`. */
  readonly programs: readonly string[];
}

/** What the environment in `directory` says of one of its packages. */
export async function readDistribution(directory: string, name: string): Promise<Distribution> {
  const sites = await sitePackages(directory);
  const entries = await readdir(sites);
  const info = entries.find((entry) => {
    const [, own] = /^(.+)-[^-]+\.dist-info$/.exec(entry) ?? [];
    return own !== undefined && normalizeName(own) === normalizeName(name);
  });
  if (info === undefined) throw new Error(`${name} has no .dist-info directory`);
  const wheel = await readFile(join(sites, info, "WHEEL"), "utf8").catch(() => "");
  const record = join(sites, info, "RECORD");
  if ((await stat(record)).size > MAX_RECORD_BYTES) throw new Error(`the RECORD of ${name} is too large`);
  return {
    tags: Array.from(wheel.matchAll(/^Tag:\s*(\S+)\s*$/gm), ([, tag = ""]) => tag),
    programs: Array.from(
      (await readFile(record, "utf8")).matchAll(/^"?(?:\.\.\/)+bin\/([^/,"\n]+)"?,/gm),
      ([, file = ""]) => file,
    ),
  };
}

/**
 * The file, relative to the environment, that is the program: the one asked for, whichever package brought it; else the
 * one named like the package, or its only one. `python` is the interpreter.
 * @throws AppError `install-failed`
 */
export async function chooseProgram(
  directory: string,
  title: { readonly name: string; readonly version: string },
  own: readonly string[],
  wanted: string | undefined,
): Promise<string> {
  if (wanted === "python") return PYTHON;
  const there = await readdir(join(directory, "bin"));
  const all = there.filter((name) => !/^python[\d.]*$/.test(name));
  if (wanted !== undefined) {
    if (all.includes(wanted)) return join("bin", wanted);
    const near = nearest(wanted, all);
    const next = near === undefined ? listOf(own) : `did you mean ${quoted(near)}?`;
    throw failed(`The package ${title.name}@${title.version} has no program ${quoted(wanted)}: ${next}`);
  }
  const named = own.find((name) => normalizeName(name) === normalizeName(title.name));
  const program = named ?? (own.length === 1 ? own[0] : undefined);
  if (program !== undefined) return join("bin", program);
  const [first] = own;
  if (first === undefined) {
    throw failed(
      `The package ${title.name}@${title.version} is not a program: it brings none. Is it a library? Name the package ` +
        `of the server, or run a module of it: "uvx --from ${title.name} python -m MODULE".`,
    );
  }
  throw failed(
    `The package ${title.name}@${title.version} has several programs (${own.slice(0, MAX_NAMES).map(quoted).join(", ")}): ` +
      `say which, as in "uvx --from ${title.name} ${printable(first, 80)}".`,
  );
}

function listOf(programs: readonly string[]): string {
  return programs.length === 0
    ? "it has none."
    : `it has ${programs.slice(0, MAX_NAMES).map(quoted).join(", ")}`;
}

/** Takes away what uv leaves for people at a terminal, so that equal requests make equal trees. */
export async function tidy(directory: string): Promise<void> {
  const helpers = (await readdir(join(directory, "bin"))).filter((name) =>
    /^(?:de)?activate|^pydoc\.bat$/.test(name),
  );
  const left = [".lock", ".gitignore", "CACHEDIR.TAG", ...helpers.map((name) => join("bin", name))];
  for (const name of left) await rm(join(directory, name), { force: true });
}

/**
 * Writes the note and makes everything read-only. The links to the interpreter come last, and are made anew: they are
 * the only ones that lead out of the tree, and no package had a say in them.
 */
export async function finish(
  directory: string,
  interpreter: Interpreter,
  requirements: string,
  note: PypiNote,
): Promise<void> {
  const bin = join(directory, "bin");
  for (const name of await readdir(bin))
    if (/^python[\d.]*$/.test(name)) await rm(join(bin, name), { recursive: true });
  await writeFile(join(directory, REQUIREMENTS), requirements);
  await writeFile(join(directory, NOTE), `${JSON.stringify(note, undefined, 2)}\n`);
  await seal(directory, undefined);
  await symlink(interpreter.path, join(directory, PYTHON));
  const [major, minor] = interpreter.version.split(".");
  for (const name of [`python${major}`, `python${major}.${minor}`]) await symlink("python", join(bin, name));
  await syncDirectory(bin);
}

async function sitePackages(directory: string): Promise<string> {
  const [python = ""] = (await readdir(join(directory, "lib"))).filter((name) => /^python3\.\d+$/.test(name));
  return join(directory, "lib", python, "site-packages");
}

function failed(sentence: string): AppError {
  return new AppError("install-failed", sentence);
}
