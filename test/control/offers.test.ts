// What is known of the servers' lists: when they are read, when they are saved and published, and when they are not.

import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { turns } from "../upstream/scripted-connector.ts";
import { addRequest, type ControlLab, openControl, tools } from "./lab.ts";

let lab: ControlLab;
beforeEach(async () => {
  lab = await openControl();
  jest.useFakeTimers();
});
afterEach(async () => {
  jest.useRealTimers();
  await lab.close();
});

const listed = (): string[] => lab.administration.tools(undefined).map(({ name }) => name);
const announce = (index = 0): void =>
  lab.connected[index]?.listener.notification("notifications/tools/list_changed", undefined);
const reads = (index = 0): number => lab.connected[index]?.upstream.asked.length ?? 0;

async function advance(ms: number): Promise<void> {
  jest.advanceTimersByTime(ms);
  await turns();
}

describe("a server that says its lists changed", () => {
  test("is read once more, after a moment, however often it says so", async () => {
    let names = ["a"];
    lab.behaviours.set("good", { answer: () => ({ result: tools(...names) }) });
    await lab.add(addRequest("one", "good"));
    names = ["a", "b"];
    for (let times = 0; times < 50; times++) announce();
    await advance(99);
    expect([reads(), listed()]).toEqual([1, ["one__a"]]);
    await advance(1);
    expect([reads(), listed()]).toEqual([2, ["one__a", "one__b"]]);
    expect(lab.events.filter((event) => event === "offer one")).toHaveLength(2);
    await advance(60_000);
    expect(reads()).toBe(2);
  });

  test("though they did not is read, and nothing is written or told", async () => {
    await lab.add(addRequest("one", "good"));
    const [catalog, events] = [lab.gateway.catalog, lab.events.length];
    announce();
    await advance(100);
    expect(reads()).toBe(2);
    expect(lab.gateway.catalog).toBe(catalog);
    expect(lab.events).toHaveLength(events);
  });

  test("and goes on saying so is read ever more seldom", async () => {
    await lab.add(addRequest("one", "good"));
    for (let step = 0; step < 600; step++) {
      announce();
      await advance(100);
    }
    // A minute of it: without a brake that would be 600.
    expect(reads()).toBeLessThan(60);
    expect(reads()).toBeGreaterThan(3);
  });
});

describe("lists that cannot be read", () => {
  test("leave what was known, and the log says why", async () => {
    let result = tools("a");
    lab.behaviours.set("good", { answer: () => ({ result }) });
    await lab.add(addRequest("one", "good"));
    result = '{"tools":"none"}';
    announce();
    await advance(100);
    expect(listed()).toEqual(["one__a"]);
    expect(lab.warnings.join()).toContain("lists not read");
    expect(lab.warnings.join()).toContain("tools/list");
  });

  test("from the beginning: the server is there, its tools are not", async () => {
    lab.behaviours.set("bad", { answer: () => ({ lost: new AppError("server-timeout", "too slow") }) });
    const events = await lab.add(addRequest("one", "bad"));
    expect(events.at(-1)?.event).toBe("done");
    expect(listed()).toEqual([]);
    expect(lab.administration.server("one")).toMatchObject({ state: "ready", tools: 0 });
  });
});

describe("a server that is replaced", () => {
  test("while the lists of the old one are being read: those of the new one count", async () => {
    lab.behaviours.set("silent", { answer: () => "silence" });
    const abort = new AbortController();
    const adding = lab.add(addRequest("one", "silent"), abort.signal);
    await turns();
    abort.abort();
    await adding;
    await lab.add(addRequest("one", "good", { replace: true }));
    expect(listed()).toEqual(["one__echo"]);
  });

  test("shows nothing of the old one before it was read", async () => {
    await lab.add(addRequest("one", "good"));
    lab.behaviours.set("bad", { connect: () => Promise.reject(new AppError("start-failed", "no")) });
    await lab.add(addRequest("one", "bad", { replace: true }));
    expect(listed()).toEqual([]);
    lab = await lab.reopen();
    expect(listed()).toEqual([]);
  });
});

test("a server that is disabled lists nothing, and the same as before when it is enabled", async () => {
  await lab.add(addRequest("one", "good"));
  await lab.administration.setEnabled("one", false);
  expect(listed()).toEqual([]);
  await lab.administration.setEnabled("one", true);
  expect(listed()).toEqual(["one__echo"]);
  expect(lab.connected).toHaveLength(1);
});
