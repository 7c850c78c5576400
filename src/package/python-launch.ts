// Starts a Python package of the vault: by the interpreter of its environment, whatever its first line says, so that
// the vault can move. Only looks at files. Called by resolve.ts before each start.

import { existsSync, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";
import { AppError } from "../errors.ts";
import type { PinnedPackage } from "../model/server-spec.ts";
import { readHead } from "./entry.ts";
import type { LaunchCommand } from "./launch-command.ts";
import { PYTHON } from "./pypi-venv.ts";
import { homeOf } from "./python-interpreters.ts";

export type PypiPackage = Extract<PinnedPackage, { readonly ecosystem: "pypi" }>;

/**
 * @param args the server's own
 * @param path the PATH that the server would have; the programs of its packages come before it
 * @throws AppError `blocked` when the package or its interpreter is not there
 */
export function pythonLaunch(
  pinned: PypiPackage,
  vaultDirectory: string,
  args: readonly string[],
  path: string,
): LaunchCommand {
  const home = join(vaultDirectory, pinned.directory);
  const entry = join(home, pinned.entry);
  const python = join(home, PYTHON);
  if (!existsSync(home)) throw blocked(`The package ${pinned.name} is not in the vault`);
  const interpreter = realPath(python);
  if (interpreter === undefined) {
    throw blocked(
      `The package ${pinned.name} was installed for Python ${pinned.python}, which is not where it was: ` +
        "install that again, or the package",
    );
  }
  if (!existsSync(entry)) throw blocked(`The package ${pinned.name} is not whole in the vault`);
  const own = homeOf(interpreter);
  const shared = {
    env: {
      PATH: [join(home, "bin"), ...(path === "" ? [] : [path])].join(delimiter),
      // The bytecode is in the package; a protocol on stdout waits for no buffer; packages of the host stay out.
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONUNBUFFERED: "1",
      PYTHONNOUSERSITE: "1",
    },
    reads: own === undefined ? [] : [own],
  };
  if (pinned.entry === PYTHON) return { file: python, args, ...shared };
  if (isPython(entry)) return { file: python, args: [entry, ...args], ...shared };
  return { file: entry, args, ...shared };
}

/** What wheels bring as programs is Python (behind a line for the shell, where the path is long), or native. */
function isPython(entry: string): boolean {
  const head = readHead(entry);
  if (!head.startsWith("#!")) return !head.startsWith("\x7fELF");
  return /^#![^\n]*python/.test(head) || head.startsWith("#!/bin/sh\n'''exec' ");
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function blocked(what: string): AppError {
  return new AppError("blocked", `${what}: install it again with \`toolcrib add --replace\`.`);
}
