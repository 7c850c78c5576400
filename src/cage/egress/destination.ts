// Decides about a destination before anything is done for it: which rule lets it through, or why none does. Pure; used
// for connections, for CONNECT requests and for the names that are looked up.

import { type HostRule, hostRuleText } from "../../model/host-rule.ts";
import { type AddressKind, addressWords } from "./addresses.ts";
import type { RuleBook } from "./rules.ts";

export interface Destination {
  /** As `hostName` or `ipAddress` gives it. */
  readonly host: string;
  readonly kind: "name" | "address";
  readonly port: number;
}

export interface Refusal {
  /** Why, as a phrase that stands behind what was asked for and a colon. */
  readonly reason: string;
  /** What `toolcrib allow` takes; undefined where nothing allows it, or nothing that should be suggested. */
  readonly grant: string | undefined;
}

export interface Permission {
  /** Where to: the one that was asked for, or the name that it goes by in a rule. */
  readonly destination: Destination;
  /** The rule as text, for the counters; what was learned, as the rule that it would be. */
  readonly rule: string;
  /** The rule names this very host: it may be at an address of this host or of a private network. */
  readonly literal: boolean;
  /** No rule: learning lets it through. */
  readonly learned: boolean;
}

export type Judgement = { readonly permission: Permission } | { readonly refusal: Refusal };

/** What a program calls its own host. In a cage it has only that one meaning: a rule for it is one for the host. */
const LOCAL_NAME = "localhost";
export const LOCAL_ADDRESS = "127.0.0.1";

/** `kindOf` tells what an address is. */
export function judge(
  destination: Destination,
  book: RuleBook,
  learn: boolean,
  kindOf: (address: string) => AddressKind,
): Judgement {
  const named =
    destination.host === LOCAL_ADDRESS
      ? { ...destination, host: LOCAL_NAME, kind: "name" as const }
      : undefined;
  for (const asked of named === undefined ? [destination] : [destination, named]) {
    const rule = ruleFor(asked, book);
    if (rule === undefined) continue;
    const literal = rule.kind !== "wildcard";
    return { permission: { destination: asked, rule: hostRuleText(rule), literal, learned: false } };
  }
  if (!learn) return { refusal: refusalOf(destination, book, kindOf) };
  const kind = destination.kind === "address" ? kindOf(destination.host) : "public";
  if (kind !== "public") return { refusal: addressRefusal(destination, kind) };
  return { permission: { destination, rule: destinationText(destination), literal: false, learned: true } };
}

/** The grant for exactly this. */
export function destinationText({ host, port, kind }: Destination): string {
  return hostRuleText({ host, port, kind });
}

/** For a destination that leads to an address of a kind that its rule, or learning, does not cover. */
export function addressRefusal(destination: Destination, kind: AddressKind): Refusal {
  const isAddress = destination.kind === "address";
  const reason = isAddress ? addressWords(kind) : `it leads to ${addressWords(kind)}`;
  // NB: credentials are not suggested either: the grant would be pasted without a thought.
  if (kind === "metadata")
    return { reason: `${reason}, and only a grant of that address itself opens it`, grant: undefined };
  if (!isAddress && !reachableByName(kind)) return { reason, grant: undefined };
  return {
    reason: `${reason}, and only a grant of ${destination.host} itself opens it`,
    grant: destinationText(destination),
  };
}

/**
 * Whether a rule for a name lets a connection through to an address of this kind. A name leads to where its owner
 * wants: to credentials never, and to what is nobody's only to be blocked.
 */
export function reachableByName(kind: AddressKind): boolean {
  return kind !== "metadata" && kind !== "multicast" && kind !== "reserved";
}

function ruleFor({ host, kind, port }: Destination, book: RuleBook): HostRule | undefined {
  return kind === "address" ? book.forAddress(host, port) : book.forName(host, port);
}

function refusalOf(
  destination: Destination,
  book: RuleBook,
  kindOf: (address: string) => AddressKind,
): Refusal {
  if (destination.kind === "address" && kindOf(destination.host) === "metadata") {
    return addressRefusal(destination, "metadata");
  }
  const ports = book.portsOf(destination.host);
  const reason =
    ports.length > 0
      ? `granted on port ${ports.join(", ")} only`
      : destination.kind === "address"
        ? "no grant names this address"
        : "no grant covers this name";
  return { reason, grant: destinationText(destination) };
}
