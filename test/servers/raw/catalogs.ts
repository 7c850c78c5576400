// Servers with many tools: in pages, in pages without end, and in the sizes that the bench lists.

import { type Handlers, startPeer, textResult, toolCall } from "./peer.ts";

/** `tools` tools named `tool_0000` …, `perPage` a page. Cursors are opaque to the client. */
export function pages(tools: number, perPage: number): void {
  const handlers: Handlers = {
    "tools/list": (message, peer) => {
      const start = cursorStart(message.params["cursor"]);
      if (start === undefined || start >= tools) return peer.fail(message, -32602, "unknown cursor");
      const end = Math.min(start + perPage, tools);
      const next = end < tools ? `,"nextCursor":"at ${end} / é"` : "";
      peer.answer(message, `{"tools":[${toolRange(start, end, 120).join()}]${next}}`);
    },
    "tools/call": (message, peer) => peer.answer(message, textResult(toolCall(message).name)),
  };
  startPeer({ handlers });
}

/** A list that never ends: each page has one tool and one more cursor. */
export function endlessPages(): void {
  let page = 0;
  const handlers: Handlers = {
    "tools/list": (message, peer) => {
      page++;
      peer.answer(
        message,
        `{"tools":[${toolRange(page, page + 1, 120).join()}],"nextCursor":"at ${page} / é"}`,
      );
    },
  };
  startPeer({ handlers });
}

/** `tools` tools in one page, each definition exactly `bytes` long. A call answers the name of the tool. */
export function manyTools(tools: number, bytes: number): void {
  startPeer({
    handlers: { "tools/call": (message, peer) => peer.answer(message, textResult(toolCall(message).name)) },
    tools: toolRange(0, tools, bytes),
  });
}

function cursorStart(cursor: unknown): number | undefined {
  if (cursor === undefined) return 0;
  const start = /^at (\d+) \/ é$/.exec(String(cursor))?.[1];
  return start === undefined ? undefined : Number(start);
}

function toolRange(start: number, end: number, bytes: number): readonly string[] {
  return Array.from({ length: end - start }, (_, index) => sizedTool(start + index, bytes));
}

function sizedTool(index: number, bytes: number): string {
  const name = `tool_${String(index).padStart(4, "0")}`;
  const properties = { path: { type: "string", description: "Where to look." }, limit: { type: "integer" } };
  const inputSchema = { type: "object", properties, required: ["path"] };
  const shortest = JSON.stringify({ name, description: "", inputSchema }).length;
  const words = "Looks up what was asked for and says what it found there. ".repeat(Math.ceil(bytes / 58));
  return JSON.stringify({ name, description: words.slice(0, Math.max(0, bytes - shortest)), inputSchema });
}
