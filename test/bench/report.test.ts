// Medians, ratios and the table, from figures that a person can check.

import { expect, test } from "bun:test";
import { median, reportOf, tableOf } from "./report.ts";
import type { Row, Sample } from "./row.ts";
import type { SubjectName } from "./subjects/subject.ts";

const ROW: Row = {
  name: "calls",
  title: "calls",
  metrics: [
    { key: "perSecond", unit: "calls/s", decimals: 0 },
    { key: "p50Ms", unit: "p50 ms", decimals: 2 },
  ],
  against: "relay",
  run: () => Promise.resolve(),
};

test("the ratio is the median of the rounds' ratios, not the ratio of the medians", () => {
  const samples = [sample("relay", 100), sample("toolcrib", 90), sample("relay", 10), sample("toolcrib", 5)];
  const report = reportOf(ROW, [...samples, sample("relay", 1000), sample("toolcrib", 500)], []);
  expect(report.lines).toEqual([
    {
      cell: "64 at once",
      unit: "calls/s",
      medians: { relay: 100, toolcrib: 90 },
      rounds: { relay: [100, 10, 1000], toolcrib: [90, 5, 500] },
      ratio: 0.5,
    },
  ]);
});

test("a round that failed leaves no ratio, and the failure stands below the table", () => {
  const report = reportOf(
    ROW,
    [sample("relay", 12_345), sample("relay", 2), sample("toolcrib", 1)],
    ["it broke"],
  );
  expect(report.lines[0]).not.toHaveProperty("ratio");
  expect(tableOf(report, ROW.metrics)).toBe(
    [
      "calls: calls",
      "                     relay  toolcrib  toolcrib / relay",
      "64 at once  calls/s  6,174         1                 -",
      "  failed: it broke",
      "",
    ].join("\n"),
  );
});

test.each([
  [[3], 3],
  [[4, 1], 2.5],
  [[9, 1, 5], 5],
  [[], Number.NaN],
])("median of %p", (values, expected) => expect(median(values)).toBe(expected));

function sample(subject: SubjectName, perSecond: number): Sample {
  return { cell: "64 at once", subject, figures: { perSecond } };
}
