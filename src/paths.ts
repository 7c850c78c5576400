// Where everything lies: one of three layouts, chosen by who runs the program. app.ts makes the directories with
// `prepare`; the CLI uses the same layouts to find the socket of a running appliance.

import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  statSync,
} from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { AppError, systemErrorCode } from "./errors.ts";

export interface Paths {
  readonly layout: "home" | "service" | "user";
  /** Directory of toolcrib.toml. It may be missing, and need not be writable. */
  readonly config: string;
  /** What must not be lost: database, packages, working directories. */
  readonly data: string;
  /** What can be made again. */
  readonly cache: string;
  /** What is gone after a restart. */
  readonly run: string;
  readonly settingsFile: string;
  readonly database: string;
  /** Installed packages, a directory a version. */
  readonly vault: string;
  /** Working directories of servers. */
  readonly work: string;
  /** What servers wrote to their stderr. */
  readonly logs: string;
  /** Directory of the unpacked launcher. NB: below data, because /run is often mounted noexec. */
  readonly launcher: string;
  readonly socket: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** A Unix socket's address holds 108 bytes, the last of them NUL (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;
const SERVICE = {
  layout: "service",
  config: "/etc/toolcrib",
  data: "/var/lib/toolcrib",
  cache: "/var/cache/toolcrib",
  run: "/run/toolcrib",
} as const;

/**
 * A home (the flag, else TOOLCRIB_HOME) moves everything; else root, or TOOLCRIB_SERVICE=1, has the places of a
 * system service; else a user has those of the XDG base directories. Makes nothing.
 * @throws AppError `bad-configuration` when the path of the socket is longer than the system allows.
 */
export function paths(env: Environment, uid: number, home?: string): Paths {
  const given = home ?? env["TOOLCRIB_HOME"];
  if (given) return complete({ layout: "home", ...belowHome(resolve(given)) });
  if (uid === 0 || env["TOOLCRIB_SERVICE"] === "1") return complete(SERVICE);
  return complete({ layout: "user", ...xdg(env) });
}

/** Sockets at which an appliance may answer, the likeliest first. A home that was asked for is the only place. */
export function socketCandidates(own: Paths): readonly string[] {
  const service = socketIn(SERVICE.run);
  return own.layout === "user" ? [own.socket, service] : [own.socket];
}

/**
 * Makes the directories that the appliance writes to, closed to everybody else; what stood open is closed. Of root,
 * those that lead to what servers with uids of their own run can be passed through, but not listed; the files in
 * `data` itself are closed one by one.
 * @throws AppError `bad-configuration` naming the directory, who runs this and what mends it; `no-space`.
 */
export function prepare(where: Paths): void {
  const open = process.getuid?.() === 0 ? 0o711 : 0o700;
  const modes = new Map([
    ...[where.data, where.vault, where.work, where.launcher].map((directory) => [directory, open] as const),
    ...[where.cache, where.run].map((directory) => [directory, 0o700] as const),
  ]);
  for (const [directory, mode] of modes) {
    try {
      // Also of a home that is made with it; one that is there stays as it is.
      mkdirSync(directory, { recursive: true, mode });
      refuseForeign(directory);
      if ((statSync(directory).mode & 0o077) !== (mode & 0o077)) chmodSync(directory, mode);
      accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      throw notWritable(directory, error);
    }
  }
}

/** NB: only what lies in it directly: databases, their logs and locks. */
export function closeFiles(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isFile()) chmodSync(join(directory, entry.name), 0o600);
  }
}

/** NB: the link too, where it is one: root would close whatever directory a stranger's link points to. */
function refuseForeign(directory: string): void {
  const uid = process.getuid?.() ?? 0;
  const owner = [lstatSync(directory), statSync(directory)].find(
    (facts) => ![uid, 0].includes(facts.uid),
  )?.uid;
  if (owner === undefined) return;
  throw new AppError(
    "bad-configuration",
    `${directory} belongs to uid ${owner}, who could change what uid ${uid} runs from it: run this as its owner, ` +
      `give it away with "sudo chown -h -R ${uid} ${shellWord(directory)}", or choose another place with --home.`,
    { details: { path: directory, owner } },
  );
}

type Roots = Pick<Paths, "layout" | "config" | "data" | "cache" | "run">;

function belowHome(home: string): Omit<Roots, "layout"> {
  return { config: home, data: join(home, "data"), cache: join(home, "cache"), run: join(home, "run") };
}

/** XDG Base Directory Specification 0.8: a path that is not absolute is ignored. */
function xdg(env: Environment): Omit<Roots, "layout"> {
  const absolute = (name: string) => {
    const path = env[name];
    return path !== undefined && isAbsolute(path) ? path : undefined;
  };
  const home = absolute("HOME") ?? homedir();
  const data = join(absolute("XDG_DATA_HOME") ?? join(home, ".local", "share"), "toolcrib");
  const runtime = absolute("XDG_RUNTIME_DIR");
  return {
    config: join(absolute("XDG_CONFIG_HOME") ?? join(home, ".config"), "toolcrib"),
    data,
    cache: join(absolute("XDG_CACHE_HOME") ?? join(home, ".cache"), "toolcrib"),
    run: runtime === undefined ? join(data, "run") : join(runtime, "toolcrib"),
  };
}

function complete(roots: Roots): Paths {
  const socket = socketIn(roots.run);
  const bytes = Buffer.byteLength(socket);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    throw new AppError(
      "bad-configuration",
      `The path of the admin socket has ${bytes} bytes and the system allows ${MAX_SOCKET_PATH_BYTES}: ${socket}. ` +
        "Choose a shorter directory with --home or TOOLCRIB_HOME.",
      { details: { path: socket, bytes, maxBytes: MAX_SOCKET_PATH_BYTES } },
    );
  }
  return {
    ...roots,
    settingsFile: join(roots.config, "toolcrib.toml"),
    database: join(roots.data, "toolcrib.db"),
    vault: join(roots.data, "vault"),
    work: join(roots.data, "work"),
    logs: join(roots.data, "logs"),
    launcher: join(roots.data, "launcher"),
    socket,
  };
}

function socketIn(run: string): string {
  return join(run, "admin.sock");
}

function notWritable(directory: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  const code = systemErrorCode(error) ?? "unknown error";
  const options = { cause: error, details: { path: directory, code } };
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new AppError(
      "no-space",
      `There is no space left to make ${directory}: free some, then start again.`,
      options,
    );
  }
  // NB: not by name: Bun's userInfo() believes $USER, and in a container the number often has none.
  const uid = process.getuid?.() ?? 0;
  const [reason, mend] = reasonFor(code, directory, uid);
  return new AppError(
    "bad-configuration",
    `${directory} cannot be used by uid ${uid}, which runs this: ${reason}. ${mend}, or choose another place with --home.`,
    options,
  );
}

function reasonFor(code: string, directory: string, uid: number): readonly [reason: string, mend: string] {
  const quoted = shellWord(directory);
  if (code === "EROFS") return ["the file system is read-only", "Mount it for writing"];
  if (code === "EEXIST" || code === "ENOTDIR") {
    return ["there is something else in its place", `Look at it with "ls -ld ${quoted}" and move it away`];
  }
  const command = existsSync(directory)
    ? `chown -R ${uid} ${quoted}`
    : `install -d -m 0700 -o ${uid} ${quoted}`;
  return [`permission is missing (${code})`, `Run "sudo ${command}"`];
}

/** For commands that a person copies into a shell. */
function shellWord(text: string): string {
  return /^[\w./+@:-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
