import { expect, test } from "bun:test";
import { createBus } from "../src/events.ts";

const call = {
  server: "files",
  method: "tools/call",
  durationMs: 1,
  outcome: "ok",
  requestBytes: 2,
  resultBytes: 3,
} as const;

test("listeners hear their event, in order, the same object, and no other event", () => {
  const bus = createBus();
  const heard: unknown[] = [];
  bus.on("call.finished", (event) => heard.push("first", event));
  bus.on("call.finished", () => heard.push("second"));
  bus.on("config.changed", ({ revision }) => heard.push(revision));
  bus.emit("call.finished", call);
  expect(heard).toEqual(["first", call, "second"]);
  expect(heard[1]).toBe(call);
  bus.emit("config.changed", { revision: 7 });
  expect(heard.at(-1)).toBe(7);
  bus.emit("offer.changed", { server: "files", lists: ["tools"] });
  expect(heard).toHaveLength(4);
});

test("a listener that throws disturbs nobody and is reported", () => {
  const failures: unknown[] = [];
  const bus = createBus((thrown) => failures.push(thrown));
  const heard: number[] = [];
  bus.on("config.changed", () => {
    throw new Error("listener");
  });
  bus.on("config.changed", ({ revision }) => heard.push(revision));
  bus.emit("config.changed", { revision: 1 });
  expect(heard).toEqual([1]);
  expect(failures).toEqual([new Error("listener")]);
  const silent = createBus();
  silent.on("config.changed", () => {
    throw new Error("listener");
  });
  expect(() => silent.emit("config.changed", { revision: 1 })).not.toThrow();
});

test("each subscription ends by itself, twice is once", () => {
  const bus = createBus();
  let heard = 0;
  const listener = () => heard++;
  const endFirst = bus.on("config.changed", listener);
  const endSecond = bus.on("config.changed", listener);
  endFirst();
  endFirst();
  bus.emit("config.changed", { revision: 1 });
  expect(heard).toBe(1);
  endSecond();
  bus.emit("config.changed", { revision: 2 });
  expect(heard).toBe(1);
});

test("leaving or coming while an event is told changes only the next", () => {
  const bus = createBus();
  const heard: string[] = [];
  const end = bus.on("config.changed", () => {
    heard.push("leaver");
    end();
    bus.on("config.changed", () => heard.push("newcomer"));
  });
  bus.on("config.changed", () => heard.push("stayer"));
  bus.emit("config.changed", { revision: 1 });
  expect(heard).toEqual(["leaver", "stayer"]);
  bus.emit("config.changed", { revision: 2 });
  expect(heard).toEqual(["leaver", "stayer", "stayer", "newcomer"]);
});
