// What was decided is remembered within bounds, and told at a bounded rate.

import { expect, test } from "bun:test";
import { Decisions } from "../../../src/cage/egress/decisions.ts";
import type { RefusedAttempt } from "../../../src/model/cage-report.ts";

function decisions(rules: readonly string[] = []): {
  readonly decisions: Decisions;
  readonly announced: RefusedAttempt[];
  readonly clock: { now: number };
} {
  const announced: RefusedAttempt[] = [];
  const clock = { now: 1_000_000 };
  const announce = (attempt: RefusedAttempt): void => void announced.push(attempt);
  return { decisions: new Decisions({ rules, announce, now: () => clock.now }), announced, clock };
}

const attempt = (what: string): Pick<RefusedAttempt, "what" | "reason" | "grant"> => ({
  what,
  reason: "no grant covers this name",
  grant: what,
});

test("an attempt counts up, moves to the end and has the last reason", () => {
  const { decisions: all, clock } = decisions();
  all.refuse(attempt("a:443"));
  all.refuse(attempt("b:443"));
  clock.now += 5;
  all.refuse({ what: "a:443", reason: "another", grant: undefined });
  expect(all.refused()).toEqual([
    { at: 1_000_000, count: 1, ...attempt("b:443") },
    { at: 1_000_005, count: 2, what: "a:443", reason: "another", grant: undefined },
  ]);
});

test("keeps the newest hundred", () => {
  const { decisions: all } = decisions();
  for (let index = 0; index < 5000; index++) all.refuse(attempt(`n${index}:443`));
  expect(all.refused()).toHaveLength(100);
  expect(all.refused()[0]?.what).toBe("n4900:443");
  expect(all.refused().at(-1)?.what).toBe("n4999:443");
});

test("tells an attempt again after ten seconds, with all that came since", () => {
  const { decisions: all, announced, clock } = decisions();
  for (let index = 0; index < 1000; index++) all.refuse(attempt("a:443"));
  expect(announced.map(({ count }) => count)).toEqual([1]);
  clock.now += 9999;
  all.refuse(attempt("a:443"));
  expect(announced).toHaveLength(1);
  clock.now += 1;
  all.refuse(attempt("a:443"));
  expect(announced.map(({ count }) => count)).toEqual([1, 1002]);
});

test("tells no more than 32 in ten seconds, however many there are", () => {
  const { decisions: all, announced, clock } = decisions();
  for (let index = 0; index < 5000; index++) all.refuse(attempt(`n${index}:443`));
  expect(announced).toHaveLength(32);
  clock.now += 10_000;
  for (let index = 0; index < 5000; index++) all.refuse(attempt(`m${index}:443`));
  expect(announced).toHaveLength(64);
});

test("a clock that is set back does not silence it", () => {
  const { decisions: all, announced, clock } = decisions();
  all.refuse(attempt("a:443"));
  clock.now -= 3_600_000;
  all.refuse(attempt("a:443"));
  expect(announced).toHaveLength(2);
});

test("traffic is counted by rule, in their order, from the start", () => {
  const { decisions: all } = decisions(["a:443", "*.b:443"]);
  expect(all.traffic()).toEqual([
    { rule: "a:443", open: 0, connections: 0, bytesUp: 0, bytesDown: 0 },
    { rule: "*.b:443", open: 0, connections: 0, bytesUp: 0, bytesDown: 0 },
  ]);
  const [one, two] = [all.open("*.b:443"), all.open("*.b:443")];
  one.up(10);
  two.down(500);
  one.close();
  one.close();
  const learned = all.open("c:443");
  learned.up(1);
  expect(all.traffic().slice(1)).toEqual([
    { rule: "*.b:443", open: 1, connections: 2, bytesUp: 10, bytesDown: 500 },
    { rule: "c:443", open: 1, connections: 1, bytesUp: 1, bytesDown: 0 },
  ]);
});

test("what is handed out does not change later", () => {
  const { decisions: all } = decisions(["a:443"]);
  const before = all.traffic();
  all.open("a:443").up(5);
  expect(before[0]?.connections).toBe(0);
});

test("learns each once, and 256 at most", () => {
  const { decisions: all } = decisions();
  expect(all.learn("a:443")).toBe(true);
  expect(all.learn("a:443")).toBe(true);
  expect(all.learned()).toEqual(["a:443"]);
  for (let index = 1; index < 256; index++) expect(all.learn(`n${index}:443`)).toBe(true);
  expect(all.learn("one-more:443")).toBe(false);
  expect(all.learn("n255:443")).toBe(true);
  expect(all.learned()).toHaveLength(256);
});
