// What the broker gets of a connection that it answers itself instead of having it spliced. egress.ts hands it over
// when the destination is allowed and the first bytes name it; the broker speaks to both ends from there.

import type { Socket } from "node:net";

export interface InterceptedConnection {
  /** The server's end, paused. It belongs to the interceptor, and Egress destroys it when the cage ends. */
  readonly socket: Socket;
  /** Was read already, and will not come out of `socket`. At least the whole ClientHello, or the head of a request. */
  readonly first: Buffer;
  /** What `first` is: checked to name `host`. */
  readonly protocol: "tls" | "http";
  /** Lower case, no dot at the end. */
  readonly host: string;
  readonly port: number;
  /**
   * Looks the host up, checks each address, and connects within 10 seconds. The socket reads nothing yet, may be half
   * open, and has a listener for `error`. Egress destroys it when the cage ends or `socket` closes; not the other way round.
   * Rejects with an AppError that says why (`denied`, `unreachable`).
   */
  readonly dial: () => Promise<Socket>;
  /** Counts bytes to the host and back: without its encryption, by the interceptor. */
  readonly up: (bytes: number) => void;
  readonly down: (bytes: number) => void;
}

/** Must not throw: what goes wrong from here is the interceptor's to answer. */
export type Interceptor = (connection: InterceptedConnection) => void;

/** Undefined: the connection is spliced. */
export type Intercept = (host: string, port: number) => Interceptor | undefined;
