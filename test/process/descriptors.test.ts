// Descriptors over a socket: what is there is taken, and of what is not right nothing stays open. (That real ones come
// is tried with the launcher: launch.test.ts.)

import { expect, test } from "bun:test";
import { closeSync, readdirSync } from "node:fs";
import { receiveDescriptors } from "../../src/process/descriptors.ts";

/** Both ends of nothing: a socket whose other end a child has, which does what it is told with it. */
async function socketTo(script: string): Promise<{ socket: number; close: () => void }> {
  const child = Bun.spawn(["/bin/sh", "-c", script], { stdio: ["ignore", "ignore", "inherit", "pipe"] });
  await child.exited;
  const socket = child.stdio[3];
  if (typeof socket !== "number") throw new Error("no socket");
  return { socket, close: () => closeSync(socket) };
}

const openNow = (): number => readdirSync("/proc/self/fd").length;

test.each([
  ["nothing was sent", "exec 3>&-"],
  ["a byte came without descriptors", "printf x >&3"],
  ["text came", "printf 'many bytes' >&3"],
])("%s: an error, and nothing is left open", async (_, script) => {
  const { socket, close } = await socketTo(script);
  const before = openNow();
  expect(() => receiveDescriptors(socket, 1)).toThrow("The launcher handed out 0 of 1 listeners");
  expect(openNow()).toBe(before);
  close();
});

test("a descriptor that is no socket", () => {
  expect(() => receiveDescriptors(1_000_000, 1)).toThrow("0 of 1 listeners");
});
