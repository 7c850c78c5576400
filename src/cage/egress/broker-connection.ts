// One connection of a server to a brokered host: TLS as that host towards the server, TLS to the host itself, and
// between them one HTTP/1.1 request after the other. broker.ts makes it, counts it and closes it.
//
// One connection here is one connection there, and both end together: a request never meets the answer to another one.

import type { Socket } from "node:net";
import { type SecureContext, TLSSocket } from "node:tls";
import { AppError } from "../../errors.ts";
import { parseHostRule } from "../../model/host-rule.ts";
import { chunk, LAST_CHUNK, readBody } from "./broker-body.ts";
import type { Credential } from "./broker-credential.ts";
import { parseRequestHead, parseResponseHead, type RequestHead, type ResponseHead } from "./broker-head.ts";
import { masked, Masker, type Patterns } from "./broker-mask.ts";
import { BrokerRefusal } from "./broker-refusal.ts";
import { refusalBytes, requestBytes, requireSearchable, responseBytes } from "./broker-rewrite.ts";
import { type ByteMeter, ByteSocket } from "./broker-socket.ts";
import { secureUpstream } from "./broker-upstream.ts";
import type { InterceptedConnection } from "./interceptor.ts";

/** A brokered host, and what belongs into requests to it. */
export interface Route {
  /** As `parseHostRule` has it. */
  readonly host: string;
  readonly port: number;
  readonly credentials: readonly Credential[];
  /** All forms of all their values. */
  readonly patterns: Patterns;
}

export interface ConnectionLimits {
  /** From the first byte of a head to its last; for the first one, TLS included. Also for what is left of a body when its answer is complete. */
  readonly headMs: number;
  /** To the host, TLS included. */
  readonly connectMs: number;
  /** Between two requests. */
  readonly idleMs: number;
  /** Without a byte of body in either direction, the wait for an answer included. */
  readonly stallMs: number;
}

export interface ConnectionOptions {
  readonly route: Route;
  /** To answer as the host. */
  readonly context: SecureContext;
  /** Who may vouch for the host. */
  readonly trust: SecureContext;
  readonly limits: ConnectionLimits;
  /** Called once at most. */
  readonly dial: InterceptedConnection["dial"];
  readonly meter: ByteMeter;
  /** What somebody has to mend. Never holds a value. */
  readonly onTrouble: (sentence: string) => void;
}

/** 100, 102 and 103, which may come before an answer. */
const MAX_INTERIM_ANSWERS = 16;

export class BrokerConnection {
  readonly #options: ConnectionOptions;
  readonly #client: ByteSocket;
  /** The TCP connection that `#upstream` runs over, from when it was dialled. */
  #dialled: Socket | undefined;
  #upstream: ByteSocket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #hasAsked = false;
  /** A part of the answer to the request at hand was sent. */
  #hasAnswered = false;
  #isOver = false;

  /** Owns `socket`. `firstBytes` were read from it already. */
  constructor(socket: Socket, firstBytes: Uint8Array, options: ConnectionOptions) {
    this.#options = options;
    socket.on("error", ignore);
    if (firstBytes.length > 0) socket.unshift(firstBytes);
    const { context: secureContext } = options;
    const tls = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ["http/1.1"] });
    socket.once("close", () => tls.destroy());
    this.#client = new ByteSocket(tls);
  }

  /** Resolves when the connection is gone. Never rejects. */
  async serve(): Promise<void> {
    // Also while the host lets us wait: nobody is there for its answer.
    const gone = this.#client.closed.then(() => this.#fail(undefined));
    try {
      while (await this.#exchange()) this.#allow(this.#options.limits.idleMs, undefined);
      this.#leave();
      this.#client.end();
    } catch (thrown) {
      this.#fail(thrown);
    }
    await gone;
  }

  /** At once. */
  destroy(): void {
    this.#fail(undefined);
    this.#client.destroy();
  }

  /** One request and its answer. False: nothing can follow. */
  async #exchange(): Promise<boolean> {
    const request = await this.#nextRequest();
    if (request === undefined) return false;
    const { route, limits } = this.#options;
    this.#hasAnswered = false;
    const isFirst = this.#upstream === undefined;
    const upstream = this.#upstream ?? (await this.#connect());
    this.#allow(limits.stallMs, new BrokerRefusal(504, `${route.host} did not answer in time.`));
    await upstream.write(requestBytes(request, route.credentials));
    const uploaded = this.#upload(request, upstream).catch((thrown: unknown) => this.#fail(thrown));

    const response = await this.#answerHead(request, upstream, isFirst);
    if (response === undefined) return false;
    if (response.status === 101) return this.#splice(response, upstream);
    const closes = request.closes || response.closes;
    this.#hasAnswered = true;
    await this.#client.write(responseBytes(response, closes));
    await this.#download(response, upstream);
    if (closes) return false;
    this.#allow(limits.headMs, undefined);
    await uploaded;
    return !this.#isOver;
  }

  /** Undefined when none comes: the server is done, or the host has ended the connection in between. */
  async #nextRequest(): Promise<RequestHead | undefined> {
    const { limits, route } = this.#options;
    const upstream = this.#upstream;
    if (upstream === undefined) this.#allow(limits.headMs, undefined);
    await Promise.race([this.#client.stirred(), upstream?.stirred() ?? never()]);
    // NB: what the host says unasked must not become the answer to the next request.
    if (upstream?.isQuiet === false) return undefined;
    this.#allow(limits.headMs, new BrokerRefusal(408, "The head of the request did not come in time."));
    const head = await this.#client.readHead();
    if (head === undefined) return undefined;
    this.#hasAsked = true;
    const request = parseRequestHead(head);
    if (isFor(request.host, route)) return request;
    throw new BrokerRefusal(
      421,
      `This connection is for ${route.host} alone, and the request is for another host.`,
    );
  }

  async #connect(): Promise<ByteSocket> {
    const { limits, route, trust, dial, meter } = this.#options;
    this.#allow(limits.connectMs, new BrokerRefusal(504, `${route.host} could not be reached in time.`));
    const socket = await dial().catch((thrown: unknown) => {
      throw unreached(thrown, route.host);
    });
    socket.on("error", ignore);
    this.#dialled = socket;
    if (this.#isOver) socket.destroy();
    const upstream = await secureUpstream(socket, route.host, trust, meter);
    this.#upstream = upstream;
    if (this.#isOver) upstream.destroy();
    return upstream;
  }

  /** The head of the answer itself, real values masked; those before it go on at once. Undefined: ask again. */
  async #answerHead(
    { method, isWebSocket }: RequestHead,
    upstream: ByteSocket,
    isFirst: boolean,
  ): Promise<ResponseHead | undefined> {
    const { host, patterns } = this.#options.route;
    for (let interim = 0; interim <= MAX_INTERIM_ANSWERS; interim++) {
      const head = await upstream.readHead().catch((thrown: unknown) => {
        if (thrown instanceof BrokerRefusal) throw unreadable(host, thrown);
      });
      // The host has closed a connection that was idle. The server sees just that, and may ask on another one.
      if (head === undefined && !isFirst) return undefined;
      if (head === undefined) throw broken(host);
      const response = readAnswer(masked(head, patterns), method, host);
      if (response.status === 101 && !isWebSocket) break;
      if (response.status >= 200) requireSearchable(response);
      if (response.status >= 200 || response.status === 101) return response;
      await this.#client.write(responseBytes(response, false));
    }
    throw new BrokerRefusal(
      502,
      `The answer of ${host} cannot be forwarded: nobody has asked for what it says.`,
    );
  }

  async #upload({ body }: RequestHead, upstream: ByteSocket): Promise<void> {
    for await (const piece of readBody(this.#client, body)) {
      this.#moves();
      if (!(await upstream.write(body.kind === "chunked" ? chunk(piece) : piece))) return;
    }
    if (body.kind === "chunked") await upstream.write(LAST_CHUNK);
  }

  async #download({ body }: ResponseHead, upstream: ByteSocket): Promise<void> {
    const masker = new Masker(this.#options.route.patterns);
    const isChunked = body.kind !== "length";
    const send = async (bytes: Uint8Array): Promise<boolean> =>
      bytes.length === 0 || this.#client.write(isChunked ? chunk(bytes) : bytes);
    for await (const piece of readBody(upstream, body)) {
      this.#moves();
      if (!(await send(masker.push(piece)))) return;
    }
    await send(masker.end());
    if (isChunked && body.kind !== "none") await this.#client.write(LAST_CHUNK);
  }

  /** A web socket: bytes in both directions until one side ends. */
  async #splice(response: ResponseHead, upstream: ByteSocket): Promise<false> {
    const masker = new Masker(this.#options.route.patterns, "beginnings");
    this.#hasAnswered = true;
    this.#allow(this.#options.limits.stallMs, undefined);
    await this.#client.write(responseBytes(response, false));
    await Promise.race([
      this.#pump(this.#client, upstream, (piece) => piece),
      this.#pump(upstream, this.#client, (piece) => masker.push(piece)),
    ]);
    await this.#client.write(masker.end());
    return false;
  }

  /** Until one of them is gone. */
  async #pump(from: ByteSocket, to: ByteSocket, change: (piece: Uint8Array) => Uint8Array): Promise<void> {
    const next = (): Promise<Uint8Array | undefined> => from.read().catch(() => undefined);
    for (let piece = await next(); piece !== undefined; piece = await next()) {
      this.#moves();
      if (!(await to.write(change(piece)))) return;
    }
  }

  /** What comes next may take so long; then the server is told `late`, or nothing. */
  #allow(ms: number, late: BrokerRefusal | undefined): void {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    this.#timer = setTimeout(() => this.#fail(late), ms);
  }

  /** Something came: what is under way may take as long once more. */
  #moves(): void {
    if (!this.#isOver) this.#timer?.refresh();
  }

  /** Ends it all, and tells the server why where it can still be told. */
  #fail(thrown: unknown): void {
    if (this.#isOver) return;
    this.#leave();
    const { onTrouble, route } = this.#options;
    const refusal = thrown instanceof BrokerRefusal ? thrown : undefined;
    if (refusal !== undefined && refusal.status >= 500) onTrouble(refusal.message);
    if (thrown !== undefined && refusal === undefined && !this.#hasAsked) onTrouble(untrusted(route.host));
    if (refusal === undefined || this.#hasAnswered) {
      this.#client.destroy();
      return;
    }
    void this.#client.write(refusalBytes(refusal)).then(() => this.#client.end());
  }

  /** The host first: nothing more is wanted from it. */
  #leave(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#upstream?.destroy();
    this.#dialled?.destroy();
  }
}

function isFor(text: string, { host, port }: Route): boolean {
  const rule = parseHostRule(/:\d+$/.test(text) ? text : `${text}:${port}`);
  return rule !== undefined && rule.kind !== "wildcard" && rule.host === host && rule.port === port;
}

function readAnswer(head: Uint8Array, method: string, host: string): ResponseHead {
  try {
    return parseResponseHead(head, method);
  } catch (thrown) {
    throw thrown instanceof BrokerRefusal ? unreadable(host, thrown) : thrown;
  }
}

/** What Egress says about it may be read by the server. */
function unreached(thrown: unknown, host: string): BrokerRefusal {
  if (thrown instanceof AppError) return new BrokerRefusal(thrown.httpStatus, thrown.message);
  return new BrokerRefusal(502, `${host} could not be reached.`);
}

function unreadable(host: string, { message }: BrokerRefusal): BrokerRefusal {
  return new BrokerRefusal(502, `The answer of ${host} cannot be read in just one way: ${message}`);
}

function broken(host: string): BrokerRefusal {
  return new BrokerRefusal(502, `${host} closed the connection before it answered.`);
}

function untrusted(host: string): string {
  return (
    `TLS with the server for ${host} failed. It has to trust the certificates of its cage ` +
    "(SSL_CERT_FILE, NODE_EXTRA_CA_CERTS), and to speak HTTP/1.1: a host of a brokered secret is reached in no other way."
  );
}

function never(): Promise<never> {
  return new Promise(() => {});
}

function ignore(): void {
  // Whoever reads or writes finds out.
}
