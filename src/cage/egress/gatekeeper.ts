// What one cage may reach: answers for names that are looked up, judgements of destinations. Egress asks it for whatever
// arrives; what it refuses is written down here.

import { addressKind } from "./addresses.ts";
import type { Decisions } from "./decisions.ts";
import { type Destination, destinationText, judge, type Judgement, LOCAL_ADDRESS } from "./destination.ts";
import type { FakeAddresses } from "./fake-addresses.ts";
import type { RuleBook } from "./rules.ts";

export interface GatekeeperOptions {
  readonly book: RuleBook;
  readonly learn: boolean;
  readonly decisions: Decisions;
  readonly fakes: FakeAddresses;
  /** Reads the addresses of this host. */
  readonly own: () => ReadonlySet<string>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** RFC 6761: this host, whatever a server of names says. */
const LOCAL_NAME = /^(.*\.)?localhost$/;
/** Who asks for the name of an address: nothing is kept from it, there is none. */
const REVERSE_NAME = /\.arpa$/;
/** How old the list of this host's addresses may be. */
const OWN_MS = 10_000;

export class Gatekeeper {
  readonly #options: GatekeeperOptions;
  #own: { readonly addresses: ReadonlySet<string>; readonly readAt: number } | undefined;

  constructor(options: GatekeeperOptions) {
    this.#options = options;
  }

  /** The address inside of the cage; undefined when there is no such name for it. */
  addressOf(name: string | undefined): string | undefined {
    const { book, learn, fakes, decisions } = this.#options;
    if (name === undefined || REVERSE_NAME.test(name)) return undefined;
    if (LOCAL_NAME.test(name)) return LOCAL_ADDRESS;
    if (book.knows(name) || learn) return fakes.addressOf(name);
    const reason =
      "it was looked up, and no grant covers this name; the port is not known yet, 443 is a guess";
    decisions.refuse({ what: name, reason, grant: `${name}:443` });
    return undefined;
  }

  judge(asked: Destination): Judgement {
    const { book, learn, fakes, decisions } = this.#options;
    const name = asked.kind === "address" ? fakes.nameOf(asked.host) : undefined;
    const meant: Destination = name === undefined ? asked : { ...asked, host: name, kind: "name" };
    const judged =
      meant.kind === "address" && fakes.covers(meant.host)
        ? FORGOTTEN
        : judge(meant, book, learn, (address) => addressKind(address, this.own()));
    if ("refusal" in judged) decisions.refuse({ what: destinationText(meant), ...judged.refusal });
    return judged;
  }

  /** A connection to a name begins, which keeps its address until the returned function was called. */
  hold(name: string): () => void {
    return this.#options.fakes.hold(name);
  }

  /** Addresses of this host. */
  own(): ReadonlySet<string> {
    const now = this.#options.now();
    if (this.#own === undefined || Math.abs(now - this.#own.readAt) >= OWN_MS) {
      this.#own = { addresses: this.#options.own(), readAt: now };
    }
    return this.#own.addresses;
  }
}

const FORGOTTEN: Judgement = {
  refusal: {
    reason: "it stood for a name that was forgotten and has to be looked up again",
    grant: undefined,
  },
};
