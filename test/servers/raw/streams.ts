// Servers that misuse their three streams: lines without end, floods, a stdin that nobody reads, noise on
// stdout. Each is bounded, so that a test that fails leaves no process that writes for ever.

import { readSync } from "node:fs";
import {
  type Handlers,
  exitSaying,
  parseMessage,
  startPeer,
  textResult,
  toolCall,
  toolNamed,
  writeAll,
} from "./peer.ts";

const MIB = 1024 * 1024;

/** Begins a line, at `initialized` or at the first call, and goes on with it for `mib` MiB; then lives quietly. */
export function endlessLine(when: "initialized" | "call", mib: number): void {
  const flood: Handlers[string] = (_message, peer) => {
    peer.send('{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"');
    pour(mib, 1, Buffer.alloc(64 * 1024, "x"));
  };
  const trigger = when === "call" ? "tools/call" : "notifications/initialized";
  startPeer({ handlers: { [trigger]: flood }, tools: [toolNamed("flood")] });
}

/** Tool `line`: an answer whose line is exactly `bytes` long, the line break not counted. */
export function line(bytes: number): void {
  const handlers: Handlers = {
    "tools/call": (message, peer) => {
      const wanted = toolCall(message).args["bytes"];
      const frame = `{"jsonrpc":"2.0","id":${message.id},"result":${textResult("")}}`;
      const filler = (typeof wanted === "number" ? wanted : bytes) - frame.length;
      if (filler < 0) return peer.fail(message, -32602, `a line has at least ${frame.length} bytes`);
      peer.answer(message, textResult("x".repeat(filler)));
    },
  };
  startPeer({ handlers, tools: [toolNamed("line")] });
}

/**
 * Reads `initialize`, `initialized` and `more` further messages, answers them, says `stopped reading` on stderr and
 * never reads again.
 */
export function neverReads(more: number): void {
  const byte = Buffer.alloc(1);
  let text = "";
  // One byte at a time: what is not wanted must stay in the pipe, not in a buffer of ours.
  for (let left = 2 + more; left > 0;) {
    if (readSync(0, byte, 0, 1, null) === 0) process.exit(0);
    if (byte[0] !== 0x0a) {
      text += byte.toString("latin1");
      continue;
    }
    answerPolitely(text);
    text = "";
    left--;
  }
  writeAll(2, "stopped reading\n");
  setTimeout(() => exitSaying("nobody stopped this server for ten minutes", 1), 600_000);
}

/** From `initialized` on, `mib` MiB of valid notifications. Answers calls meanwhile. */
export function floodsStdout(mib: number): void {
  const params = JSON.stringify({ level: "info", data: "y".repeat(900) });
  const notification = `{"jsonrpc":"2.0","method":"notifications/message","params":${params}}\n`;
  flooding(mib, 1, Buffer.from(notification.repeat(64)));
}

/** From `initialized` on, `mib` MiB of text on stderr. Answers calls meanwhile. */
export function floodsStderr(mib: number): void {
  flooding(mib, 2, Buffer.from(`${"noise ".repeat(30)}\n`.repeat(350)));
}

/** A banner first, and before every answer what real programs leave on stdout by mistake. */
export function garbage(): void {
  const noise = [
    "Debugger attached.",
    "",
    "   ",
    "{ not json",
    "[]",
    "42",
    "null",
    '"text"',
    "{}",
    '{"jsonrpc":"2.0"}',
    '{"jsonrpc":"1.0","id":1,"result":{}}',
    "\u001b[31mred\u001b[0m\r",
  ];
  const notText = Buffer.from([0xff, 0xfe, 0x80, 0x00, 0x0a]);
  const handlers: Handlers = {
    "tools/call": (message, peer) => {
      peer.send(`${noise.join("\n")}\n`);
      peer.send(notText);
      // A line may end in CR LF as well.
      peer.send(`{"jsonrpc":"2.0","id":${message.id},"result":${textResult("found")}}\r\n`);
    },
  };
  const peer = startPeer({ handlers, tools: [toolNamed("find")] });
  peer.send("*** My Great Server v1.0 ***\nListening on stdio\n");
}

function answerPolitely(text: string): void {
  const message = parseMessage(text);
  if (message?.id === undefined) return;
  const hello = '"capabilities":{"tools":{}},"serverInfo":{"name":"raw","version":"1"}';
  const result =
    message.method === "initialize"
      ? `{"protocolVersion":${JSON.stringify(message.params["protocolVersion"])},${hello}}`
      : `{"tools":[${toolNamed("noop")}],"content":[]}`;
  writeAll(1, `{"jsonrpc":"2.0","id":${message.id},"result":${result}}\n`);
}

function flooding(mib: number, fd: 1 | 2, chunk: Uint8Array): void {
  const handlers: Handlers = {
    "notifications/initialized": () => pour(mib, fd, chunk),
    "tools/call": (message, peer) => peer.answer(message, textResult("afloat")),
  };
  startPeer({ handlers, tools: [toolNamed("float")] });
}

/** Writes `mib` MiB in chunks and lets stdin be read between them. */
function pour(mib: number, fd: 1 | 2, chunk: Uint8Array): void {
  let left = mib * MIB;
  const next = (): void => {
    if (left <= 0) return;
    left -= chunk.length;
    writeAll(fd, chunk);
    setImmediate(next);
  };
  next();
}
