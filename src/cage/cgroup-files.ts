// The few things that are done with files of control groups. Errors are codes (`EBUSY`), because most of them are
// answers and no surprises; tests bring a kernel of their own. Called by the other cgroup files.

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeSync,
} from "node:fs";
import { systemErrorCode } from "../errors.ts";

/** Of one file: the longest is a list of processes, and a group holds some ten thousand at most. */
const MAX_TEXT = 1_048_576;

export interface CgroupFiles {
  exists(path: string): boolean;
  isWritable(path: string): boolean;
  /** Undefined when it is not there or may not be read. */
  read(path: string): string | undefined;
  /** Undefined when it was taken, else why not. Never makes a file. */
  write(path: string, text: string): string | undefined;
  makeDirectory(path: string): string | undefined;
  removeDirectory(path: string): string | undefined;
  /** Names of the directories in it. */
  directories(path: string): readonly string[];
}

/** All calls are synchronous: these files are the kernel's memory, and each takes some microseconds. */
export const kernelFiles: CgroupFiles = {
  exists: existsSync,
  isWritable: (path) => codeOf(() => accessSync(path, constants.W_OK)) === undefined,
  read(path) {
    try {
      return readFileSync(path, "utf8").slice(0, MAX_TEXT);
    } catch {
      return undefined;
    }
  },
  write: (path, text) =>
    codeOf(() => {
      const file = openSync(path, constants.O_WRONLY);
      try {
        writeSync(file, text);
      } finally {
        closeSync(file);
      }
    }),
  makeDirectory: (path) => codeOf(() => void mkdirSync(path, 0o755)),
  removeDirectory: (path) => codeOf(() => rmdirSync(path)),
  directories(path) {
    try {
      return readdirSync(path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name);
    } catch {
      return [];
    }
  },
};

function codeOf(act: () => void): string | undefined {
  try {
    act();
    return undefined;
  } catch (thrown) {
    return systemErrorCode(thrown) ?? "unknown error";
  }
}
