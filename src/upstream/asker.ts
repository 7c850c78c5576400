// Whom a call is for, as far as it decides which process serves it (the isolation of a specification), and what such
// a process is called.

import { createHash } from "node:crypto";
import type { Isolation } from "../model/server-spec.ts";

export interface Asker {
  readonly callerId: string;
  /** Undefined for a request without a session: it counts as its caller's. */
  readonly sessionId: string | undefined;
}

/** The appliance itself, which reads lists and tries a start: no caller's state is in the process that serves it. */
export const APPLIANCE: Asker = { callerId: "appliance", sessionId: undefined };

/** One of the processes that a server may have. */
export interface InstanceRef {
  /** Fit for the name of a directory, and the same whenever the same one is served: `main`, `main-2`, `caller-…`. */
  readonly id: string;
  /** What it leaves behind is of no more use: its session never comes back. */
  readonly ephemeral: boolean;
}

/** The `index`-th of those that serve everybody, from 0. */
export function sharedRef(index: number): InstanceRef {
  return { id: index === 0 ? "main" : `main-${index + 1}`, ephemeral: false };
}

/** Equal keys are served by one process. Ids of callers and sessions are random, so none is both. */
export function keyOf(isolation: Exclude<Isolation, "shared">, { callerId, sessionId }: Asker): string {
  return isolation === "caller" ? callerId : (sessionId ?? callerId);
}

/** NB: by hash: an id of a session is what its client proves itself with, and a directory has readers. */
export function ownRef(isolation: Exclude<Isolation, "shared">, asker: Asker): InstanceRef {
  const ephemeral = isolation === "session" && asker.sessionId !== undefined;
  const hash = createHash("sha256").update(keyOf(isolation, asker)).digest("hex").slice(0, 32);
  return { id: `${ephemeral ? "session" : "caller"}-${hash}`, ephemeral };
}
