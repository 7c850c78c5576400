// Finds a program of the host as an absolute path, without a shell and without trusting the working directory. Called
// by resolve.ts and python.ts.

import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";

/**
 * `command` as an absolute path of a file that may be run. A bare name is looked up in the absolute folders of `path`
 * (a PATH variable); a relative path counts from `directory`.
 */
export function findProgram(command: string, path: string, directory: string): string | undefined {
  if (command.includes("/")) {
    const file = resolve(directory, command);
    return isProgram(file) ? file : undefined;
  }
  const folders = path.split(delimiter).filter((folder) => isAbsolute(folder));
  return folders.map((folder) => join(folder, command)).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
