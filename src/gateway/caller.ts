// Who makes a request, as far as the gateway needs to know.

export interface Caller {
  /** Stable and unique; sessions are bound to it. Never the token itself. */
  readonly id: string;
  readonly name: string;
  /** Names of the servers that it may use, sorted; undefined means all. */
  readonly servers: readonly string[] | undefined;
}
