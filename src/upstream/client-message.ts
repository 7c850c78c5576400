// The messages that go to a server, put together as bytes. `end` is what closes a message on the wire: a line break
// on stdio, nothing over HTTP.

import { RPC } from "../model/protocol.ts";
import { asciiJson, compose, encodeText } from "../wire/compose.ts";
import type { UpstreamRequest } from "./upstream.ts";

/** Our id goes around the caller's `params`, and into its progress token where it asked for progress. */
export function requestMessage(id: number, request: UpstreamRequest, end = ""): Buffer<ArrayBuffer> {
  const { method, params, progressToken: token } = request;
  const head = `{"jsonrpc":"2.0","id":${id},"method":${asciiJson(method)}`;
  if (params === undefined) return compose(head, "}", end);
  if (token === undefined) return compose(head, ',"params":', params, "}", end);
  const [before, after] = [params.subarray(0, token.start), params.subarray(token.end)];
  return compose(head, ',"params":', before, String(id), after, "}", end);
}

export function notificationMessage(
  method: string,
  params: Uint8Array | undefined,
  end = "",
): Buffer<ArrayBuffer> {
  const head = `{"jsonrpc":"2.0","method":${asciiJson(method)}`;
  return params === undefined ? compose(head, "}", end) : compose(head, ',"params":', params, "}", end);
}

/** `params` of notifications/cancelled. */
export function cancelledParams(id: number, reason: string): Uint8Array {
  return encodeText(`{"requestId":${id},"reason":${JSON.stringify(reason)}}`);
}

/** The answer to a request of the server: a ping is answered, all else is refused, because we claim no capability. */
export function answerMessage(id: Uint8Array, method: string, end = ""): Buffer<ArrayBuffer> {
  if (method === "ping") return compose('{"jsonrpc":"2.0","id":', id, ',"result":{}}', end);
  const error = `{"code":${RPC.methodNotFound},"message":"This client does not offer what was asked for."}`;
  return compose('{"jsonrpc":"2.0","id":', id, ',"error":', error, "}", end);
}
