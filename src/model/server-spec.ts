// What a server is: the specification that an admin adds and the store keeps. Everything that decides how the
// server runs is in here, so that equal specifications mean an untouched process.

import * as v from "valibot";
import { Cage } from "./cage.ts";

/** 1 to 40 of a-z 0-9 - _, begins with a letter or digit, no `__` (it separates server and tool). */
export const ServerName = v.pipe(
  v.string(),
  v.regex(
    /^(?!.*__)[a-z0-9][a-z0-9_-]{0,38}[a-z0-9]$|^[a-z0-9]$/,
    "a server name has 1 to 40 of a-z, 0-9, - and _, starts and ends with a letter or digit, and has no double underscore",
  ),
);

const Text = v.pipe(
  v.string(),
  v.maxLength(32_768),
  v.check((text) => !text.includes("\0"), "a NUL character cannot be passed to a program"),
);

export const EnvironmentName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "not the name of a variable"),
);

const timeouts = {
  /** From the start of the process to the answer of its handshake, in milliseconds. */
  startTimeoutMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(100), v.maxValue(3_600_000))),
  /** From a request to its answer; progress begins it anew. In milliseconds. */
  callTimeoutMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(100), v.maxValue(86_400_000))),
};

/** A day is long enough: a server that may never be stopped says 0. */
const MAX_IDLE_STOP_MS = 86_400_000;

const supervision = {
  /** Without a call, a stream or a waiting caller for this long it is stopped until it is needed. 0: never. */
  idleStopMs: v.optional(
    v.pipe(
      v.number(),
      v.integer(),
      v.maxValue(MAX_IDLE_STOP_MS),
      v.check((ms) => ms === 0 || ms >= 1000, "has to be 0 (never) or at least 1000"),
    ),
  ),
  /** Whether it is pinged while nobody calls it, and started anew when it does not answer. Absent: it is. */
  health: v.optional(v.boolean()),
};

/** Whom one process serves: everybody, one caller, or one session (a request without one counts as its caller's). */
export const ISOLATIONS = ["shared", "caller", "session"] as const;
export type Isolation = (typeof ISOLATIONS)[number];

/** Keys of an imported file that Toolcrib does not act on: kept for export, named when added. */
const extra = v.optional(v.record(v.string(), v.unknown()), {});

export const StdioSpec = v.strictObject({
  kind: v.literal("stdio"),
  command: v.pipe(Text, v.nonEmpty("the command is empty")),
  args: v.optional(v.array(Text), []),
  env: v.optional(v.record(EnvironmentName, Text), {}),
  cwd: v.optional(v.pipe(Text, v.startsWith("/"))),
  cage: v.optional(Cage, {}),
  /** Packages whose install scripts may run, or which may be built, when this server's package is installed. */
  scripts: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.regex(/^@?[\w.-]+(?:\/[\w.-]+)?$/, "not the name of a package"))),
      v.maxLength(64),
    ),
  ),
  /** Absent: `shared`. NB: no default, or every hash of a specification would change. */
  isolation: v.optional(v.picklist(ISOLATIONS, 'has to be "shared", "caller" or "session"')),
  /** Of `shared`: processes at once at most, started as calls come. Absent: one. */
  instances: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64))),
  ...supervision,
  ...timeouts,
  extra,
});

export const HttpSpec = v.strictObject({
  kind: v.literal("http"),
  url: v.pipe(
    Text,
    v.url("not a URL"),
    v.regex(/^https?:\/\//i, "only http:// and https:// servers can be reached"),
  ),
  headers: v.optional(
    v.record(v.pipe(v.string(), v.regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "not the name of a header")), Text),
    {},
  ),
  ...supervision,
  ...timeouts,
  extra,
});

export const ServerSpec = v.variant("kind", [StdioSpec, HttpSpec]);

export type StdioSpec = v.InferOutput<typeof StdioSpec>;
export type HttpSpec = v.InferOutput<typeof HttpSpec>;
export type ServerSpec = v.InferOutput<typeof ServerSpec>;

const pinned = {
  name: v.string(),
  version: v.string(),
  /** Directory below the vault, relative, so that the vault can move. */
  directory: v.string(),
  /** The program to run, relative to `directory`. */
  entry: v.string(),
  /** SHA-256, hex, of the whole tree in `directory`; what the vault checks it by. */
  tree: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))),
};

/** A package that `add` resolved, installed and verified: what a start uses instead of a registry. */
export const PinnedPackage = v.variant("ecosystem", [
  v.strictObject({
    ecosystem: v.literal("npm"),
    ...pinned,
    /** Subresource integrity of the package's own archive, from the lockfile (`sha512-…`). */
    integrity: v.string(),
  }),
  v.strictObject({
    ecosystem: v.literal("pypi"),
    ...pinned,
    /** Subresource integrity of the package's own wheel or, where it was built, of its source (`sha256-…`). */
    integrity: v.string(),
    /** Version of the interpreter that it was installed for, such as `3.12.3`. */
    python: v.string(),
  }),
  v.strictObject({
    ecosystem: v.literal("mcpb"),
    ...pinned,
    /** Subresource integrity of the bundle's file (`sha256-…`). */
    integrity: v.string(),
  }),
]);
export type PinnedPackage = v.InferOutput<typeof PinnedPackage>;

/** One server as configured. `package` is there for what the vault installed. */
export interface ConfiguredServer {
  readonly name: string;
  readonly spec: ServerSpec;
  readonly package: PinnedPackage | undefined;
  readonly enabled: boolean;
  /** SHA-256, hex, over everything that decides how the server runs. */
  readonly specHash: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}
