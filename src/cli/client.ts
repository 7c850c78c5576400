// The command line's way to a running appliance: HTTP over its Unix socket, where the permission of the file is the
// authentication. Errors come back as the appliance meant them.

import { existsSync } from "node:fs";
import { AppError, isErrorCode, systemErrorCode, type ErrorCode } from "../errors.ts";
import { type Paths, socketCandidates } from "../paths.ts";

type Method = "GET" | "POST" | "DELETE";

export interface ApiClient {
  /**
   * The answer's JSON. T is taken on trust: the other side is this program.
   * @throws AppError: the problem that the appliance answered; `unreachable`, `denied`, `interrupted`
   */
  json<T>(method: Method, path: string, body?: unknown): Promise<T>;
  /** The answer's bytes, as they are. */
  bytes(method: Method, path: string, body?: unknown): Promise<Uint8Array>;
  /** The answer piece by piece, for as long as it lasts: silence of hours is no end. */
  stream(method: Method, path: string, body?: unknown): AsyncGenerator<Uint8Array>;
}

export interface ClientOptions {
  readonly paths: Paths;
  readonly uid: number;
  /** Aborted when the person has had enough. */
  readonly signal: AbortSignal;
}

/** Directory that is there while systemd runs (sd_booted(3)). */
const SYSTEMD = "/run/systemd/system";

export function createClient({ paths, uid, signal }: ClientOptions): ApiClient {
  const send = async (method: Method, path: string, body?: unknown): Promise<Response> => {
    const refusals: string[] = [];
    for (const unix of socketCandidates(paths)) {
      try {
        const response = await fetch(`http://toolcrib/api/v1${path}`, {
          method,
          unix,
          signal,
          // NB: otherwise an answer that is silent for 5 minutes is an error (Bun 1.4.5).
          timeout: false,
          ...bodyOf(body),
        });
        if (response.ok) return response;
        throw problemError(await response.text());
      } catch (error) {
        if (error instanceof AppError) throw error;
        if (signal.aborted) throw interrupted();
        const code = systemErrorCode(error) ?? "unknown error";
        // Only where nobody took the request may another place be asked.
        if (!["ENOENT", "ENOTDIR", "ECONNREFUSED", "EACCES", "EPERM"].includes(code)) throw wentAway(error);
        refusals.push(code);
      }
    }
    throw notThere(paths, uid, refusals);
  };
  async function* stream(method: Method, path: string, body?: unknown): AsyncGenerator<Uint8Array> {
    const response = await send(method, path, body);
    try {
      for await (const chunk of response.body ?? []) yield chunk;
    } catch (error) {
      throw signal.aborted ? interrupted() : wentAway(error);
    }
  }
  const bytes = async (method: Method, path: string, body?: unknown): Promise<Uint8Array> => {
    const response = await send(method, path, body);
    try {
      return await response.bytes();
    } catch (error) {
      throw signal.aborted ? interrupted() : wentAway(error);
    }
  };
  return {
    bytes,
    stream,
    async json(method, path, body) {
      const text = new TextDecoder().decode(await bytes(method, path, body));
      return text === "" ? undefined : JSON.parse(text);
    },
  };
}

/** A file is sent as it is, with its own type; everything else as JSON. */
function bodyOf(body: unknown): Pick<RequestInit, "body" | "headers"> {
  if (body === undefined) return {};
  if (body instanceof Blob) return { body, headers: { "content-type": body.type } };
  return { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
}

/** A name as a part of a path. */
export function pathOf(strings: TemplateStringsArray, ...names: readonly string[]): string {
  return String.raw({ raw: strings }, ...names.map(encodeURIComponent));
}

function problemError(text: string): AppError {
  try {
    const { code, detail, type: _type, title: _title, status: _status, ...details } = JSON.parse(text);
    if (typeof code === "string" && isErrorCode(code) && typeof detail === "string") {
      return new AppError(code, detail, { details });
    }
  } catch {
    // Not from this program, then.
  }
  return new AppError(
    "internal",
    "The answer is not one of a Toolcrib appliance: look what listens on its socket.",
  );
}

function interrupted(): AppError {
  return new AppError("interrupted", "Interrupted.");
}

function wentAway(cause: unknown): AppError {
  return new AppError(
    "unreachable",
    'The appliance went away in the middle of an answer: look at its log, and at "toolcrib ls" when it is back.',
    { cause },
  );
}

function notThere(paths: Paths, uid: number, refusals: readonly string[]): AppError {
  const [code, sentence]: [ErrorCode, string] = refusals.some(
    (refusal) => refusal === "EACCES" || refusal === "EPERM",
  )
    ? [
        "denied",
        `uid ${uid} may not use the appliance's socket: run this as root or as the user that runs the appliance.`,
      ]
    : ["unreachable", `No appliance answers at ${paths.socket}: start it with "${startCommand(paths)}".`];
  return new AppError(code, sentence, { details: { socket: paths.socket, refusals } });
}

function startCommand(paths: Paths): string {
  if (paths.layout === "service" && existsSync(SYSTEMD)) return "systemctl start toolcrib";
  return paths.layout === "home" ? `toolcrib serve --home ${paths.config}` : "toolcrib serve";
}
