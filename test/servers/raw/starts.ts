// Servers that start badly: silent, dead, late, in another language, or from another year.

import { type Handlers, exitSaying, startPeer, textResult, toolNamed, writeAll } from "./peer.ts";

/** Reads everything and never answers `method`. */
export function hang(method: string): void {
  startPeer({ handlers: { [method]: () => {} }, tools: [toolNamed("noop")] });
}

export function exitAtOnce(): never {
  return exitSaying("missing API key", 2);
}

/** Answers `calls` tool calls and dies at the next one without a word on stdout. */
export function exitAfter(calls: number): void {
  let left = calls;
  const handlers: Handlers = {
    "tools/call": (message, peer) => {
      if (left === 0) exitSaying(`gone after ${calls} calls`, 4);
      left--;
      peer.answer(message, textResult(`${left} left`));
    },
  };
  startPeer({ handlers, tools: [toolNamed("count")] });
}

/** Answers whatever it hears as a web server would. */
export function otherLanguage(): void {
  const page = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<h1>Bad Request</h1>\r\n";
  process.stdin.on("data", () => writeAll(1, page));
  process.stdin.on("end", () => process.exit(0));
}

/** Reads nothing for a while, then is a good server. */
export function slowStart(delayMs: number): void {
  setTimeout(() => startPeer({ handlers: { "tools/call": noop }, tools: [toolNamed("noop")] }), delayMs);
}

/** Answers `initialize` with this revision, whatever was asked. */
export function old(revision: string): void {
  startPeer({ revision, handlers: { "tools/call": noop }, tools: [toolNamed("noop")] });
}

const noop: Handlers[string] = (message, peer) => peer.answer(message, textResult("done"));
