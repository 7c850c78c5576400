// An agent token as it is known after creation: never the token itself.

export interface TokenRecord {
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the token, base64url. */
  readonly hash: string;
  /** Names of the servers it may use; undefined means all. */
  readonly servers: readonly string[] | undefined;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly lastUsedAt: number | undefined;
}
