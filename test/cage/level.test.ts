// Every combination of what a host has, what a server accepts, and what comes of it.

import { describe, expect, test } from "bun:test";
import { chooseLevel } from "../../src/cage/level.ts";

const userns = "user namespaces are switched off";
const landlock = "the kernel has no Landlock";

describe("the level", () => {
  const can = { isolated: undefined, confined: undefined };
  const confinedOnly = { isolated: userns, confined: undefined };
  const nothing = { isolated: userns, confined: landlock };
  test.each([
    ["the strongest", {}, can, "isolated"],
    ["the strongest, whatever is accepted", { minimum: "confined" }, can, "isolated"],
    ["the weaker, where it is accepted", { minimum: "confined" }, confinedOnly, "confined"],
    ["none, by name", { mode: "off" }, can, "off"],
    ["none, by name, on a host that has nothing", { mode: "off" }, nothing, "off"],
  ] as const)("is %s", (_what, cage, obstacles, level) => {
    expect(chooseLevel(cage, obstacles)).toBe(level);
  });

  test.each([
    [
      "confined is not enough",
      {},
      confinedOnly,
      'It must run isolated and this host gives "confined" at most: user namespaces are switched off. ' +
        "`toolcrib doctor` says what mends it, or accept less with --minimum confined.",
    ],
    [
      "there is nothing",
      { minimum: "confined" },
      nothing,
      "It must run confined and this host gives no cage at all: user namespaces are switched off and the kernel has " +
        "no Landlock. `toolcrib doctor` says what mends it.",
    ],
    [
      "there is nothing, and everything is wanted",
      {},
      nothing,
      "It must run isolated and this host gives no cage at all: user namespaces are switched off. " +
        "`toolcrib doctor` says what mends it.",
    ],
  ] as const)("is refused where %s", (_what, cage, obstacles, sentence) => {
    expect(() => chooseLevel(cage, obstacles)).toThrow(sentence);
  });
});
