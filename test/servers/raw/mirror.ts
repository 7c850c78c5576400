// A server that gives everything back byte for byte, of every kind of message that is forwarded.

import { type Handlers, type Message, rawMember, startPeer, toolCall } from "./peer.ts";
import { ODD_RESULT } from "./answers.ts";

/** What a careful forwarder leaves exactly as it is, wherever it stands. */
export const ODD_VALUE =
  '{"big":9007199254740993,"one":1.0, "minusZero":-0,"huge":1e400 ,"twice":1,"twice":2,"é😀":"\\u00e9\\ud83d\\ude00 \\/","":[ ]}';

export const ODD_ERROR = `{ "code":-32042,"message":"no\\u002e" ,"data":${ODD_VALUE},"vendor":1.0}`;

export const MIRROR_TOOLS = ["raw", "odd", "error", "progress"];

/** Entries of the lists. `name` and the rest are told apart, because a merged list has another name. */
export const ODD_TOOL = (name: string): string =>
  `{"inputSchema":{"type":"object","x":${ODD_VALUE}}, "name":"${name}" ,"vendor":${ODD_VALUE}}`;
export const ODD_PROMPT = (name: string): string => `{ "vendor":${ODD_VALUE},"name" : "${name}"}`;
export const ODD_RESOURCE = `{"uri":"mirror://a", "name":"a","vendor":${ODD_VALUE}}`;
export const ODD_TEMPLATE = `{"uriTemplate":"mirror://t/{x}","name":"t","vendor":${ODD_VALUE} }`;

/** The params of a progress notification; `token` is raw JSON. */
export const ODD_PROGRESS = (token: string): string =>
  `{"progress":1.0,"progressToken":${token} ,"total":9007199254740993,"vendor":${ODD_VALUE}}`;

/**
 * Every request gets its own params back as `params` of the result. Tool `odd`: ODD_RESULT; `error`: ODD_ERROR;
 * `progress`: ODD_PROGRESS with the caller's token, then the result.
 */
export function mirror(): void {
  const handlers: Handlers = {
    "tools/list": (message, peer) => peer.answer(message, `{"tools":[${MIRROR_TOOLS.map(ODD_TOOL).join()}]}`),
    "prompts/list": (message, peer) => peer.answer(message, `{"prompts":[${ODD_PROMPT("raw")}]}`),
    "resources/list": (message, peer) => peer.answer(message, `{"resources":[${ODD_RESOURCE}]}`),
    "resources/templates/list": (message, peer) =>
      peer.answer(message, `{"resourceTemplates":[${ODD_TEMPLATE}]}`),
    "tools/call": (message, peer) => {
      const { name } = toolCall(message);
      if (name === "odd") return peer.answer(message, ODD_RESULT);
      if (name === "error") return peer.send(`{"jsonrpc":"2.0","id":${message.id},"error":${ODD_ERROR}}\n`);
      if (name === "progress") {
        const params = ODD_PROGRESS(tokenOf(message));
        peer.send(`{"jsonrpc":"2.0","method":"notifications/progress","params":${params}}\n`);
      }
      peer.answer(message, reflected(message));
    },
    "*": (message, peer) => peer.answer(message, reflected(message)),
  };
  const capabilities = '{"tools":{},"prompts":{},"resources":{},"completions":{}}';
  startPeer({ handlers, capabilities });
}

function reflected(message: Message): string {
  return `{"params":${rawMember(message.line, "params") ?? "null"} ,"content":[]}`;
}

function tokenOf(message: Message): string {
  const meta = rawMember(rawMember(message.line, "params") ?? "{}", "_meta");
  return rawMember(meta ?? "{}", "progressToken") ?? "null";
}
