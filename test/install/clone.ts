// A clone in which install.sh can be run without harm: the script itself and what it reads, an npm that "builds" a fake
// executable, and a PATH in which each program can be replaced or left out. A home and a state directory of its own.

import { existsSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

/** What install.sh calls, apart from what stands in for npm, id, uname and df. */
const PROGRAMS =
  "sh sed tr grep awk find cmp cp mv mkdir chmod rm sleep kill tail cat install env dirname setsid readlink".split(
    " ",
  );

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Clone {
  readonly directory: string;
  readonly home: string;
  readonly state: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.home = join(directory, "home");
    this.state = join(directory, "state");
  }

  /** As a plain user, on a machine that has all that is needed. */
  static async create(): Promise<Clone> {
    const clone = new Clone(await mkdtemp(join(tmpdir(), "toolcrib-install-")));
    for (const name of ["home", "state", "path", "clone/src"]) {
      await mkdir(join(clone.directory, name), { recursive: true });
    }
    for (const name of ["install.sh", "packaging", "package-lock.json"]) {
      await cp(join(root, name), join(clone.directory, "clone", name), { recursive: true });
    }
    await writeFile(join(clone.directory, "clone/src/main.ts"), "");
    for (const name of PROGRAMS) {
      const path = Bun.which(name);
      if (path !== null) await symlink(path, join(clone.directory, "path", name));
    }
    await clone.program("id", 'case "$*" in -u) echo 1000 ;; -un) echo somebody ;; *) exit 1 ;; esac');
    await clone.program("uname", 'case "$1" in -s) echo Linux ;; -m) echo x86_64 ;; esac');
    await clone.program("df", "echo head; echo '/dev/x 9999999 1 9999999 1% /'");
    await clone.program("npm", 'mkdir -p dist && cp "$FAKE_PROGRAM" dist/toolcrib');
    await clone.file("scripts/bun.sh", "echo 1.4.5\n");
    return clone;
  }

  /** Puts a shell script into PATH, in the place of what was there. */
  async program(name: string, script: string): Promise<void> {
    const path = join(this.directory, "path", name);
    await rm(path, { force: true });
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
  }

  async without(name: string): Promise<void> {
    await rm(join(this.directory, "path", name), { force: true });
  }

  /** Writes a file of the clone. */
  async file(name: string, text: string): Promise<void> {
    const path = join(this.directory, "clone", name);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, text);
  }

  async removeFile(name: string): Promise<void> {
    await rm(join(this.directory, "clone", name));
  }

  async run(args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}): Promise<Ran> {
    const child = Bun.spawn(["sh", join(this.directory, "clone/install.sh"), ...args], {
      cwd: this.directory,
      env: {
        PATH: join(this.directory, "path"),
        HOME: this.home,
        FAKE_STATE: this.state,
        FAKE_PROGRAM: join(import.meta.dir, "fake-toolcrib.sh"),
        ...env,
      },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [code, stdout, stderr] = await Promise.all([
      child.exited,
      child.stdout.text(),
      child.stderr.text(),
    ]);
    return { code, stdout, stderr };
  }

  /** Every path below the directory, so that two listings show what changed. */
  async listing(): Promise<readonly string[]> {
    return (await readdir(this.directory, { recursive: true })).toSorted();
  }

  /** The process that the fake executable wrote down, while it runs. */
  async pid(): Promise<number | undefined> {
    const file = join(this.state, "pid");
    return existsSync(file) ? Number(await readFile(file, "utf8")) : undefined;
  }

  async calls(): Promise<readonly string[]> {
    const file = join(this.state, "calls");
    return existsSync(file) ? (await readFile(file, "utf8")).trimEnd().split("\n") : [];
  }

  async remove(): Promise<void> {
    const pid = await this.pid();
    if (pid !== undefined) process.kill(pid, "SIGTERM");
    while (existsSync(join(this.state, "pid"))) await Bun.sleep(20);
    await rm(this.directory, { recursive: true, force: true });
  }
}
