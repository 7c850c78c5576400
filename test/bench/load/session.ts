// One MCP session of the load generator on one connection: initialize, initialized, questions, DELETE.

import * as v from "valibot";
import type { Target } from "./job.ts";
import { Connection } from "./connection.ts";
import type { Numbers } from "./numbers.ts";
import { type Ask, Question, resultOf } from "./question.ts";
import type { Reply } from "./reply-parser.ts";

const CLIENT = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "bench", version: "1" },
};
const Hello = v.looseObject({ protocolVersion: v.string() });
const INITIALIZE: Ask = { method: "initialize", params: () => CLIENT, judge: () => {} };

export class Session {
  readonly #target: Target;
  readonly #numbers: Numbers;
  readonly #url: URL;
  #connection: Connection;
  #sessionHeaders = "";

  private constructor(target: Target, numbers: Numbers, url: URL, connection: Connection) {
    this.#target = target;
    this.#numbers = numbers;
    this.#url = url;
    this.#connection = connection;
  }

  /** Connects and shakes hands. */
  static async open(target: Target, numbers: Numbers): Promise<Session> {
    const url = new URL(target.url);
    const session = new Session(target, numbers, url, await Connection.open(url));
    try {
      await session.#initialize();
      return session;
    } catch (error) {
      session.abandon();
      throw error;
    }
  }

  static openMany(count: number, target: Target, numbers: Numbers): Promise<Session[]> {
    return Promise.all(Array.from({ length: count }, () => Session.open(target, numbers)));
  }

  question(ask: Ask): Question {
    return new Question(ask, this.#numbers.next(), (body) => this.#encode("POST", body));
  }

  /** Asks, checks the answer, and says how long it took, in milliseconds. */
  async ask(question: Question): Promise<number> {
    const number = this.#numbers.next();
    const request = question.request(number);
    const start = performance.now();
    const reply = await this.#connection.exchange(request);
    const tookMs = performance.now() - start;
    question.check(reply, number);
    return tookMs;
  }

  /** The reply to a question, unchecked, and the number that was asked with. */
  async reply(ask: Ask): Promise<{ reply: Reply; number: number }> {
    const number = this.#numbers.next();
    return { reply: await this.#connection.exchange(this.question(ask).request(number)), number };
  }

  /** A new connection for the same session, after the old one broke. */
  async reconnect(): Promise<void> {
    this.#connection.close();
    this.#connection = await Connection.open(this.#url);
  }

  /** Ends the session where the server keeps one. */
  async close(): Promise<void> {
    if (this.#sessionHeaders.includes("Mcp-Session-Id")) {
      const { status } = await this.#connection.exchange(this.#encode("DELETE", ""));
      if (status >= 300) throw new Error(`DELETE of the session was answered ${status}`);
    }
    this.#connection.close();
  }

  /** Ends the connection without a word to the server. */
  abandon(): void {
    this.#connection.close();
  }

  async #initialize(): Promise<void> {
    const { reply, number } = await this.reply(INITIALIZE);
    const { protocolVersion } = v.parse(Hello, resultOf(reply, number));
    const id = /\r\nmcp-session-id: *([\x21-\x7e]+)/i.exec(reply.head)?.[1];
    this.#sessionHeaders = `MCP-Protocol-Version: ${protocolVersion}\r\n`;
    if (id !== undefined) this.#sessionHeaders += `Mcp-Session-Id: ${id}\r\n`;
    const initialized = JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" });
    const { status } = await this.#connection.exchange(this.#encode("POST", initialized));
    if (status !== 202) throw new Error(`notifications/initialized was answered ${status}`);
  }

  #encode(method: string, body: string): Buffer {
    const content = Buffer.from(body);
    const token = this.#target.token === undefined ? "" : `Authorization: Bearer ${this.#target.token}\r\n`;
    const head =
      `${method} ${this.#url.pathname} HTTP/1.1\r\nHost: ${this.#url.host}\r\n${token}` +
      "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n" +
      `${this.#sessionHeaders}Content-Length: ${content.length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), content]);
  }
}
