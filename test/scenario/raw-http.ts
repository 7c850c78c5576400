// HTTP written by hand: request targets that a client library would mend, bodies that stop in the middle, and a reader
// that does not read.

import { connect, type Socket } from "node:net";
import { within } from "../e2e/wait.ts";

/** Sends the lines (CRLF is added) and a body, and gives back all that comes until the other side closes. */
export async function exchange(port: number, lines: readonly string[], body = ""): Promise<string> {
  const socket = await open(port);
  const head = [...lines, "Connection: close", "", ""].join("\r\n");
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = "";
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
  socket.on("end", () => resolve(answer));
  socket.on("error", reject);
  socket.write(head + body);
  try {
    return await within("an answer", promise);
  } finally {
    socket.destroy();
  }
}

export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}

/** A connection in the hand of the caller, who destroys it. */
export function open(port: number): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect(port, "127.0.0.1", () => resolve(socket));
  socket.once("error", reject);
  return promise;
}
