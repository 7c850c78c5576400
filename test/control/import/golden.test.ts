// Every translation of an import, as a file: what was given and the plan, or the refusal, that it becomes. After a
// wanted change, UPDATE_GOLDEN=1 writes them anew; the diff is what has to be reviewed.

import { expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { plan } from "../../../src/control/import/plan.ts";
import { AppError } from "../../../src/errors.ts";
import { PlanRequest } from "../../../src/model/api.ts";
import { ServerSpec } from "../../../src/model/server-spec.ts";

const DIRECTORY = join(import.meta.dir, "../../golden/import");

const Golden = v.strictObject({
  about: v.string(),
  /** Programs that the host has. */
  programs: v.optional(v.array(v.string())),
  /** A PlanRequest, but a document's text is a list of lines. */
  request: v.looseObject({
    document: v.optional(v.strictObject({ name: v.string(), lines: v.array(v.string()) })),
  }),
  plan: v.optional(v.unknown()),
  error: v.optional(v.unknown()),
});
type Golden = v.InferOutput<typeof Golden>;

function outcome({ request, programs = [] }: Golden): Pick<Golden, "plan" | "error"> {
  const { document, ...rest } = request;
  const asText =
    document === undefined ? {} : { document: { name: document.name, text: document.lines.join("\n") } };
  try {
    const view = plan(v.parse(PlanRequest, { ...rest, ...asText }), {
      hasProgram: (name) => programs.includes(name),
      grantFault: () => undefined,
    });
    for (const { spec } of view.servers) expect(v.parse(ServerSpec, spec)).toEqual(spec);
    return { plan: JSON.parse(JSON.stringify(view)) };
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown;
    const { code, message, details } = thrown;
    return { error: { code, message, ...(details === undefined ? {} : { details }) } };
  }
}

const files = readdirSync(DIRECTORY).filter((name) => name.endsWith(".json"));

test.each(files)("%s", (file) => {
  const path = join(DIRECTORY, file);
  const golden = v.parse(Golden, JSON.parse(readFileSync(path, "utf8")));
  const { about, programs, request } = golden;
  const result = outcome(golden);
  if (process.env["UPDATE_GOLDEN"] === "1") {
    const head = programs === undefined ? { about, request } : { about, programs, request };
    writeFileSync(path, `${JSON.stringify({ ...head, ...result }, undefined, 2)}\n`);
    return;
  }
  expect(result).toEqual(golden.error === undefined ? { plan: golden.plan } : { error: golden.error });
});

test("no golden file holds a value that only a server may see", () => {
  for (const file of files) {
    const golden = v.parse(Golden, JSON.parse(readFileSync(join(DIRECTORY, file), "utf8")));
    const shown = JSON.stringify([golden.error, shownParts(golden.plan)]);
    expect([file, shown.includes("sekret")]).toEqual([file, false]);
  }
});

const Shown = v.object({
  servers: v.array(v.object({ summary: v.array(v.string()) })),
  notes: v.array(v.string()),
});

function shownParts(view: unknown): unknown {
  if (view === undefined) return undefined;
  const { servers, notes } = v.parse(Shown, view);
  return [servers.map(({ summary }) => summary), notes];
}
