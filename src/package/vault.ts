// The vault at work: looks at a package before it is started, keeps what is damaged from being run, and has it made
// again. app.ts makes the one vault; each start of a server asks it first.

import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AppError, systemErrorCode, toAppError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { PinnedPackage } from "../model/server-spec.ts";
import { keepManifest, readManifest, touchManifest } from "./manifest-file.ts";
import { discard } from "./staging.ts";
import { describeTree, fingerprintTree } from "./tree-scan.ts";
import { treeDifference, treeHash } from "./tree.ts";

/** Where damaged trees wait for somebody to look at them, or for the collector. */
export const DAMAGED = ".damaged";

/** Where a damaged package is moved, both relative to the vault. */
export function damagedPlace(directory: string): string {
  return join(DAMAGED, directory.replaceAll("/", "+"));
}

export type Verdict = "ok" | { readonly problem: string };

const NO_WAY = "add it again with `toolcrib add --replace`.";

/** A package whose whole tree is known. */
export type KnownPackage = PinnedPackage & { readonly tree: string };

/**
 * Puts the very same tree into its place again: same versions, same hashes.
 * @param damaged where the broken one lies; undefined where it is lost
 * @throws AppError that says why it cannot be made again
 */
export type Reinstall = (pinned: KnownPackage, damaged: string | undefined) => Promise<void>;

export interface VaultOptions {
  /** Absolute. */
  readonly directory: string;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export class Vault {
  readonly #options: VaultOptions;
  /** By directory: trees that were read whole and were right, and what told them apart then. */
  readonly #proven = new Map<string, { readonly tree: string; readonly fingerprint: string }>();
  /** By directory: servers may share a package, and start at once. Where one is blocked, so are those that wait. */
  readonly #looking = new Map<string, Promise<void>>();

  constructor(options: VaultOptions) {
    this.#options = options;
  }

  get directory(): string {
    return this.#options.directory;
  }

  /**
   * Whether the package is what was installed. Reads all of it the first time, later only when size, times or inodes
   * differ. Never rejects for what is on the disk.
   */
  async verify(pinned: PinnedPackage): Promise<Verdict> {
    const at = this.#placeOf(pinned);
    try {
      const tree = pinned.tree ?? (await keepManifest(at));
      const fingerprint = await fingerprintTree(at);
      const proven = this.#proven.get(pinned.directory);
      if (proven?.tree === tree && proven.fingerprint === fingerprint) return "ok";
      const found = await describeTree(at);
      if (treeHash(found) !== tree) return { problem: await whatDiffers(at, tree, found) };
      this.#proven.set(pinned.directory, { tree, fingerprint });
      return "ok";
    } catch (thrown) {
      return { problem: whyUnreadable(thrown) };
    }
  }

  /**
   * Resolves when the package may be started. What is damaged is moved aside first, in every case.
   * @throws AppError `blocked` when it could not be made again
   */
  async ensure(pinned: PinnedPackage, reinstall: Reinstall | undefined): Promise<void> {
    const { directory } = pinned;
    const running = this.#looking.get(directory);
    if (running !== undefined) {
      await running;
      // Cheap by now, and it may have been somebody with another tree.
      return this.ensure(pinned, reinstall);
    }
    const looking = this.#ensure(pinned, reinstall).finally(() => this.#looking.delete(directory));
    this.#looking.set(directory, looking);
    return looking;
  }

  async #ensure(pinned: PinnedPackage, reinstall: Reinstall | undefined): Promise<void> {
    const at = this.#placeOf(pinned);
    const verdict = await this.verify(pinned);
    if (verdict === "ok") return touchManifest(at, this.#options.now());
    const title = `${pinned.name}@${pinned.version}`;
    this.#options.log.warn("package damaged", { package: title, problem: verdict.problem });
    const manifest = pinned.tree === undefined ? await readManifest(at) : undefined;
    const tree = pinned.tree ?? (manifest && treeHash(manifest));
    const damaged = await this.#moveAside(pinned);
    try {
      if (reinstall === undefined || tree === undefined) throw new AppError("install-failed", NO_WAY);
      await reinstall({ ...pinned, tree }, damaged);
      const again = await this.verify({ ...pinned, tree });
      if (again !== "ok") throw new AppError("install-failed", `once more, ${again.problem}`);
    } catch (thrown) {
      await this.#moveAside(pinned);
      throw blocked(title, verdict.problem, thrown);
    }
    if (damaged !== undefined) await discard(this.directory, damaged);
    this.#options.log.info("package made again", { package: title });
  }

  /** Where the damaged tree lies now: also one that an earlier attempt moved there. Undefined where none is left. */
  async #moveAside(pinned: PinnedPackage): Promise<string | undefined> {
    const at = this.#placeOf(pinned);
    const aside = join(this.directory, damagedPlace(pinned.directory));
    this.#proven.delete(pinned.directory);
    if (existsSync(at)) {
      await mkdir(dirname(aside), { recursive: true, mode: 0o700 });
      await discard(this.directory, aside);
      await rename(at, aside);
    }
    return existsSync(aside) ? aside : undefined;
  }

  #placeOf(pinned: PinnedPackage): string {
    return join(this.directory, pinned.directory);
  }
}

/** NB: the manifest lies on the same disk: it counts only when it is the one that was pinned. */
async function manifestOf(directory: string, tree: string): Promise<string | undefined> {
  const manifest = await readManifest(directory);
  return manifest !== undefined && treeHash(manifest) === tree ? manifest : undefined;
}

async function whatDiffers(directory: string, tree: string, found: string): Promise<string> {
  const manifest = await manifestOf(directory, tree);
  return (manifest && treeDifference(manifest, found)) ?? "its files are not those that were installed";
}

function whyUnreadable(thrown: unknown): string {
  if (thrown instanceof AppError) return thrown.message;
  const code = systemErrorCode(thrown);
  if (code === "ENOENT") return "it is not in the vault";
  return `it cannot be read (${code ?? toAppError(thrown).message})`;
}

function blocked(title: string, problem: string, cause: unknown): AppError {
  return new AppError(
    "blocked",
    `The package ${title} is not run: ${problem.replace(/\.$/, "")}. It could not be made again: ${toAppError(cause).message}`,
    { cause },
  );
}
