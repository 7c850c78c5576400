// The cage of one server as an administrator writes it: what it is granted beside the safe defaults, its limits, and
// the level below which it does not start. A part of the specification: a change of it is a new start.

import * as v from "valibot";
import { HostRuleText } from "./host-rule.ts";

/** What is enforced, the strongest first. */
export const CAGE_LEVELS = ["isolated", "confined", "off"] as const;
export type CageLevel = (typeof CAGE_LEVELS)[number];

const MIB = 1024 ** 2;

/** What a server gets that names no limit of its own. */
export const CAGE_LIMITS = {
  memoryBytes: 1024 * MIB,
  /** Threads count: a JavaScript runtime alone has a dozen. */
  processes: 256,
  /** Processors' worth of time. */
  cpus: 2,
} as const;

const Path = v.pipe(
  v.string(),
  v.maxLength(4096),
  v.startsWith("/", "has to be an absolute path"),
  v.check((path) => !path.includes("\0"), "a NUL character cannot stand in a path"),
);
const Paths = v.pipe(v.array(Path), v.maxLength(256));

/** A value that the server never sees: the egress proxy writes it into one header of requests to one host. */
export const Broker = v.strictObject({
  /** `host:port` without a wildcard. */
  host: v.pipe(
    HostRuleText,
    v.check((host) => !host.startsWith("*"), "has to be one host, without a wildcard"),
  ),
  /** Name of the request header, such as `authorization`. */
  header: v.pipe(v.string(), v.regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, "not the name of a header")),
  /** What takes the place of the placeholder. A secret. */
  value: v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(16_384),
    v.regex(/^[\x20-\x7e]*$/, "has to be one line of printable ASCII"),
  ),
});
export type Broker = v.InferOutput<typeof Broker>;

export const Cage = v.strictObject({
  /** `off` runs the server with all rights of the appliance's user. Absent: `on`. */
  mode: v.optional(v.picklist(["on", "off"], 'has to be "on" or "off"')),
  /** Where the host cannot give at least this, the server is blocked. Absent: `isolated`. */
  minimum: v.optional(v.picklist(["isolated", "confined"], 'has to be "isolated" or "confined"')),
  /** Absolute paths that it may read, and those that it may read and write. */
  read: v.optional(Paths, []),
  write: v.optional(Paths, []),
  /** What it may reach: `host:port`, `*.host:port`, an address and port. Empty: nothing. */
  network: v.optional(v.pipe(v.array(HostRuleText), v.maxLength(256)), []),
  /** Lets it reach what it asks for (never addresses of this host or of private networks) and writes down what. */
  learn: v.optional(v.boolean()),
  /** By the name that `${broker:name}` in its environment refers to. */
  broker: v.optional(v.record(v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9_-]{0,39}$/)), Broker)),
  /** Of its whole process tree. Node does not start below 64 MiB. */
  memoryBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(64 * MIB), v.maxValue(1024 ** 4))),
  /** Processes and threads at one moment. No runtime starts below 16. */
  processes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(16), v.maxValue(32_768))),
  /** Processors' worth of time, such as 0.5. */
  cpus: v.optional(v.pipe(v.number(), v.minValue(0.05), v.maxValue(1024))),
});
export type Cage = v.InferOutput<typeof Cage>;
