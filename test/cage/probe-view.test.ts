import { describe, expect, test } from "bun:test";
import { accessTo, namesShownIn } from "../../src/cage/probe-view.ts";
import { bind, CONFINED, ISOLATED } from "./example-plans.ts";

describe("what an isolated plan grants of", () => {
  test.each([
    ["/usr/lib/node", "read"],
    ["/srv/in/a", "read"],
    ["/srv/out", "write"],
    ["/srv/outside", "nothing"],
    ["/srv", "nothing"],
    ["/", "nothing"],
    ["/tmp/x", "write"],
    ["/bin", "read"],
    ["/etc/passwd", "read"],
    ["/etc/shadow", "nothing"],
  ] as const)("%s: %s", (path, access) => {
    expect(accessTo(ISOLATED, path)).toBe(access);
  });

  test("a directory under a later mount", () => {
    const plan = { ...ISOLATED, mounts: [bind("/srv", true), ...ISOLATED.mounts] };
    expect([accessTo(plan, "/srv/in"), accessTo(plan, "/srv/else")]).toEqual(["read", "write"]);
  });
});

describe("what a confined plan grants of", () => {
  test.each([
    ["/usr/lib/node", "read"],
    ["/srv/out/x", "write"],
    ["/dev/null", "write"],
    ["/dev", "nothing"],
    ["/etc", "nothing"],
  ] as const)("%s: %s", (path, access) => {
    expect(accessTo(CONFINED, path)).toBe(access);
  });

  test("the more of two rules", () => {
    const plan = {
      ...CONFINED,
      paths: [...CONFINED.paths, { path: "/srv/in/own", access: "write" as const }],
    };
    expect([accessTo(plan, "/srv/in/own/x"), accessTo(plan, "/srv/in")]).toEqual(["write", "read"]);
  });
});

test("names that lead to what was granted", () => {
  expect(namesShownIn(ISOLATED, "/srv/toolcrib")).toBe(2);
  expect(namesShownIn(ISOLATED, "/srv")).toBe(3);
  expect(namesShownIn(ISOLATED, "/root")).toBe(0);
  expect(namesShownIn(ISOLATED, "/")).toBe(7);
});
