// Adding a server: what is told in which order, and what is left of one that did not work.

import { afterEach, describe, expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import type { AddEvent } from "../../src/model/api.ts";
import { until } from "../e2e/wait.ts";
import { addRequest, type ControlLab, openControl, specOf, tools } from "./lab.ts";

let lab: ControlLab;
afterEach(() => lab.close());

/** `progress saved` and the like. */
const words = (events: readonly AddEvent[]): string[] =>
  events.map((event) => (event.event === "progress" ? `${event.event} ${event.stage}` : event.event));

const failed = (events: readonly AddEvent[]): Extract<AddEvent, { event: "failed" }> => {
  const last = events.at(-1);
  if (last?.event !== "failed") throw new Error(`it did not fail: ${JSON.stringify(events)}`);
  return last;
};

describe("a server that works", () => {
  test("is saved, started, read and shown, in this order", async () => {
    lab = await openControl();
    lab.behaviours.set("good", { answer: () => ({ result: tools("a", "b") }) });
    const events = await lab.add(addRequest("one", "good"));
    expect(words(events)).toEqual(["progress saved", "progress starting", "progress ready", "done"]);
    const last = events.at(-1);
    expect(last?.event === "done" ? last.server : undefined).toMatchObject({
      name: "one",
      state: "ready",
      enabled: true,
      tools: 2,
      toolNames: ["a", "b"],
    });
    expect(lab.events).toEqual(["config 1", "offer one"]);
    // Its lists are read once, though both the start and the add want them.
    expect(lab.connected[0]?.upstream.asked.map(({ method }) => method)).toEqual(["tools/list"]);
    expect(lab.administration.tools(undefined).map(({ name }) => name)).toEqual(["one__a", "one__b"]);
  });

  test("tells how its package is installed, and keeps what was pinned", async () => {
    const pinned = {
      ecosystem: "npm" as const,
      name: "pkg",
      version: "1.2.3",
      integrity: "sha512-x",
      directory: "npm/pkg",
      entry: "cli.js",
    };
    lab = await openControl({
      install: async (_spec, progress) => {
        progress("resolving", "pkg");
        progress("downloading", "pkg 1.2.3");
        return pinned;
      },
    });
    const events = await lab.add(addRequest("one", "npx"));
    expect(words(events).slice(0, 3)).toEqual([
      "progress resolving",
      "progress downloading",
      "progress saved",
    ]);
    expect(lab.store.listServers()[0]?.package).toEqual(pinned);
    expect(lab.administration.server("one").package).toEqual({
      name: "pkg",
      version: "1.2.3",
      integrity: "sha512-x",
    });
  });

  test("is there after a restart, with its lists, and nothing runs", async () => {
    lab = await openControl();
    await lab.add(addRequest("one", "good"));
    lab = await lab.reopen();
    expect(lab.administration.tools(undefined).map(({ name }) => name)).toEqual(["one__echo"]);
    expect(lab.administration.server("one")).toMatchObject({ state: "stopped", tools: 1 });
    expect(lab.connected).toEqual([]);
  });
});

describe("a server that cannot be installed", () => {
  test("leaves nothing", async () => {
    lab = await openControl({
      install: () => Promise.reject(new AppError("install-failed", "There is no package pkg.")),
    });
    const told = failed(await lab.add(addRequest("one", "npx")));
    expect(told).toMatchObject({
      saved: false,
      error: { code: "install-failed", status: 422, detail: "There is no package pkg." },
    });
    expect(lab.store.listServers()).toEqual([]);
    expect(lab.events).toEqual([]);
    // And may be tried again.
    expect(failed(await lab.add(addRequest("one", "npx"))).error.code).toBe("install-failed");
  });

  test("because it was called off leaves nothing", async () => {
    const abort = new AbortController();
    lab = await openControl({
      install: async () => {
        abort.abort();
        return undefined;
      },
    });
    const told = failed(await lab.add(addRequest("one", "npx"), abort.signal));
    expect(told).toMatchObject({ saved: false, error: { code: "interrupted" } });
    expect(lab.store.listServers()).toEqual([]);
  });

  test("while another of its name is being installed is a conflict", async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    lab = await openControl({ install: () => promise });
    const first = lab.add(addRequest("one", "npx"));
    expect(failed(await lab.add(addRequest("one", "other"))).error).toMatchObject({
      code: "conflict",
      status: 409,
    });
    resolve(undefined);
    expect(words(await first).at(-1)).toBe("done");
    expect(lab.store.listServers()).toHaveLength(1);
  });
});

describe("a server that does not start", () => {
  test("is kept, and says why", async () => {
    lab = await openControl();
    lab.behaviours.set("bad", {
      connect: () => Promise.reject(new AppError("start-failed", "The server exited with code 2")),
    });
    const events = await lab.add(addRequest("one", "bad"));
    expect(words(events)).toEqual(["progress saved", "progress starting", "failed"]);
    expect(failed(events)).toMatchObject({ saved: true, error: { code: "start-failed", status: 502 } });
    expect(lab.administration.server("one")).toMatchObject({
      state: "backing-off",
      reason: "The server exited with code 2",
    });
  });

  test("any more when nobody waits: it goes on, and its name is free at once", async () => {
    lab = await openControl();
    const started = Promise.withResolvers<void>();
    lab.behaviours.set("slow", { connect: () => started.promise });
    const abort = new AbortController();
    const adding = lab.add(addRequest("one", "slow"), abort.signal);
    await until("it is starting", () => lab.pool.status("one")?.state === "starting");
    abort.abort();
    expect(failed(await adding)).toMatchObject({ saved: true, error: { code: "interrupted" } });
    expect(lab.administration.server("one").state).toBe("starting");
    started.resolve();
    await lab.pool.acquire("one");
    expect(lab.administration.server("one").state).toBe("ready");
  });

  test("reading: whose lists hang may be given up too", async () => {
    lab = await openControl();
    lab.behaviours.set("silent", { answer: () => "silence" });
    const abort = new AbortController();
    const adding = lab.add(addRequest("one", "silent"), abort.signal);
    await until("its lists are being read", () => lab.connected[0]?.upstream.asked.length === 1);
    abort.abort();
    expect(failed(await adding).error.code).toBe("interrupted");
    const again = await lab.add(addRequest("one", "good", { replace: true }));
    expect(words(again).at(-1)).toBe("done");
    expect(lab.administration.server("one").toolNames).toEqual(["echo"]);
  });
});

describe("a name", () => {
  test("that is taken is a conflict, unless its place is to be taken", async () => {
    lab = await openControl();
    await lab.add(addRequest("one", "good"));
    const told = failed(await lab.add(addRequest("one", "other")));
    expect(told).toMatchObject({ saved: false, error: { code: "conflict" } });
    expect(told.error.detail).toContain("--replace");
    lab.behaviours.set("other", { answer: () => ({ result: tools("new") }) });
    const events = await lab.add(addRequest("one", "other", { replace: true }));
    expect(words(events).at(-1)).toBe("done");
    expect(lab.administration.server("one")).toMatchObject({ runs: "other", toolNames: ["new"] });
    expect(lab.store.listServers()).toHaveLength(1);
  });

  test("taken over by the same specification leaves the process alone", async () => {
    lab = await openControl();
    await lab.add(addRequest("one", "good"));
    const before = lab.pool.ready("one");
    await lab.add(addRequest("one", "good", { replace: true }));
    expect(lab.pool.ready("one")).toBe(before);
    await lab.add(addRequest("one", "good", { replace: true, spec: specOf("good", { args: ["-v"] }) }));
    expect(lab.pool.ready("one")).not.toBe(before);
    expect(lab.connected).toHaveLength(2);
  });
});
