// One keep-alive connection of the load generator: a request out, its reply in, never two at a time.

import { type Reply, ReplyParser } from "./reply-parser.ts";

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

export class Connection {
  readonly #parser = new ReplyParser();
  #socket: Bun.Socket | undefined;
  #waiting: Waiting | undefined;
  #unsent: Uint8Array = new Uint8Array();

  static async open(url: URL): Promise<Connection> {
    const connection = new Connection();
    connection.#socket = await Bun.connect({
      hostname: url.hostname,
      port: Number(url.port),
      socket: {
        data: (_socket, bytes) => connection.#take(bytes),
        drain: () => connection.#send(connection.#unsent),
        close: () => connection.#break(new Error("the connection was closed before the reply")),
        error: (_socket, error) => connection.#break(error),
      },
    });
    return connection;
  }

  /** The bytes must not change before the reply is there. */
  exchange(request: Uint8Array): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    this.#waiting = { resolve, reject };
    if (this.#socket === undefined) this.#break(new Error("the connection is closed"));
    this.#send(request);
    return promise;
  }

  close(): void {
    this.#socket?.end();
    this.#socket = undefined;
  }

  #send(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const sent = Math.max(0, this.#socket?.write(bytes) ?? 0);
    this.#unsent = bytes.subarray(sent);
  }

  #take(bytes: Buffer): void {
    try {
      const reply = this.#parser.take(bytes);
      if (reply === undefined) return;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting === undefined) throw new Error("a reply that nobody asked for");
      waiting.resolve(reply);
    } catch (error) {
      this.#break(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #break(error: Error): void {
    this.close();
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}
