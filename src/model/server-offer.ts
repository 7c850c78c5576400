// What a server offers: its handshake and its lists, as it sent them. Persisted, so that a restart answers
// `tools/list` at once. Lists are kept as the raw bytes of a JSON array: parsing and printing again would lose
// integers above 2^53 and unknown fields' exact form.

export interface ServerOffer {
  /** Protocol revision that was negotiated with the server. */
  readonly revision: string;
  /** Raw JSON of `serverInfo` and `capabilities`. */
  readonly serverInfo: string;
  readonly capabilities: string;
  readonly instructions: string | undefined;
  /** Raw UTF-8 JSON arrays, all pages joined. */
  readonly tools: Uint8Array;
  readonly prompts: Uint8Array;
  readonly resources: Uint8Array;
  readonly resourceTemplates: Uint8Array;
}
