// The official registry's server.json (schemas 2025-09-29 to 2025-12-11) as planned servers: each package and remote
// of it that can be used here is one way to have the server. Pure. Called by the import planner.

import * as v from "valibot";
import { printable, quoted } from "../../model/printable.ts";
import type { Answers, Question } from "../../model/question.ts";
import { isExactVersion } from "../../package/command-line.ts";
import { toServerName } from "../../package/default-name.ts";
import { type Draft, usage } from "./draft.ts";
import { answer, openNotes } from "./question.ts";
import {
  argumentWords,
  inputQuestions,
  Inputs,
  KeyValueInputs,
  keyValues,
  type NamedInput,
  valueOf,
  Variables,
} from "./server-json-inputs.ts";

const Text = v.pipe(v.string(), v.maxLength(32_768));
const Transport = v.looseObject({
  type: v.string(),
  url: v.optional(Text),
  headers: v.optional(KeyValueInputs, []),
  variables: v.optional(Variables, {}),
});
const Package = v.looseObject({
  registryType: Text,
  registryBaseUrl: v.optional(Text),
  identifier: Text,
  version: v.optional(Text),
  fileSha256: v.optional(v.pipe(v.string(), v.regex(/^[a-f0-9]{64}$/))),
  runtimeHint: v.optional(Text),
  runtimeArguments: v.optional(Inputs, []),
  packageArguments: v.optional(Inputs, []),
  environmentVariables: v.optional(KeyValueInputs, []),
  transport: Transport,
});
const ServerJson = v.looseObject({
  name: v.pipe(v.string(), v.regex(/^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/), v.maxLength(200)),
  version: v.optional(Text),
  packages: v.optional(v.pipe(v.array(Package), v.maxLength(50)), []),
  remotes: v.optional(v.pipe(v.array(Transport), v.maxLength(50)), []),
});
export type ServerJson = v.InferOutput<typeof ServerJson>;
type Package = v.InferOutput<typeof Package>;
type Remote = v.InferOutput<typeof Transport>;

/** One way to have the server. */
export type ServerJsonWay = SpecWay | BundleWay;

export interface SpecWay {
  readonly kind: "spec";
  /** For a person: `npm package x@1.0.0`. */
  readonly what: string;
  readonly questions: readonly Question[];
  /** @throws AppError `usage` for an answer that does not fit */
  plan(answers: Answers): { readonly draft: Draft; readonly notes: readonly string[] };
}

/** An MCP bundle that has to be in the vault first: its own manifest then says what runs and what it asks. */
export interface BundleWay {
  readonly kind: "bundle";
  readonly what: string;
  /** https:// */
  readonly url: string;
  /** Hex. What comes from `url` has to have it. */
  readonly sha256: string;
}

export interface ServerJsonPlan {
  readonly name: string;
  /** In the order of the file, packages first; at least one. */
  readonly ways: readonly [ServerJsonWay, ...ServerJsonWay[]];
  /** Sentences about what cannot be used here. */
  readonly notes: readonly string[];
}

/** What a file in this format has, and no other one. */
export function isServerJson(document: unknown): boolean {
  return (
    v.is(v.looseObject({ name: v.string(), packages: v.array(v.unknown()) }), document) ||
    v.is(v.looseObject({ name: v.string(), remotes: v.array(v.unknown()) }), document)
  );
}

/** @throws AppError `usage`, with the place of what is wrong; also when nothing in it can be used here */
export function readServerJson(text: string): ServerJsonPlan {
  return planServerJson(parse(text));
}

/** @param document as it was read from JSON; the answer of a registry, which wraps it in `server`, is fine too */
export function parseServerJson(document: unknown): ServerJson {
  const inner = v.is(v.looseObject({ server: v.looseObject({ name: v.string() }) }), document)
    ? document.server
    : document;
  const parsed = v.safeParse(ServerJson, inner);
  if (parsed.success) return parsed.output;
  const path = v.getDotPath(parsed.issues[0]);
  const old = JSON.stringify(inner)?.includes('"registry_type"') === true;
  const hint = old ? ": it is of a schema before 2025-09-16, whose keys are written otherwise" : "";
  throw usage(`server.json is not understood${path === null ? "" : ` at ${quoted(path)}`}${hint}.`);
}

export function planServerJson(server: ServerJson): ServerJsonPlan {
  const name = toServerName(server.name.split("/").at(-1) ?? server.name);
  const read = [
    ...server.packages.map((each) => wayOfPackage(name, each)),
    ...server.remotes.map((each) => wayOfRemote(name, each)),
  ];
  const ways = read.filter((each) => typeof each !== "string");
  const refused = read.filter((each) => typeof each === "string");
  const [first, ...others] = ways;
  if (first === undefined) {
    const why =
      refused.length === 0 ? "it names neither packages nor remotes" : refused.slice(0, 5).join("; ");
    throw usage(`${name}: nothing of it can be used here: ${why}.`);
  }
  const notes = [
    ...refused.map((why) => `${name}: not usable here: ${why}.`),
    ...others.map(({ what }) => `${name}: could be had as ${what}, too.`),
  ];
  return { name, ways: [first, ...others], notes };
}

function parse(text: string): ServerJson {
  try {
    return parseServerJson(JSON.parse(text));
  } catch (thrown) {
    if (thrown instanceof SyntaxError) throw usage("server.json is not JSON.");
    throw thrown;
  }
}

/** A way, or why there is none, as a part of a sentence. */
function wayOfPackage(name: string, each: Package): ServerJsonWay | string {
  const { registryType, identifier, transport, fileSha256, version } = each;
  const what = `${printable(registryType, 20)} package ${printable(identifier, 200)}`;
  if (transport.type !== "stdio")
    return `the ${what} speaks ${printable(transport.type, 40)} on a port of its own`;
  if (registryType === "mcpb") {
    if (fileSha256 === undefined) return `the ${what} has no fileSha256`;
    if (!identifier.startsWith("https://")) return `the ${what} is not at an https:// address`;
    return { kind: "bundle", what, url: identifier, sha256: fileSha256 };
  }
  if (registryType !== "npm" && registryType !== "pypi")
    return `the ${what} is of a kind that is not run here`;
  // Whoever has such a hash must check it, and the installers check those of the registries.
  if (fileSha256 !== undefined) return `the fileSha256 of the ${what} cannot be checked`;
  if (version === undefined || !isVersion(registryType, version)) return `the ${what} names no exact version`;
  return packageWay(name, `${what}@${version}`, registryType, { ...each, version });
}

function isVersion(registryType: "npm" | "pypi", version: string): boolean {
  return registryType === "npm" ? isExactVersion(version) : /^\d[0-9A-Za-z.+!_-]*$/.test(version);
}

/** Runners, with what they need in front of the name of a package, and how they are told of a registry. */
const RUNNERS = {
  npm: {
    command: "npx",
    first: ["-y"],
    registry: "--registry=",
    usual: /^https:\/\/registry\.npmjs\.org\/?$/,
  },
  pypi: {
    command: "uvx",
    first: [],
    registry: "--default-index=",
    usual: /^https:\/\/pypi\.org(?:\/simple)?\/?$/,
  },
} as const;
const RUNNER_HINTS: ReadonlySet<string> = new Set(["npx", "uvx", "bunx"]);

function packageWay(
  name: string,
  what: string,
  registryType: "npm" | "pypi",
  each: Package & { readonly version: string },
): SpecWay {
  const { identifier, version, registryBaseUrl, runtimeHint, runtimeArguments, packageArguments } = each;
  const runner = RUNNERS[registryType];
  const inputs = [...runtimeArguments, ...packageArguments, ...each.environmentVariables];
  const questions = inputQuestions(inputs);
  return {
    kind: "spec",
    what,
    questions,
    plan(answers) {
      const values = answer(name, questions, answers);
      const isUsual = registryBaseUrl === undefined || runner.usual.test(registryBaseUrl);
      const words = (list: readonly NamedInput[]): readonly string[] =>
        list.flatMap((input) => argumentWords(input, values));
      const own = words(runtimeArguments);
      const args = [
        ...runner.first.filter((word) => !own.includes(word)),
        ...own,
        ...(isUsual ? [] : [runner.registry + registryBaseUrl]),
        `${identifier}@${version}`,
        ...words(packageArguments),
      ];
      const env = keyValues(each.environmentVariables, values);
      const hint =
        runtimeHint === undefined || RUNNER_HINTS.has(runtimeHint)
          ? []
          : [`${name}: wants ${quoted(runtimeHint)}; it is run as with ${runner.command}.`];
      const spec = { kind: "stdio" as const, command: runner.command, args, env };
      return {
        draft: { name, spec, unknownKeys: [] },
        notes: [...hint, ...openNotes(name, questions, values)],
      };
    },
  };
}

function wayOfRemote(name: string, remote: Remote): SpecWay | string {
  const { type, url, headers, variables } = remote;
  const what = `remote ${printable(url ?? "?", 200)}`;
  if (type !== "streamable-http" && type !== "sse") return `the ${what} speaks ${printable(type, 40)}`;
  if (url === undefined) return `the ${what} has no address`;
  const address: NamedInput = { name: "url", value: url, variables };
  const questions = inputQuestions([address, ...headers]);
  return {
    kind: "spec",
    what,
    questions,
    plan(answers) {
      const values = answer(name, questions, answers);
      const history =
        type === "sse"
          ? [`${name}: "sse" is the transport of the past: Streamable HTTP is spoken instead.`]
          : [];
      const spec = {
        kind: "http" as const,
        url: valueOf(address, values) ?? url,
        headers: keyValues(headers, values),
      };
      return {
        draft: { name, spec, unknownKeys: [] },
        notes: [...history, ...openNotes(name, questions, values)],
      };
    },
  };
}
