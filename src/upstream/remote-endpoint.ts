// One remote server as HTTP (MCP 2025-11-25, Transports, Streamable HTTP): its URL, the headers of every request,
// its session. Knows when the server is gone for good, and tells its owner; knows nothing of messages.

import { AppError } from "../errors.ts";
import { encodeText } from "../wire/compose.ts";
import { excerpt } from "../wire/excerpt.ts";
import { textOf } from "../wire/json-scan.ts";
import { discard, readBeginning } from "./remote-body.ts";
import { broken, noAnswer, notReached, redirectedAway, refused, sessionOver } from "./remote-failure.ts";
import type { ClientInfo } from "./handshake.ts";
import { secretsAmong, withoutSecrets } from "./hidden-values.ts";

export type Fetch = (url: string, init: BunFetchRequestInit) => Promise<Response>;

export interface EndpointOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly clientInfo: ClientInfo;
  readonly fetch: Fetch;
  /** Called once at least when the server cannot be reached any more, or has ended the session. */
  readonly onOver: (error: AppError) => void;
}

const MAX_REDIRECTS = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308]);
/** Bytes of a refusal that are read: to find a JSON-RPC error in them, or what to quote. */
const MAX_REFUSAL_BYTES = 65_536;
const SESSION_ID = /^[\x21-\x7e]{1,1024}$/;

export class RemoteEndpoint {
  /** Host and port, for sentences. */
  readonly where: string;
  readonly #fetch: Fetch;
  readonly #onOver: (error: AppError) => void;
  readonly #headers: Headers;
  readonly #secrets: readonly string[];
  #url: string;
  #sessionId: string | undefined;

  /** @throws AppError `start-failed` for a URL or header that cannot be sent. */
  constructor({ url, headers, clientInfo, fetch, onOver }: EndpointOptions) {
    const parsed = URL.parse(url);
    if (parsed === null)
      throw new AppError("start-failed", "The URL of the server is not a URL; add it again.");
    this.where = hostAndPort(parsed);
    this.#url = parsed.href;
    this.#fetch = fetch;
    this.#onOver = onOver;
    this.#headers = sendable(headers);
    if (!this.#headers.has("user-agent")) {
      this.#headers.set("user-agent", `${clientInfo.name}/${clientInfo.version}`);
    }
    // An event stream that goes through a compressor arrives late.
    this.#headers.set("accept-encoding", "identity");
    this.#secrets = secretsOf(parsed, headers);
  }

  get hasSession(): boolean {
    return this.#sessionId !== undefined;
  }

  /** Takes the session, if any, that the answer to `initialize` opens. */
  adoptSession(response: Response): void {
    const id = response.headers.get("mcp-session-id");
    if (id === null) return;
    if (!SESSION_ID.test(id)) throw noAnswer(this.where, "sent a session id that is not visible ASCII");
    this.#sessionId = id;
    this.#headers.set("mcp-session-id", id);
  }

  /** From here on every request names the revision (MCP 2025-06-18, Transports, Protocol Version Header). */
  adoptRevision(revision: string): void {
    this.#headers.set("mcp-protocol-version", revision);
  }

  /** Sends one message. Resolves with the answer as soon as its head is there, whatever its status. */
  post(message: Buffer<ArrayBuffer>, signal: AbortSignal): Promise<Response> {
    const headers = new Headers(this.#headers);
    headers.set("content-type", "application/json");
    headers.set("accept", "application/json, text/event-stream");
    return this.#send({ method: "POST", headers, body: message, signal });
  }

  /** Asks for the stream of what the server says unasked, or for the rest of one that ended early. */
  listen(lastEventId: string, signal: AbortSignal): Promise<Response> {
    const headers = new Headers(this.#headers);
    headers.set("accept", "text/event-stream");
    if (lastEventId !== "") headers.set("last-event-id", lastEventId);
    return this.#send({ method: "GET", headers, signal });
  }

  /** Tells the server that the session is over. A server that does not care is fine (405), and so is one that is gone. */
  async endSession(signal: AbortSignal): Promise<void> {
    if (this.#sessionId === undefined) return;
    try {
      await discard(await this.#send({ method: "DELETE", headers: this.#headers, signal }));
    } catch {
      // It was a courtesy.
    }
  }

  /** Makes an error of an answer whose status is not 2xx. `body` is what was read of it. */
  refusal(status: number, body: Uint8Array): AppError {
    if (!this.#endsSession(status, body)) return refused(this.where, status, this.quote(body));
    const error = sessionOver(this.where);
    this.#onOver(error);
    return error;
  }

  readRefusal(response: Response): Promise<Uint8Array> {
    return readBeginning(response, MAX_REFUSAL_BYTES);
  }

  /**
   * 404 is what the specification has for a session that ended. NB: many servers were made after an example that says
   * 400 with these words instead; without this they would never be called again after a restart.
   */
  #endsSession(status: number, body: Uint8Array): boolean {
    if (!this.hasSession) return false;
    return status === 404 || (status === 400 && /session/i.test(excerpt(body)));
  }

  async #send(request: BunFetchRequestInit): Promise<Response> {
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const response = await this.#sendOnce(request);
      if (!REDIRECTS.has(response.status)) return response;
      await discard(response);
      this.#url = this.#redirected(response.headers.get("location"));
    }
    throw noAnswer(this.where, `redirected more than ${MAX_REDIRECTS} times`);
  }

  async #sendOnce(request: BunFetchRequestInit): Promise<Response> {
    try {
      // NB: without `timeout: false` a stream that is quiet for five minutes is cut.
      return await this.#fetch(this.#url, { ...request, redirect: "manual", timeout: false });
    } catch (thrown) {
      if (request.signal?.aborted === true) throw thrown;
      const error = notReached(this.where, thrown);
      if (error === undefined) throw broken(this.where, thrown);
      this.#onOver(error);
      throw error;
    }
  }

  /** Our headers hold the keys to one origin: a redirect is followed within it and nowhere else. */
  #redirected(location: string | null): string {
    const target = location === null ? null : URL.parse(location, this.#url);
    if (target === null) throw noAnswer(this.where, "redirected to nowhere");
    if (target.origin === new URL(this.#url).origin) return target.href;
    throw redirectedAway(this.where, target.origin.slice(0, 200));
  }

  /** The begin of what the server said, fit for a sentence, and without what it quotes of our secrets. */
  quote(said: Uint8Array): string {
    const secrets = this.#sessionId === undefined ? this.#secrets : [this.#sessionId, ...this.#secrets];
    // NB: taken out before it is cut to length, or half a secret would be left at the cut.
    const whole = textOf(said, 0, Math.min(said.length, MAX_REFUSAL_BYTES));
    return excerpt(encodeText(withoutSecrets(whole, secrets)));
  }
}

function hostAndPort(url: URL): string {
  return url.port === "" ? `${url.hostname}:${url.protocol === "https:" ? 443 : 80}` : url.host;
}

function sendable(headers: Readonly<Record<string, string>>): Headers {
  const checked = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    try {
      checked.set(name, value);
    } catch {
      // NB: what was thrown may quote the value.
      throw new AppError(
        "start-failed",
        `The value of the header ${name} cannot be sent in HTTP; set it again.`,
      );
    }
  }
  return checked;
}

/** What a server could quote of our own request and nobody else may read. */
function secretsOf(url: URL, headers: Readonly<Record<string, string>>): readonly string[] {
  const ofHeaders = Object.values(headers).flatMap((value) => [value, ...value.split(/\s+/)]);
  const ofUrl = [url.username, url.password, ...url.searchParams.values()];
  return secretsAmong([...ofHeaders, ...ofUrl]);
}
