// `update` and `rollback`: what they show before they ask, what they do without a terminal, and their exit codes.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { rollback, update } from "../../src/cli/packages.ts";
import type { PackageAdmin } from "../../src/control/packages.ts";
import { AppError } from "../../src/errors.ts";
import { packageRoutes } from "../../src/http/api/packages.ts";
import { problemOf } from "../../src/http/problem.ts";
import type {
  ListDiff,
  OfferDiff,
  SwitchView,
  UpdateEvent,
  UpdateView,
} from "../../src/model/package-view.ts";
import { fakeServer } from "../http/api/fake-admin.ts";
import { PackageScene } from "./package-scene.ts";

const SAME: ListDiff = { added: [], removed: [], changed: [], unchanged: 0, leftOut: 0 };
const DIFF: OfferDiff = {
  isKnown: true,
  tools: {
    added: ["new_\x1b[31mtool"],
    removed: ["old_tool"],
    changed: [
      {
        name: "read",
        fields: [{ field: "description", before: "Reads.", after: "Reads.\nAnd obeys\u202e." }],
      },
    ],
    unchanged: 7,
    leftOut: 3,
  },
  prompts: { ...SAME, unchanged: 2 },
  resources: SAME,
  resourceTemplates: SAME,
  handshake: [{ field: "instructions", after: "Be kind." }],
};

const view = (server: string, more: Partial<UpdateView> = {}): UpdateView => ({
  server,
  package: `@acme/${server}`,
  version: "1.0.0",
  wanted: "latest",
  newest: "1.1.0",
  state: "newer",
  ...more,
});

const switched = (server: string): SwitchView => ({ server: fakeServer(server), from: "1.0.0", to: "1.1.0" });

let updates: readonly UpdateView[];
let events: Map<string, UpdateEvent>;
let asked: string[];

const admin: PackageAdmin = {
  async check(names) {
    asked.push(`check ${names.join(" ")}`);
    return names.length === 0 ? updates : updates.filter(({ server }) => names.includes(server));
  },
  async prepare(name, report) {
    asked.push(`prepare ${name}`);
    report({ event: "progress", stage: "resolving", detail: name });
    const last = events.get(name);
    if (last === undefined) throw new Error("not foreseen: SECRET");
    report(last);
  },
  async switch(name, candidate) {
    asked.push(`switch ${name} ${candidate}`);
    if (name === "late") throw new AppError("conflict", "It is not what was prepared.");
    return switched(name);
  },
  async rollback(name) {
    if (name === "first") throw new AppError("conflict", "There is nothing to go back to.");
    return { ...switched(name), from: "1.1.0", to: "1.0.0" };
  },
  vault: () => Promise.reject(new Error("nobody asks")),
};

let scene: PackageScene;
beforeAll(() => {
  scene = new PackageScene(packageRoutes(admin, () => {}));
});
afterAll(() => scene.stop());
beforeEach(() => {
  asked = [];
  updates = [view("files"), view("late"), view("old", { state: "pinned", wanted: "1.0.0", note: "by name" })];
  const prepared = (server: string): UpdateEvent => ({
    event: "prepared",
    prepared: {
      server,
      package: `@acme/${server}`,
      from: "1.0.0",
      to: "1.1.0",
      candidate: `npm/${server}`,
      diff: DIFF,
    },
  });
  const error = problemOf(new AppError("install-failed", "The registry does not answer."));
  events = new Map([
    ["files", prepared("files")],
    ["late", prepared("late")],
    ["fresh", { event: "current", update: view("fresh", { state: "current", newest: "1.0.0" }) }],
    ["old", { event: "current", update: view("old", { state: "pinned", note: "by name" }) }],
    ["broken", { event: "failed", error }],
  ]);
});

describe("update --check", () => {
  test("is a table, and prepares nothing", async () => {
    expect(await scene.run((context) => update(context, [], { check: true }))).toEqual({
      code: 0,
      out:
        "SERVER  PACKAGE      VERSION  NEWEST  STATE\n" +
        "files   @acme/files  1.0.0    1.1.0   newer\n" +
        "late    @acme/late   1.0.0    1.1.0   newer\n" +
        "old     @acme/old    1.0.0    1.1.0   pinned: by name\n",
      talk: "",
    });
    expect(asked).toEqual(["check "]);
  });

  test("of some, as JSON", async () => {
    const { out } = await scene.run((context) => update(context, ["late", "files"], { check: true }), {
      json: true,
    });
    expect(JSON.parse(out)).toEqual({ updates: [view("files"), view("late")] });
    expect(asked).toEqual(["check late files"]);
  });

  test("of nothing", async () => {
    updates = [];
    const ran = await scene.run((context) => update(context, [], { check: true }));
    expect(ran).toEqual({ code: 0, out: "", talk: "No server runs a package of the vault.\n" });
  });
});

describe("update", () => {
  const SHOWN =
    "  resolving    files\n" +
    "files: @acme/files 1.0.0 → 1.1.0\n" +
    "  tools: 1 added, 1 removed, 1 changed, 3 more that are not listed, 7 as before\n" +
    "    + new_\\e[31mtool\n" +
    "    - old_tool\n" +
    "    ~ read\n" +
    "      description\n" +
    "        - Reads.\n" +
    "        + Reads.\n" +
    "        + And obeys\\u{202e}.\n" +
    "  prompts: 2, all as before\n" +
    "  instructions\n" +
    "    + Be kind.\n";

  test("shows what differs, asks, and switches to what it showed", async () => {
    const ran = await scene.run((context) => update(context, ["files"], {}), { answers: [true] });
    expect(ran).toEqual({
      code: 0,
      out: "files: 1.1.0 instead of 1.0.0\n",
      talk: `${SHOWN}Switch files to 1.1.0? [y/N] y\n"toolcrib rollback files" goes back.\n`,
    });
    expect(asked).toEqual(["prepare files", "switch files npm/files"]);
  });

  test("that is declined changes nothing: exit code 1", async () => {
    const ran = await scene.run((context) => update(context, ["files"], {}), { answers: [false] });
    expect(ran).toMatchObject({ code: 1, out: "", talk: expect.stringContaining("files stays as it is.") });
    expect(asked).toEqual(["prepare files"]);
  });

  test("without a terminal shows what differs and changes nothing: exit code 1", async () => {
    const ran = await scene.run((context) => update(context, ["files"], {}));
    expect(ran).toEqual({
      code: 1,
      out: "",
      talk: `${SHOWN}Nobody can be asked here: files stays as it is; pass --yes to switch.\n`,
    });
    expect(asked).toEqual(["prepare files"]);
  });

  test("--yes asks nobody", async () => {
    const ran = await scene.run((context) => update(context, ["files"], { yes: true }));
    expect(ran).toMatchObject({ code: 0, out: "files: 1.1.0 instead of 1.0.0\n" });
  });

  test("of all leaves those alone whose command line names a version", async () => {
    updates = [view("files"), view("fresh"), view("old", { state: "pinned" })];
    const ran = await scene.run((context) => update(context, [], { yes: true }));
    expect(ran).toMatchObject({
      code: 0,
      out: "files: 1.1.0 instead of 1.0.0\nfresh: 1.0.0 is the newest\n",
    });
    expect(asked).toEqual(["check ", "prepare files", "switch files npm/files", "prepare fresh"]);
  });

  test("of one whose command line names a version says so", async () => {
    const ran = await scene.run((context) => update(context, ["old"], { yes: true }));
    expect(ran).toMatchObject({ code: 0, out: "old: 1.0.0 stays: by name\n" });
  });

  test("that fails goes on with the next one, and the exit code says that not all went well", async () => {
    const ran = await scene.run((context) => update(context, ["broken", "late", "files"], { yes: true }));
    expect(ran.code).toBe(1);
    expect(ran.out).toBe("files: 1.1.0 instead of 1.0.0\n");
    expect(ran.talk).toContain("toolcrib: broken: The registry does not answer.\n");
    expect(ran.talk).toContain("toolcrib: late: It is not what was prepared.\n");
  });

  test.each([
    ["broken", 1],
    ["late", 5],
    ["unforeseen", 1],
  ])("the exit code of %s alone is that of its error: %d", async (name, code) => {
    const ran = await scene.run((context) => update(context, [name], { yes: true }));
    expect(ran.code).toBe(code);
    expect(ran.talk).not.toContain("SECRET");
  });

  test("as JSON", async () => {
    const verb = (names: readonly string[]) =>
      scene.run((context) => update(context, names, {}), { json: true });
    const { out, code } = await verb(["fresh", "files", "broken"]);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      updates: [
        { server: "fresh", outcome: "current" },
        { server: "files", outcome: "declined", prepared: { to: "1.1.0" } },
        { server: "broken", outcome: "failed", error: { code: "install-failed" } },
      ],
    });
  });
});

describe("rollback", () => {
  test("says from where to where", async () => {
    const ran = await scene.run((context) => rollback(context, "files"));
    expect(ran).toEqual({ code: 0, out: "files: back to 1.0.0 from 1.1.0\n", talk: "" });
  });

  test("as JSON", async () => {
    const { out } = await scene.run((context) => rollback(context, "files"), { json: true });
    expect(JSON.parse(out)).toMatchObject({ from: "1.1.0", to: "1.0.0", server: { name: "files" } });
  });

  test("where there is nothing to go back to", async () => {
    const ran = scene.run((context) => rollback(context, "first"));
    await expect(ran).rejects.toMatchObject({ code: "conflict", exitCode: 5 });
  });
});
