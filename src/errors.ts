// The one error type and the one table of codes. A code decides the HTTP status, the JSON-RPC code and the
// exit code; the sentence tells the reader what happened and what to do next.

interface Outcome {
  readonly http: number;
  readonly jsonRpc: number;
  readonly exit: number;
}

// JSON-RPC codes follow the specification where it names one (-32700 … -32600). Codes of our own are positive:
// the specification reserves -32768 … -32000 and asks others to stay outside.
const TABLE = {
  usage: { http: 400, jsonRpc: -32602, exit: 2 },
  "invalid-request": { http: 400, jsonRpc: -32600, exit: 1 },
  "parse-error": { http: 400, jsonRpc: -32700, exit: 1 },
  "invalid-params": { http: 400, jsonRpc: -32602, exit: 1 },
  "method-not-found": { http: 404, jsonRpc: -32601, exit: 1 },
  "not-found": { http: 404, jsonRpc: -32602, exit: 1 },
  denied: { http: 403, jsonRpc: 4030, exit: 4 },
  unauthenticated: { http: 401, jsonRpc: 4010, exit: 4 },
  conflict: { http: 409, jsonRpc: 4090, exit: 5 },
  "too-large": { http: 413, jsonRpc: 4130, exit: 1 },
  "bad-configuration": { http: 500, jsonRpc: -32603, exit: 78 },
  "install-failed": { http: 422, jsonRpc: -32603, exit: 1 },
  "start-failed": { http: 502, jsonRpc: 5020, exit: 1 },
  "server-lost": { http: 502, jsonRpc: 5021, exit: 1 },
  "session-over": { http: 502, jsonRpc: 5023, exit: 1 },
  "bad-answer": { http: 502, jsonRpc: 5022, exit: 1 },
  "server-busy": { http: 503, jsonRpc: 5030, exit: 1 },
  blocked: { http: 503, jsonRpc: 5031, exit: 1 },
  "server-disabled": { http: 409, jsonRpc: 4091, exit: 1 },
  "server-timeout": { http: 504, jsonRpc: 5040, exit: 1 },
  unreachable: { http: 502, jsonRpc: -32603, exit: 3 },
  "no-space": { http: 507, jsonRpc: -32603, exit: 1 },
  interrupted: { http: 503, jsonRpc: -32603, exit: 130 },
  internal: { http: 500, jsonRpc: -32603, exit: 1 },
} as const satisfies Record<string, Outcome>;

export type ErrorCode = keyof typeof TABLE;

/** An expected failure. `message` is one sentence for a person and never holds a secret. */
export class AppError extends Error {
  readonly code: ErrorCode;
  /** Facts for machines beside the sentence: positions, names, limits. Never a secret. */
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(
    code: ErrorCode,
    sentence: string,
    options?: { cause?: unknown; details?: Readonly<Record<string, unknown>> },
  ) {
    super(sentence, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AppError";
    this.code = code;
    this.details = options?.details;
  }

  get httpStatus(): number {
    return TABLE[this.code].http;
  }

  get jsonRpcCode(): number {
    return TABLE[this.code].jsonRpc;
  }

  get exitCode(): number {
    return TABLE[this.code].exit;
  }
}

/** `text` with a full stop, where it has no end of its own: another sentence may follow. */
export function asSentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

/** True for the names in the table: what an API answer may carry as its `code`. */
export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(TABLE, value);
}

/** Any thrown value as an AppError; what was not expected becomes `internal` and keeps its cause. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  const code = systemErrorCode(thrown);
  if (code === "ENOSPC" || code === "EDQUOT" || code === "SQLITE_FULL") {
    return new AppError(
      "no-space",
      "The disk is full: free some space in the data directory, then try again.",
      {
        cause: thrown,
      },
    );
  }
  const sentence = thrown instanceof Error ? thrown.message : String(thrown);
  return new AppError("internal", sentence, { cause: thrown });
}

/** The `code` of a system error (`ENOENT`, `SQLITE_FULL`, …), where the thrown value has one. */
export function systemErrorCode(thrown: unknown): string | undefined {
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}
