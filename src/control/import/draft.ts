// The last steps of every import, whatever it came from: the options of `add` merged in, the whole checked, described
// for a person. Pure. Called by words.ts and document.ts.

import * as v from "valibot";
import { AppError } from "../../errors.ts";
import type { PlannedServer, PlanRequest } from "../../model/api.ts";
import { parseHostRule } from "../../model/host-rule.ts";
import { quoted } from "../../model/printable.ts";
import {
  EnvironmentName,
  ISOLATIONS,
  type Isolation,
  ServerName,
  ServerSpec,
  type StdioSpec,
} from "../../model/server-spec.ts";
import { understand } from "../../package/command-line.ts";
import { toServerName } from "../../package/default-name.ts";
import { cageNotes, checkGrants, readCage } from "./cage.ts";
import { hasPlaceholder, placeholderNotes, type InputQuestions } from "./placeholders.ts";
import { summarize } from "./summary.ts";

/** What `add` was told beside the words or the document. */
export type PlanOptions = Omit<PlanRequest, "words" | "document">;

/** What only the host knows. */
export interface PlanContext {
  /** True where the appliance's PATH has such a program: then a bare name is that, and not a package. */
  readonly hasProgram: (name: string) => boolean;
  /** Why a server cannot be granted this absolute path, as the end of a sentence; undefined where it can. */
  readonly grantFault: (path: string) => string | undefined;
}

/** A server as it was read: the shape is known, the values are not checked yet. */
export interface Draft {
  readonly name: string;
  readonly spec: v.InferInput<typeof ServerSpec>;
  readonly unknownKeys: readonly string[];
}

export interface Finished {
  readonly server: PlannedServer;
  readonly notes: readonly string[];
}

/**
 * @param options meant for this one server; for several, only the timeouts
 * @throws AppError `usage`, with the server's name, the key and what is wrong with it
 */
export function finish(
  draft: Draft,
  options: PlanOptions,
  questions: InputQuestions,
  context: PlanContext,
): Finished {
  const { name, unknownKeys } = draft;
  const spec = check(name, merge(draft, options));
  if (spec.kind === "stdio") {
    checkCommand(name, spec);
    checkGrants(name, spec.cage, context.grantFault);
  }
  const server = { name, spec, summary: summarize(spec), unknownKeys };
  return { server, notes: [...placeholderNotes(name, spec, questions), ...cageNotes(name, spec)] };
}

/** The name that was asked for. @throws AppError `usage`, with a name that would do */
export function checkName(name: string): string {
  const result = v.safeParse(ServerName, name);
  if (result.success) return name;
  throw usage(
    `${quoted(name)} cannot be a name: ${result.issues[0].message}. ${quoted(toServerName(name))} would do.`,
  );
}

export function usage(sentence: string): AppError {
  return new AppError("usage", sentence);
}

function merge({ name, spec }: Draft, options: PlanOptions): Draft["spec"] {
  const timeouts = {
    ...(options.startTimeoutMs === undefined ? {} : { startTimeoutMs: options.startTimeoutMs }),
    ...(options.callTimeoutMs === undefined ? {} : { callTimeoutMs: options.callTimeoutMs }),
  };
  if (spec.kind === "http") {
    refuseForUrl(name, options);
    return { ...spec, ...timeouts };
  }
  for (const key of Object.keys(options.env)) {
    if (!v.is(EnvironmentName, key)) throw usage(`--env: ${quoted(key)} is not the name of a variable.`);
  }
  const cage = readCage(name, {
    ...spec.cage,
    ...options.cage,
    read: union(
      spec.cage?.read,
      options.read.map((path) => checkPath("--read", path)),
    ),
    write: union(
      spec.cage?.write,
      options.write.map((path) => checkPath("--write", path)),
    ),
    network: union(spec.cage?.network, options.allowHosts.map(checkHost)),
  });
  return { ...spec, env: { ...spec.env, ...options.env }, cage, ...supervision(name, options), ...timeouts };
}

function supervision(name: string, { isolation, instances, scripts }: PlanOptions): Partial<StdioSpec> {
  if (isolation !== undefined && !isIsolation(isolation))
    throw usage(`${name}: --isolation is shared, caller or session.`);
  return {
    ...(isolation === undefined ? {} : { isolation }),
    ...(instances === undefined ? {} : { instances }),
    ...(scripts === undefined ? {} : { scripts: [...scripts] }),
  };
}

function isIsolation(text: string): text is Isolation {
  return ISOLATIONS.some((each) => each === text);
}

function refuseForUrl(name: string, { env, read, write, allowHosts, cage }: PlanOptions): void {
  const given = [
    ["--env", Object.keys(env)],
    ["--read", read],
    ["--write", write],
    ["--allow-host", allowHosts],
    ["an option of the cage", Object.keys(cage ?? {})],
  ] as const;
  const wrong = given.find(([, values]) => values.length > 0)?.[0];
  if (wrong === undefined) return;
  throw usage(`${name}: ${wrong} is for servers that run on this host; this one is reached by its URL.`);
}

function checkPath(option: string, path: string): string {
  if (path.startsWith("/")) return path;
  throw usage(`${option}: ${quoted(path)} is not an absolute path: begin it with /.`);
}

function checkHost(host: string): string {
  if (parseHostRule(host) !== undefined) return host;
  throw usage(
    `--allow-host: ${quoted(host)} is not host:port, as in api.example.com:443 or *.example.com:443.`,
  );
}

function check(name: string, input: Draft["spec"]): ServerSpec {
  if (input.kind === "http") checkUrl(name, input.url);
  const result = v.safeParse(ServerSpec, input);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const key = v.getDotPath(issue);
  throw usage(`${name}: ${key === null ? "" : `${quoted(key)}: `}${inWords(issue.message)}.`);
}

function checkCommand(name: string, spec: StdioSpec): void {
  try {
    understand(spec.command, spec.args);
  } catch (thrown) {
    throw thrown instanceof AppError ? usage(`${name}: ${thrown.message}`) : thrown;
  }
}

function checkUrl(name: string, url: string): void {
  const parsed = URL.parse(url);
  if (parsed === null && hasPlaceholder(url)) {
    throw usage(
      `${name}: the URL is none while placeholders stand in it: write their values, nothing is expanded.`,
    );
  }
  if (parsed !== null && (parsed.username !== "" || parsed.password !== "")) {
    throw usage(
      `${name}: the URL holds a user name or password: put them into an Authorization header of a file.`,
    );
  }
}

/** Our schemas say what is wrong in their own words; valibot's own messages end with the value, which stays out. */
function inWords(message: string): string {
  return message.replace(/^Invalid [\w ]+: Expected /, "expected ").replace(/ but received [\s\S]*$/, "");
}

function union(a: readonly string[] | undefined, b: readonly string[]): string[] {
  return [...new Set([...(a ?? []), ...b])];
}
