// Every case of golden/plans.json: what is to run, and the whole plan that comes of it.

import { describe, expect, test } from "bun:test";
import { directoriesOf, type LaunchOptions, launchPlan } from "../../src/cage/plan.ts";
import { AppError } from "../../src/errors.ts";
import golden from "./golden/plans.json" with { type: "json" };

const HOST = {
  PATH: "/usr/local/bin:/usr/bin:/bin",
  HOME: "/root",
  LANG: "en_US.UTF-8",
  TERM: "xterm",
  GITHUB_TOKEN: "of the appliance",
  TOOLCRIB_HOME: "/srv/toolcrib",
  BUN_OPTIONS: "--preload /tmp/evil.js",
};

function options(some: Partial<LaunchOptions>): LaunchOptions {
  return {
    command: { file: "/usr/bin/server", args: [], env: {} },
    env: {},
    cwd: undefined,
    workDirectory: "/srv/toolcrib/work/files",
    launcher: "/srv/toolcrib/launcher/launcher-0123456789abcdef",
    host: HOST,
    ...some,
  };
}

describe("the plan of", () => {
  test.each(golden.map((entry) => [entry.name, entry] as const))("%s", (_name, { given, plan }) => {
    const { cwd, ...rest } = given;
    expect(launchPlan(options({ ...rest, cwd: cwd ?? undefined }))).toStrictEqual(plan);
  });
});

describe("a path that is not absolute is refused", () => {
  const table: { what: string; some: Partial<LaunchOptions> }[] = [
    { what: "program", some: { command: { file: "node", args: [], env: {} } } },
    { what: "program", some: { command: { file: "", args: [], env: {} } } },
    { what: "working directory", some: { workDirectory: "work" } },
    { what: "cwd", some: { cwd: "./src" } },
    { what: "launcher", some: { launcher: "launcher" } },
  ];
  test.each(table)("$what", ({ what, some }) => {
    const make = () => launchPlan(options(some));
    expect(make).toThrow(AppError);
    expect(make).toThrow(`The ${what} of a server has to be an absolute path: `);
  });
});

test("the directories of a server come with their parents first", () => {
  expect(directoriesOf("/srv/work/files")).toEqual(["/srv/work/files", "/srv/work/files/tmp"]);
});
