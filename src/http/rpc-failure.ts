// An answer on /mcp to something that never became a request: a JSON-RPC error without an id.

interface RpcFailure {
  readonly status: number;
  readonly code: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function rpcFailure({ status, code, message, headers }: RpcFailure): Response {
  const body = JSON.stringify({ jsonrpc: "2.0", id: null, error: { code, message } });
  return new Response(body, { status, headers: { "content-type": "application/json", ...headers } });
}
