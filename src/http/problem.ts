// Errors of /api as application/problem+json (RFC 9457). Whatever answers errors outside MCP comes through here, and
// no problem carries what the client sent: a value in the wrong place may be a secret.

import { STATUS_CODES } from "node:http";
import { AppError, toAppError } from "../errors.ts";
import type { Problem } from "../model/api.ts";

/** The error as data. Its details stand beside the fields of the standard and cannot replace them. */
export function problemOf(error: AppError): Problem {
  return {
    ...error.details,
    // "about:blank": the code says which kind it is, the title is that of the status (RFC 9457, 4.2.1).
    type: "about:blank",
    title: STATUS_CODES[error.httpStatus] ?? "Error",
    status: error.httpStatus,
    detail: error.message,
    code: error.code,
  };
}

export function problemResponse(error: AppError): Response {
  return new Response(JSON.stringify(problemOf(error)), {
    status: error.httpStatus,
    headers: { "content-type": "application/problem+json" },
  });
}

/**
 * Any thrown value as an error that may leave the appliance. The message of one that nobody foresaw may hold
 * anything, so it is handed to `onUnexpected` and the answer only says where to look.
 */
export function presentable(thrown: unknown, onUnexpected: (error: unknown) => void): AppError {
  const error = toAppError(thrown);
  if (error === thrown || error.code !== "internal") return error;
  onUnexpected(thrown);
  return new AppError(
    "internal",
    "Something went wrong inside the appliance: its log says what, at this moment.",
  );
}
