// What a request through the broker ends with when it is not forwarded, as the server reads it. Thrown wherever that is
// found out; broker-connection.ts answers with it.

export class BrokerRefusal extends Error {
  readonly status: number;

  /** `sentence` says what to do next. It quotes nothing of a peer, and never holds a value. */
  constructor(status: number, sentence: string) {
    super(sentence);
    this.name = "BrokerRefusal";
    this.status = status;
  }
}
