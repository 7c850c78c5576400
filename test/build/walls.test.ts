// The walls between the rooms of src/, proved: a small tree in which each room imports every other room is linted with
// the project's own configuration. Exactly the imports that the stairs forbid may be errors.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import * as v from "valibot";

const root = join(import.meta.dir, "../..");

/** From the top of the stairs to the floor, with one file of each room. Rooms on one step do not know each other. */
const STAIRS: readonly Readonly<Record<string, string>>[] = [
  { main: "main.ts" },
  { cli: "cli/add.ts" },
  { app: "app.ts" },
  { http: "http/api/servers.ts" },
  { mcp: "http/mcp.ts" },
  { control: "control/changes.ts" },
  { gateway: "gateway/dispatch.ts" },
  { upstream: "upstream/stdio.ts" },
  { process: "process/child.ts" },
  { cage: "cage/plan.ts", package: "package/npm.ts" },
  { store: "store/tokens.ts" },
  { model: "model/token.ts", wire: "wire/scan.ts" },
  { floor: "errors.ts" },
];
const FILES: ReadonlyMap<string, string> = new Map(STAIRS.flatMap((step) => Object.entries(step)));

/** What lies below a room and is out of bounds all the same. */
const CLOSED: Readonly<Record<string, readonly string[]>> = {
  main: [...FILES.keys()].filter((room) => room !== "cli" && room !== "floor"),
  mcp: ["control", "store"],
  gateway: ["process", "cage", "package", "store"],
};

/** Other rules of the house, each with a short file that breaks it. */
const OFFENCES: readonly (readonly [rule: string, file: string, text: string])[] = [
  [
    "import(no-cycle)",
    "src/gateway/one.ts",
    'import { two } from "./two.ts";\nexport const one = () => two;\n',
  ],
  [
    "import(no-cycle)",
    "src/gateway/two.ts",
    'import { one } from "./one.ts";\nexport const two = () => one;\n',
  ],
  ["import(no-cycle)", "src/wire/type-a.ts", 'import type { B } from "./type-b.ts";\nexport type A = B[];\n'],
  ["import(no-cycle)", "src/wire/type-b.ts", 'import type { A } from "./type-a.ts";\nexport type B = A[];\n'],
  ["import(no-default-export)", "src/wire/default.ts", "const a = 1;\nexport default a;\n"],
  ["oxc(no-barrel-file)", "src/wire/barrel.ts", 'export * from "../errors.ts";\n'],
  ["typescript(no-explicit-any)", "src/wire/any.ts", "export const a = (b: any): unknown => b;\n"],
  ["typescript(no-non-null-assertion)", "src/wire/bang.ts", "export const a = (b?: string) => b!.length;\n"],
  ["unicorn(no-process-exit)", "src/cli/exit.ts", "export const a = (): never => process.exit(1);\n"],
  ["eslint(max-lines)", "src/wire/long.ts", "export const a = 1;\n".replace("\n", "\n//".repeat(401))],
];

const Report = v.object({
  diagnostics: v.array(
    v.object({
      code: v.string(),
      filename: v.string(),
      labels: v.array(v.object({ span: v.object({ line: v.number() }) })),
    }),
  ),
});

let tree = "";
/** `code file` and `code file:line` of every error. */
let errors: ReadonlySet<string> = new Set();

beforeAll(() => {
  tree = mkdtempSync(join(tmpdir(), "toolcrib-walls-"));
  cpSync(join(root, ".oxlintrc.json"), join(tree, ".oxlintrc.json"));
  for (const [room, file] of FILES) write(`src/${file}`, everyImport(room, file));
  for (const [, file, text] of OFFENCES) write(file, text);
  errors = new Set(
    lint().flatMap(({ code, filename, labels }) => [
      `${code} ${filename}`,
      ...labels.map(({ span }) => `${code} ${filename}:${span.line}`),
    ]),
  );
});

afterAll(() => rmSync(tree, { recursive: true, force: true }));

describe("a room imports only what is below it", () => {
  for (const [room, file] of FILES) {
    test(room, () => {
      const wrong = targets(room).filter((target, index) => {
        const isError = errors.has(`eslint(no-restricted-imports) src/${file}:${index + 1}`);
        return isError === mayImport(room, target);
      });
      expect(wrong).toEqual([]);
    });
  }
});

describe("the house rules are errors", () => {
  test.each(OFFENCES)("%s in %s", (rule, file) => {
    expect([...errors].filter((error) => error.endsWith(` ${file}`))).toContain(`${rule} ${file}`);
  });
});

test("main.ts may end the process", () => {
  expect(errors).not.toContain("unicorn(no-process-exit) src/main.ts");
});

/** In the order of the lines of the room's file: line n imports the nth. */
function targets(room: string): readonly string[] {
  return [...[...FILES.keys()].filter((target) => target !== room), "bun:sqlite"];
}

/** One import a line, of values and of types in turn: a wall holds for both. */
function everyImport(room: string, file: string): string {
  const lines = targets(room).map((target, index) => {
    const from = FILES.get(target);
    const path =
      from === undefined ? target : relative(dirname(`/${file}`), `/${from}`).replace(/^(?!\.)/, "./");
    return `import ${index % 2 === 0 ? "type " : ""}{ a as a${index} } from "${path}";`;
  });
  const last = room === "main" ? "process.exit(0);" : "export const a = 1;";
  return `${[...lines, last].join("\n")}\n`;
}

function mayImport(room: string, target: string): boolean {
  if (target === "bun:sqlite") return room === "store";
  if (room === "mcp" && target === "http") return true;
  return depth(target) > depth(room) && !CLOSED[room]?.includes(target);
}

function depth(room: string): number {
  return STAIRS.findIndex((rooms) => room in rooms);
}

function write(file: string, text: string): void {
  const path = join(tree, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function lint(): v.InferOutput<typeof Report>["diagnostics"] {
  const oxlint = join(root, "node_modules/oxlint/bin/oxlint");
  // NB: a file, because oxlint ends before a pipe has taken all of its report.
  const report = join(tree, "report.json");
  Bun.spawnSync([process.execPath, oxlint, "--format=json", "src"], { cwd: tree, stdout: Bun.file(report) });
  return v.parse(Report, JSON.parse(readFileSync(report, "utf8"))).diagnostics;
}
