// Servers whose answers are wrong, odd or more than was asked for: lies, exact bytes, and requests of their own.

import {
  type Handlers,
  type Message,
  rawMember,
  startPeer,
  textResult,
  toolCall,
  toolNamed,
} from "./peer.ts";

const TRUE_ANSWER = textResult("true");
const LIE = textResult("lie");

/** By tool: the lines that come for a call with the raw id `id`. All but the last two end in a true answer. */
const LIES: Readonly<Record<string, (id: string) => readonly string[]>> = {
  stranger: (id) => [`{"jsonrpc":"2.0","id":987654321,"result":${LIE}}`, honest(id)],
  text_id: (id) => [`{"jsonrpc":"2.0","id":"${id}","result":${LIE}}`, honest(id)],
  null_id: (id) => [`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"lie"}}`, honest(id)],
  no_id: (id) => [`{"jsonrpc":"2.0","result":${LIE}}`, honest(id)],
  object_id: (id) => [`{"jsonrpc":"2.0","id":{"id":${id}},"result":${LIE}}`, honest(id)],
  nested_id: (id) => [`{"jsonrpc":"2.0","id":987654321,"result":{"id":${id},"content":[]}}`, honest(id)],
  twice: (id) => [honest(id), `{"jsonrpc":"2.0","id":${id},"result":${LIE}}`],
  strange_progress: (id) => [
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":987654321,"progress":1}}',
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":[],"progress":"x"}}',
    '{"jsonrpc":"2.0","method":"notifications/progress"}',
    honest(id),
  ],
  strange_list_changed: (id) => [
    '{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":[1,2]}',
    '{"jsonrpc":"2.0","method":5}',
    honest(id),
  ],
  // The last of two equal keys counts: for JSON.parse this answers `id`, for a careless scanner 77.
  duplicate_id: (id) => [`{"result":${TRUE_ANSWER},"id":77,"jsonrpc":"2.0","id":${id}}`],
  escaped_id: (id) => [`{"jsonrpc":"2.0","\\u0069d":${id},"result":${TRUE_ANSWER}}`],
  spaced: (id) => [` {\t"id" : ${id} , "result" : ${TRUE_ANSWER} , "jsonrpc" : "2.0" } `],
  number_result: (id) => [`{"jsonrpc":"2.0","id":${id},"result":1}`],
  both: (id) => [`{"jsonrpc":"2.0","id":${id},"result":${LIE},"error":{"code":1,"message":"lie"}}`],
};

/** What a careful forwarder leaves exactly as it is. */
export const ODD_RESULT =
  '{"content":[{"type":"text","text":"odd \\u00e9 \\ud83d\\ude00","vendor":{"big":9007199254740993}},' +
  '{"type":"unheard-of","x":1.0}],"one":1.0,"minusZero":-0,"huge":1e400,"twice":1,"twice":2,' +
  '"id":77,"jsonrpc":"1.0","method":"ping","result":{"id":5},"error":{"code":1,"message":"no"},"_meta":{"a":1.50}}';

/** Tools by the name of the lie; each is told at a call. */
export function lies(): void {
  const handlers: Handlers = {
    "tools/call": (message, peer) => {
      const lie = LIES[toolCall(message).name];
      if (lie === undefined) return peer.fail(message, -32602, "no such lie");
      peer.send(`${lie(message.id ?? "null").join("\n")}\n`);
    },
  };
  startPeer({ handlers, tools: Object.keys(LIES).map(toolNamed) });
}

/** Every request gets its own params back, byte for byte, as `params` of the result; tool `odd`: ODD_RESULT. */
export function echo(): void {
  const handlers: Handlers = {
    "tools/call": (message, peer) =>
      peer.answer(message, toolCall(message).name === "odd" ? ODD_RESULT : echoed(message)),
    "*": (message, peer) => peer.answer(message, echoed(message)),
  };
  startPeer({ handlers, tools: ["raw", "odd"].map(toolNamed) });
}

/**
 * Sends three requests at `initialized`, with ids that a client uses too. Tool `answers`: the raw lines that came
 * back so far. Tool `ask` {method, params}: sends one now and answers the call with the raw line that comes back.
 */
export function serverRequests(): void {
  const answers: string[] = [];
  const asking = new Map<string, Message>();
  let lastId = 3;
  const sampling = { messages: [{ role: "user", content: { type: "text", text: "hi" } }], maxTokens: 5 };
  const handlers: Handlers = {
    "notifications/initialized": (_message, peer) => {
      peer.send(request(1, "ping", {}) + request(2, "roots/list", {}));
      peer.send(request(3, "sampling/createMessage", sampling));
    },
    "tools/call": (message, peer) => {
      const { name, args } = toolCall(message);
      if (name !== "ask") return peer.answer(message, textResult(`[${answers.join()}]`));
      asking.set(String(++lastId), message);
      peer.send(request(lastId, String(args["method"] ?? "ping"), args["params"] ?? {}));
    },
    "*": (message, peer) => {
      if (message.method !== undefined) return peer.fail(message, -32601, `no method ${message.method}`);
      const call = asking.get(message.id ?? "");
      // Whole, also what was answered late or twice: the test judges. Bounded all the same.
      if (answers.length < 1000) answers.push(message.line);
      if (call === undefined) return;
      asking.delete(message.id ?? "");
      peer.answer(call, textResult(message.line));
    },
  };
  startPeer({ handlers, tools: ["answers", "ask"].map(toolNamed) });
}

function honest(id: string): string {
  return `{"jsonrpc":"2.0","id":${id},"result":${TRUE_ANSWER}}`;
}

function echoed(message: Message): string {
  return `{"content":[],"params":${rawMember(message.line, "params") ?? "null"}}`;
}

function request(id: number, method: string, params: unknown): string {
  return `${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`;
}
