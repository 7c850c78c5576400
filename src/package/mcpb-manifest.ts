// The manifest.json of an MCP bundle (MCPB manifest 0.1 to 0.4, and its older name DXT): what it runs, and what it asks
// the person who installs it. Pure. Called by mcpb.ts and by the import planner.

import * as v from "valibot";
import { AppError } from "../errors.ts";
import { printable, quoted } from "../model/printable.ts";
import { isPlainPath } from "./tree.ts";

export const MAX_MANIFEST_BYTES = 1_048_576;

const Line = v.pipe(v.string(), v.maxLength(32_768));
const Lines = v.pipe(v.array(Line), v.maxLength(1_000));
const Variables = v.record(v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/)), Line);

const Command = { command: Line, args: v.optional(Lines, []), env: v.optional(Variables, {}) };
const McpConfig = v.looseObject({
  ...Command,
  platform_overrides: v.optional(
    v.record(v.string(), v.partial(v.looseObject({ command: Line, args: Lines, env: Variables }))),
    {},
  ),
});

const UserConfig = v.looseObject({
  type: v.picklist(["string", "number", "boolean", "directory", "file"]),
  title: v.optional(Line, ""),
  description: v.optional(Line, ""),
  required: v.optional(v.boolean(), false),
  default: v.optional(v.union([Line, v.number(), v.boolean(), Lines])),
  multiple: v.optional(v.boolean(), false),
  sensitive: v.optional(v.boolean(), false),
  min: v.optional(v.number()),
  max: v.optional(v.number()),
});

const EntryPoint = v.pipe(
  Line,
  v.transform((path) => path.replace(/^\.\//, "")),
  v.check(isPlainPath, "is not a path inside of the bundle"),
);

const Manifest = v.looseObject({
  manifest_version: v.optional(v.string()),
  dxt_version: v.optional(v.string()),
  name: v.pipe(v.string(), v.nonEmpty(), v.maxLength(214)),
  version: v.pipe(v.string(), v.nonEmpty(), v.maxLength(100)),
  description: v.optional(Line, ""),
  server: v.variant("type", [
    v.looseObject({
      type: v.picklist(["node", "python", "binary"]),
      entry_point: EntryPoint,
      mcp_config: McpConfig,
    }),
    v.looseObject({ type: v.literal("uv"), entry_point: EntryPoint, mcp_config: v.optional(McpConfig) }),
  ]),
  compatibility: v.optional(v.looseObject({ platforms: v.optional(v.array(v.string())) }), {}),
  user_config: v.optional(v.record(v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/)), UserConfig), {}),
});
export type McpbManifest = v.InferOutput<typeof Manifest>;
export type McpbOption = v.InferOutput<typeof UserConfig>;

const KNOWN_VERSIONS = /^0\.[1-4](?:\.\d+)?$/;

/** @throws AppError `usage` that says what is wrong and where */
export function parseMcpbManifest(text: string): McpbManifest {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Manifest), text);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const path = v.getDotPath(issue);
    const where = path === null ? "" : ` at ${quoted(path)}`;
    throw usage(`The bundle's manifest.json is not one of an MCP bundle${where}.`);
  }
  const { manifest_version, dxt_version, name, compatibility } = parsed.output;
  const version = manifest_version ?? dxt_version;
  if (version === undefined || !KNOWN_VERSIONS.test(version)) {
    throw usage(
      `The bundle's manifest.json is of version ${printable(version ?? "?", 20)}; 0.1 to 0.4 are understood here.`,
    );
  }
  const { platforms } = compatibility;
  if (platforms !== undefined && !platforms.includes("linux")) {
    const list = platforms
      .slice(0, 5)
      .map((each) => printable(each, 20))
      .join(", ");
    throw usage(`The bundle ${printable(name, 100)} does not run on Linux: it is for ${list}.`);
  }
  return parsed.output;
}

function usage(sentence: string): AppError {
  return new AppError("usage", sentence);
}
