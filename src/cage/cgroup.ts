// The control group of one start of a server: a directory in each hierarchy. Whoever created it ends it with `kill`
// and `remove`. Made by cgroups.ts.

import { join } from "node:path";
import type { CgroupFiles } from "./cgroup-files.ts";
import { CONTROLLERS, FIGURES, type Limits, type Resource, type Usage } from "./cgroup-controllers.ts";
import type { Site } from "./cgroup-sites.ts";

/** A limit as it was read back. */
export interface LimitFact {
  /** `cgroup v1` or `cgroup v2`. */
  readonly mechanism: string;
  /** Bytes, processes or processors. */
  readonly limit: number;
}

/** What is in force for the whole tree of a server, read back from the kernel. */
export interface LimitFacts {
  readonly memory?: LimitFact;
  readonly pids?: LimitFact;
  readonly cpu?: LimitFact;
  /** All that is in the group can be ended, whatever it does. */
  readonly killable: boolean;
}

export interface GroupOptions {
  readonly files: CgroupFiles;
  readonly sites: readonly Site[];
  /** Of its directory in every site. */
  readonly name: string;
  /** Of the appliance, which is never killed. */
  readonly pid: number;
  readonly signal: (pid: number) => void;
  readonly patience: Patience;
}

/** How long to wait for the kernel to let go of what was killed. */
export interface Patience {
  readonly deadlineMs: number;
  readonly sleep: (ms: number) => Promise<void>;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 50;

interface Part extends Pick<Site, "version" | "resources"> {
  readonly directory: string;
}

export class Group {
  readonly name: string;
  /** Whoever writes "0" to all of them is in the group, and so is what it starts: for LaunchPlan.cgroups. */
  readonly procsFiles: readonly string[];
  readonly #options: GroupOptions;
  readonly #parts: readonly Part[];

  constructor(options: GroupOptions) {
    this.#options = options;
    this.name = options.name;
    this.#parts = options.sites.map((site) => ({ ...site, directory: join(site.directory, options.name) }));
    // NB: `tasks` of version 1 moves the writer alone, which has one thread. `cgroup.procs` would do the same, but
    // waits for every processor first: 13 ms on an idle host.
    this.procsFiles = this.#parts.map(({ version, directory }) =>
      join(directory, version === 1 ? "tasks" : "cgroup.procs"),
    );
  }

  /** Called once, by cgroups.ts. Undefined when all of it is there, else what was refused. */
  make(limits: Limits): string | undefined {
    const { files } = this.#options;
    for (const { version, directory, resources } of this.#parts) {
      const code = files.makeDirectory(directory);
      if (code !== undefined) return `${directory} cannot be made (${code})`;
      for (const resource of resources) {
        const refused = CONTROLLERS[version][resource].limit(files, directory, limits);
        if (refused !== undefined) return `the limit of ${resource} in ${directory} was refused (${refused})`;
      }
    }
    return undefined;
  }

  /** Read now. What was removed or changed by somebody else shows. */
  facts(): LimitFacts {
    return {
      ...this.#fact("memory"),
      ...this.#fact("pids"),
      ...this.#fact("cpu"),
      killable: this.#isKillable(),
    };
  }

  usage(): Usage {
    return {
      memoryBytes: this.#figure("memoryBytes"),
      memoryPeakBytes: this.#figure("memoryPeakBytes"),
      processes: this.#figure("processes"),
      cpuSeconds: this.#figure("cpuSeconds"),
    };
  }

  /** How many of its processes the kernel ended because the memory limit was reached, since it was made. */
  oomKills(): number {
    return this.#figure("oomKills") ?? 0;
  }

  /** Ends all that is in it. True when it is empty, false when something was left at the deadline. */
  async kill(): Promise<boolean> {
    const { files, signal } = this.#options;
    return this.#retry(() => {
      const pids = this.#processes();
      if (pids.length === 0) return true;
      for (const { version, directory, resources } of this.#parts) {
        if (version === 2) files.write(join(directory, "cgroup.kill"), "1");
        // Nothing new begins while the rest is ended.
        if (resources.includes("pids")) files.write(join(directory, "pids.max"), "0");
      }
      // NB: version 1 has no cgroup.kill, nor has 2 before Linux 5.14. A number that was just read could only be
      // another process's if all numbers came around within these microseconds.
      for (const pid of pids) signal(pid);
      return false;
    });
  }

  /** Takes it away, once it is empty. False when it could not be at the deadline. */
  async remove(): Promise<boolean> {
    const { files } = this.#options;
    return this.#retry(() => {
      const codes = this.#parts.map(({ directory }) => files.removeDirectory(directory));
      return codes.every((code) => code === undefined || code === "ENOENT");
    });
  }

  /** NB: 0 is a process of another name space, 1 is init: neither is a server's. */
  #processes(): readonly number[] {
    const { files, pid: own } = this.#options;
    const pids = this.#parts.flatMap(({ directory }) =>
      (files.read(join(directory, "cgroup.procs")) ?? "").split("\n").map(Number),
    );
    return [...new Set(pids)].filter((pid) => pid > 1 && pid !== own);
  }

  #isKillable(): boolean {
    const { files } = this.#options;
    return this.#parts.some(({ directory, resources }) =>
      files.exists(join(directory, resources.includes("pids") ? "pids.max" : "cgroup.kill")),
    );
  }

  #fact(resource: Resource): Partial<Record<Resource, LimitFact>> {
    const part = this.#parts.find(({ resources }) => resources.includes(resource));
    if (part === undefined) return {};
    const limit = CONTROLLERS[part.version][resource].limitOf(this.#options.files, part.directory);
    return limit === undefined ? {} : { [resource]: { mechanism: `cgroup v${part.version}`, limit } };
  }

  #figure(name: keyof typeof FIGURES): number | undefined {
    for (const { directory } of this.#parts) {
      for (const figure of FIGURES[name]) {
        const value = figure(this.#options.files, directory);
        if (value !== undefined) return value;
      }
    }
    return undefined;
  }

  async #retry(isDone: () => boolean): Promise<boolean> {
    const { deadlineMs, sleep, now } = this.#options.patience;
    const deadline = now() + deadlineMs;
    for (let waitMs = FIRST_WAIT_MS; !isDone(); waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      if (now() >= deadline) return false;
      await sleep(waitMs);
    }
    return true;
  }
}
