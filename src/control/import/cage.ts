// The cage of an imported server: read from a file, or from the options of `add`, checked key by key. Pure but for
// one question, whether a granted path is there, which the caller answers. Called by entry.ts and draft.ts.

import * as v from "valibot";
import { AppError } from "../../errors.ts";
import { Cage } from "../../model/cage.ts";
import { quoted } from "../../model/printable.ts";
import type { ServerSpec } from "../../model/server-spec.ts";
import { nearest } from "../../nearest.ts";

export type CageInput = v.InferInput<typeof Cage>;

const KEYS = Object.keys(Cage.entries);

/**
 * @throws AppError `usage` with `details.path`, where below the server the fault stands, so that a document can say
 * its line
 */
export function readCage(name: string, cage: unknown): CageInput {
  const result = v.safeParse(Cage, cage);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = ["cage", ...(issue.path ?? []).map((item) => pathKey(item.key))];
  throw cageFault(name, path, inWords(issue));
}

/** @throws AppError `usage` for the first path that cannot be granted */
export function checkGrants(
  name: string,
  cage: Pick<Cage, "read" | "write">,
  grantFault: (path: string) => string | undefined,
): void {
  for (const key of ["read", "write"] as const) {
    for (const [at, path] of cage[key].entries()) {
      const fault = grantFault(path);
      if (fault !== undefined) throw cageFault(name, ["cage", key, at], `cannot be granted: ${fault}`);
    }
  }
}

/** A fault of the value at `path` of the server `name`. */
export function cageFault(name: string, path: readonly (string | number)[], what: string): AppError {
  const end = what.endsWith("?") ? "" : ".";
  return new AppError("usage", `${name}: ${quoted(path.join("."))} ${what}${end}`, { details: { path } });
}

/** Sentences for who is about to say yes: what the arguments name and the cage does not show, what is dangerous. */
export function cageNotes(name: string, spec: ServerSpec): readonly string[] {
  if (spec.kind !== "stdio") return [];
  const { cage, env } = spec;
  if (cage.mode === "off") {
    return [`${name} runs without a cage: with all rights of the appliance's user, its data included.`];
  }
  const granted = [...cage.read, ...cage.write];
  const unseen = spec.args.filter(
    (arg) => arg.startsWith("/") && arg.length > 1 && !granted.some((path) => contains(path, arg)),
  );
  const unknown = brokersIn(env).filter((broker) => cage.broker?.[broker] === undefined);
  return [
    ...unseen.map(
      (path) =>
        `${name}: ${quoted(path)} stands in its arguments, and its cage shows it only where it is its program: ` +
        "grant it with --read or --write if it is to use it.",
    ),
    ...unknown.map((broker) => `${name}: there is no broker ${quoted(broker)} in its cage.`),
    ...(cage.learn === true
      ? [
          `${name} may reach every public address while it learns: end that with \`toolcrib allow ${name} --learned\`.`,
        ]
      : []),
  ];
}

/** Names that `${broker:name}` stands for in the values of variables. */
export function brokersIn(env: Readonly<Record<string, string>>): readonly string[] {
  const values = Object.values(env).join("\n");
  return [...new Set([...values.matchAll(/\$\{broker:([a-z0-9_-]+)\}/g)].map(([, broker = ""]) => broker))];
}

function contains(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory.endsWith("/") ? directory : `${directory}/`);
}

function pathKey(key: unknown): string | number {
  return typeof key === "number" ? key : String(key);
}

/** NB: valibot's own messages end with the value, which may be a secret: only what is expected is repeated. */
function inWords(issue: v.BaseIssue<unknown>): string {
  if (issue.type === "strict_object") {
    const key = String(issue.path?.at(-1)?.key ?? "");
    const near = nearest(key, KEYS);
    return near === undefined
      ? `is not understood: a cage has ${KEYS.join(", ")}`
      : `is not understood: did you mean ${quoted(near)}?`;
  }
  switch (issue.type) {
    case "min_value":
      return `is below ${String(issue.requirement)}, which a runtime needs to start`;
    case "max_value":
    case "max_length":
      return `is over the limit of ${String(issue.requirement)}`;
  }
  return issue.message.startsWith("Invalid ")
    ? `has to be ${issue.expected ?? "something else"}`
    : issue.message.replace(/^"[^"]*" /, "");
}
