// The gate: so many at once, the others in order, and nobody lost.

import { describe, expect, test } from "bun:test";
import { Gate } from "../../src/process/gate.ts";

const open = new AbortController().signal;

/** Who is let in, in order, as far as the microtasks of now go. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
}

describe("the gate", () => {
  test("lets its width in at once, then one for each that leaves, in order", async () => {
    const gate = new Gate(2);
    const inside: string[] = [];
    const leave = new Map<string, () => void>();
    for (const name of ["a", "b", "c", "d"]) {
      void gate.enter(open).then((leaver) => {
        inside.push(name);
        leave.set(name, leaver);
      });
    }
    await settle();
    expect(inside).toEqual(["a", "b"]);
    leave.get("b")?.();
    await settle();
    expect(inside).toEqual(["a", "b", "c"]);
    leave.get("a")?.();
    leave.get("c")?.();
    await settle();
    expect(inside).toEqual(["a", "b", "c", "d"]);
  });

  test("a second leave of the same one lets nobody in", async () => {
    const gate = new Gate(1);
    const leave = await gate.enter(open);
    const inside: string[] = [];
    void gate.enter(open).then(() => inside.push("b"));
    void gate.enter(open).then(() => inside.push("c"));
    leave();
    leave();
    await settle();
    expect(inside).toEqual(["b"]);
  });

  test("who gives up is not let in and takes nobody's place", async () => {
    const gate = new Gate(1);
    const leave = await gate.enter(open);
    const impatient = new AbortController();
    const gaveUp = gate.enter(impatient.signal);
    const next = gate.enter(open);
    impatient.abort(new Error("enough"));
    await expect(gaveUp).rejects.toThrow("enough");
    leave();
    const leaveNext = await next;
    leaveNext();
    // The width is whole again.
    (await gate.enter(open))();
  });

  test("an abort after the entry changes nothing", async () => {
    const gate = new Gate(1);
    const abort = new AbortController();
    const leave = await gate.enter(abort.signal);
    abort.abort();
    const inside: string[] = [];
    void gate.enter(open).then(() => inside.push("b"));
    await settle();
    expect(inside).toEqual([]);
    leave();
    await settle();
    expect(inside).toEqual(["b"]);
  });

  test("who comes aborted is refused at once", async () => {
    const gate = new Gate(1);
    const abort = new AbortController();
    abort.abort(new Error("too late"));
    await expect(gate.enter(abort.signal)).rejects.toThrow("too late");
    (await gate.enter(open))();
  });
});
