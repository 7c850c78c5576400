// What an administrator can adjust, as one table: its schema, default and help. The names follow from the key:
// `maxBodyBytes` is --max-body-bytes, TOOLCRIB_MAX_BODY_BYTES, TOOLCRIB_MAX_BODY_BYTES_FILE and, in toolcrib.toml,
// max_body_bytes. Read once at a start, by the CLI; precedence in that order, then the default.

import { isIPv4, isIPv6 } from "node:net";
import * as v from "valibot";
import {
  namesOf,
  readTable,
  type SettingName,
  type SettingSources,
  type SettingView,
} from "./setting-sources.ts";

export type { SettingName, SettingSources, SettingView };

const SIZES = { "": 1, b: 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 };
const DURATIONS = { "": 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const GIB = SIZES.gib;
const HOUR_MS = DURATIONS.h;

function quantity(units: Readonly<Record<string, number>>, example: string, min: number, max: number) {
  const wanted = `must be ${example}, from ${min} to ${max}`;
  return v.pipe(
    v.union([v.number(), v.string()], wanted),
    v.transform((raw) => {
      const [, digits, unit] = /^(\d{1,15}) ?([a-z]*)$/i.exec(String(raw)) ?? [];
      const factor = units[unit?.toLowerCase() ?? ""];
      return digits === undefined || factor === undefined ? Number.NaN : Number(digits) * factor;
    }),
    v.safeInteger(wanted),
    v.minValue(min, wanted),
    v.maxValue(max, wanted),
  );
}
const size = (min: number, max: number) => quantity(SIZES, 'a size such as 1048576 or "1MiB"', min, max);
const duration = (min: number, max: number) =>
  quantity(DURATIONS, 'a time such as 90000 (ms), "90s" or "8h"', min, max);
const count = (min: number, max: number) => quantity({ "": 1 }, "a whole number", min, max);

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9._-]*[a-z0-9])?)(:\d{1,5})?$/i;

/** At most 64 entries that match: a TOML array, or text with commas between them. */
function list(entry: RegExp, wanted: string) {
  return v.pipe(
    v.union(
      [
        v.pipe(
          v.string(),
          v.transform((text) => text.split(",")),
        ),
        v.array(v.string()),
      ],
      wanted,
    ),
    v.transform((entries) => entries.map((text) => text.trim().toLowerCase()).filter((text) => text !== "")),
    v.maxLength(64, "has more than 64 entries"),
    v.everyItem((text) => entry.test(text), wanted),
    v.readonly(),
  );
}

/** Where to listen; `host` has no brackets, also for IPv6. */
export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

const Listen = v.pipe(
  v.string("must be text"),
  v.transform(parseListen),
  v.custom<ListenAddress>(
    (address) => address !== undefined,
    "must be host:port, such as 127.0.0.1:7700 or [::1]:7700; port 0 lets the system choose",
  ),
);

const PublicUrl = v.pipe(
  v.string("must be text"),
  v.transform((text) => (URL.canParse(text) ? new URL(text) : undefined)),
  v.check(
    (url) => url !== undefined && /^https?:$/.test(url.protocol) && `${url.origin}/` === url.href,
    "must be http://host or https://host, with a port where one is needed, and nothing behind it",
  ),
  v.transform((url) => url?.origin),
);

const Home = v.pipe(v.string(), v.nonEmpty("must be a directory"));

/** The table. An optional entry without a default is undefined until somebody sets it. */
const TABLE = v.pipe(
  v.object({
    home: v.pipe(
      v.optional(Home),
      v.description("Directory that holds settings, data, cache and socket, instead of the usual places"),
    ),
    listen: v.pipe(
      v.optional(Listen, "127.0.0.1:7700"),
      v.description("Address and port for agents and the console"),
    ),
    publicUrl: v.pipe(
      v.optional(PublicUrl),
      v.description("URL under which others reach this appliance, where a proxy stands in front of it"),
    ),
    logLevel: v.pipe(
      v.optional(
        v.picklist(["debug", "info", "warn", "error"], "must be debug, info, warn or error"),
        "info",
      ),
      v.description("Least severity that is logged: debug, info, warn or error"),
    ),
    maxBodyBytes: v.pipe(
      v.optional(size(1024, GIB), "64MiB"),
      v.description("Largest request body of an agent"),
    ),
    maxLineBytes: v.pipe(
      v.optional(size(1024, GIB), "64MiB"),
      v.description("Longest message of a server on its stdout; a longer one ends that server"),
    ),
    maxQueuedBytes: v.pipe(
      v.optional(size(1024, 4 * GIB), "80MiB"),
      v.description("Bytes that may wait for one server that does not read; not less than max_body_bytes"),
    ),
    startTimeoutMs: v.pipe(
      v.optional(duration(100, HOUR_MS), "60s"),
      v.description("Time from the start of a server to the answer of its handshake"),
    ),
    callTimeoutMs: v.pipe(
      v.optional(duration(100, 24 * HOUR_MS), "10m"),
      v.description("Time from a request to its answer; progress begins it anew"),
    ),
    parallelStarts: v.pipe(
      v.optional(count(1, 64), "4"),
      v.description("Servers that may be starting at one moment"),
    ),
    idleStopMs: v.pipe(
      v.optional(duration(0, 24 * HOUR_MS), "15m"),
      v.description("Time without a call after which a server is stopped until it is needed; 0 is never"),
    ),
    hostMemoryBytes: v.pipe(
      v.optional(v.union([v.literal("auto"), size(64 * SIZES.mib, 1024 * GIB)]), "auto"),
      v.description("Memory that all servers together may use: a size, or auto for 80% of the host's"),
    ),
    hostProcesses: v.pipe(
      v.optional(count(16, 4_000_000), "16384"),
      v.description("Processes and threads that all servers together may have"),
    ),
    maxInstancesPerServer: v.pipe(
      v.optional(count(1, 10_000), "64"),
      v.description("Processes at once of one server that has one for each caller or session"),
    ),
    maxInstances: v.pipe(
      v.optional(count(1, 100_000), "500"),
      v.description("Processes at once of all servers together"),
    ),
    vaultMaxBytes: v.pipe(
      v.optional(size(64 * SIZES.mib, 1024 * GIB), "20GiB"),
      v.description("Size of the vault above which versions that no server uses are removed early"),
    ),
    cageWithout: v.pipe(
      v.optional(
        list(
          /^(user-namespaces|namespaces|landlock|cgroups|proc|idmap)$/,
          "must be of user-namespaces, namespaces, landlock, cgroups, proc and idmap",
        ),
        "",
      ),
      v.description("Mechanisms of the kernel that cages do not use, as if the host lacked them"),
    ),
    maxSessions: v.pipe(
      v.optional(count(1, 1_000_000), "10000"),
      v.description("Sessions of agents at one moment"),
    ),
    sessionIdleMs: v.pipe(
      v.optional(duration(1000, 7 * 24 * HOUR_MS), "8h"),
      v.description("Time after which an unused session is forgotten"),
    ),
    allowedHosts: v.pipe(
      v.optional(list(HOST, 'must be names such as "tools.example.com" or "10.0.0.5:7700"'), ""),
      v.description("Host names that requests may carry, beside loopback, listen and public_url"),
    ),
    allowedOrigins: v.pipe(
      v.optional(
        list(/^[a-z][a-z0-9+.-]*:\/\/[^\s/]+$/, 'must be origins such as "https://app.example.com"'),
        "",
      ),
      v.description("Origins of web pages that may send requests, beside the appliance's own"),
    ),
  }),
  v.forward(
    v.partialCheck(
      [["maxBodyBytes"], ["maxQueuedBytes"]],
      ({ maxBodyBytes, maxQueuedBytes }) => maxQueuedBytes >= maxBodyBytes,
      "must not be less than max_body_bytes, or the largest request could never be sent to a server",
    ),
    ["maxQueuedBytes"],
  ),
);

export type Settings = Readonly<v.InferOutput<typeof TABLE>>;
export type LogLevel = Settings["logLevel"];

/** The names of every setting, in the order of the table: what the command line offers as options. */
export const SETTING_NAMES: readonly SettingName[] = namesOf(TABLE);

/**
 * Every setting, and for a person where each came from.
 * @throws AppError `usage` for a flag; `bad-configuration` for a variable or a file, with file, line and key.
 */
export function readSettings(sources: SettingSources): { settings: Settings; views: readonly SettingView[] } {
  return readTable(TABLE, sources);
}

function parseListen(text: string): ListenAddress | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+)):(\d{1,5})$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535) return undefined;
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host, port } : undefined;
  // Digits and dots that are no address would be looked up as a name, and fail late and strangely.
  return /^[\d.]+$/.test(host) && !isIPv4(host) ? undefined : { host, port };
}
