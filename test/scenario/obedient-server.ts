// A stdio server that does what a scenario tells it to, by tools. Run as `bun obedient-server.ts`.

import {
  exitSaying,
  rawMember,
  startPeer,
  textResult,
  toolCall,
  toolNamed,
  type Message,
} from "../servers/raw/peer.ts";

const MAX_PROGRESS = 1_000_000;

const added: string[] = [];
/** Raw params of each notifications/cancelled. */
const cancelled: string[] = [];
const held: Message[] = [];

/** Of this process: inside a cage all have the same process id. */
const self = crypto.randomUUID();

const TOOLS = ["raw", "progress", "hold", "release", "cancelled", "grow", "die", "who"];

startPeer({
  handlers: {
    "tools/list": (message, peer) =>
      peer.answer(message, `{"tools":[${[...TOOLS, ...added].map(toolNamed).join()}]}`),
    "tools/call": (message, peer) => {
      const { name, args } = toolCall(message);
      switch (name) {
        // {count, bytes}: so many notifications of about that size, then the answer.
        case "progress": {
          const token = rawMember(
            rawMember(rawMember(message.line, "params") ?? "", "_meta") ?? "",
            "progressToken",
          );
          const filler = "x".repeat(Number(args["bytes"] ?? 0));
          for (let step = 1; step <= Math.min(Number(args["count"] ?? 1), MAX_PROGRESS); step++) {
            const params = `{"progressToken":${token},"progress":${step}.0,"message":"${filler}"}`;
            peer.send(`{"jsonrpc":"2.0","method":"notifications/progress","params":${params}}\n`);
          }
          return peer.answer(message, textResult("progressed"));
        }
        // No answer until `release`; says so on stderr, to be waited for.
        case "hold":
          held.push(message);
          process.stderr.write(`holding ${held.length}\n`);
          return;
        case "release":
          for (const each of held.splice(0)) peer.answer(each, textResult("released"));
          return peer.answer(message, textResult("done"));
        case "cancelled":
          return peer.answer(message, textResult(cancelled.join("\n")));
        case "grow":
          added.push(`added_${added.length}`);
          peer.send('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n');
          return peer.answer(message, textResult("grown"));
        case "who":
          return peer.answer(message, textResult(self));
        case "die":
          return exitSaying("told to die", 3);
        // Its own params, byte for byte.
        default:
          return peer.answer(
            message,
            `{"content":[],"params":${rawMember(message.line, "params") ?? "null"}}`,
          );
      }
    },
    "notifications/cancelled": (message) => {
      cancelled.push(rawMember(message.line, "params") ?? "");
      process.stderr.write("cancelled\n");
    },
  },
});
