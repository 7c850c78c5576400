// What the probe printed is read with suspicion: all of it has to be there.

import { describe, expect, test } from "bun:test";
import { type ProbeRun, judge } from "../../src/cage/probe-verdict.ts";
import { attemptsFor } from "../../src/cage/probe-plan.ts";
import { wordsOf } from "../../src/cage/findings.ts";
import { printed } from "./answers.ts";
import { CONFINED, ISOLATED, TARGETS } from "./example-plans.ts";

const ATTEMPTS = attemptsFor(ISOLATED, TARGETS);
const GOOD = printed(ISOLATED);

function broken(run: Partial<ProbeRun>): readonly string[] {
  return wordsOf(judge(ATTEMPTS, { stdout: GOOD, exitCode: 0, ...run }).findings, "broken");
}

test("everything told, nothing broken", () => {
  expect(broken({})).toEqual([]);
  expect(judge(ATTEMPTS, { stdout: GOOD, exitCode: 0 }).landlockAbi).toBe(7);
});

test("a kernel without Landlock", () => {
  const stdout = printed(CONFINED, { landlock: "ENOSYS" });
  expect(judge(attemptsFor(CONFINED, TARGETS), { stdout, exitCode: 0 }).landlockAbi).toBeUndefined();
});

describe("a probe that did not tell everything is a hole:", () => {
  const total = ATTEMPTS.length;
  const lines = GOOD.split("\n");
  const untold = (told: number, code: number) => [
    `The probe ended with code ${code} after ${told} of ${total} attempts: nobody knows the rest.`,
  ];
  test.each<[string, Partial<ProbeRun>, readonly string[]]>([
    ["nothing at all", { stdout: "" }, untold(0, 0)],
    ["killed at the end", { exitCode: 137 }, untold(total, 137)],
    ["killed in between", { stdout: lines.slice(0, 9).join("\n"), exitCode: 159 }, untold(8, 159)],
    ["half a line", { stdout: GOOD.slice(0, -1) }, untold(total - 1, 0)],
    ["other lines between its own", { stdout: `hello\n${GOOD}` }, untold(0, 0)],
    ["lines in another order", { stdout: [lines[1], lines[0], ...lines.slice(2)].join("\n") }, untold(0, 0)],
    ["lines without columns", { stdout: lines.map((line) => line.split("\t")[0]).join("\n") }, untold(0, 0)],
  ])("%s", (_name, run, sentences) => {
    expect(broken(run)).toEqual(sentences);
  });

  test("what it did tell before is judged all the same", () => {
    const stdout = printed(ISOLATED, { "read /srv/toolcrib/toolcrib.db": "ok" })
      .split("\n")
      .slice(0, 5)
      .join("\n");
    expect(broken({ stdout, exitCode: 139 })[0]).toBe("It could read the appliance's database.");
  });
});

test("a launcher that refused to start it", () => {
  const refused = "mount /proc: Operation not permitted";
  expect(broken({ stdout: "", exitCode: 125, refused })).toEqual([
    `The probe could not be started: ${refused}.`,
  ]);
});

test("lines beyond those that were asked for change nothing", () => {
  expect(broken({ stdout: `${GOOD}read /etc/shadow\tok\t\n` })).toEqual([]);
});

test("control characters of a path are expected as the probe shows them", () => {
  const targets = { ...TARGETS, reads: ["/srv/a\tb\nc"] };
  const attempts = attemptsFor(ISOLATED, targets);
  const stdout = printed(ISOLATED, {}, targets).replace("read /srv/a\tb\nc", "read /srv/a?b?c");
  const { findings } = judge(attempts, { stdout, exitCode: 0 });
  expect(wordsOf(findings, "broken")).toEqual([]);
  expect(wordsOf(findings, "holds")).toContain("probe: read /srv/a?b?c: ok");
});
