// The files below a directory with what a test of the vault asks about them. Called by the tests of the package room.

import { lstatSync } from "node:fs";

export interface TreeFile {
  /** Absolute. */
  readonly path: string;
  readonly mode: number;
  readonly links: number;
}

/** Links are not among them. */
export function readTreeFiles(directory: string): readonly TreeFile[] {
  const paths = new Bun.Glob("**/*").scanSync({
    cwd: directory,
    absolute: true,
    dot: true,
    followSymlinks: false,
  });
  return Array.from(paths, (path) => {
    const { mode, nlink } = lstatSync(path);
    return { path, mode, links: nlink };
  }).filter(({ mode }) => (mode & 0o170000) === 0o100000);
}
