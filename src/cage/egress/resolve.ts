// From a permission to the addresses that may be dialled for it: looked up once, each of them checked, and exactly the
// checked ones given back. A second look-up could answer something else.

import { isIP } from "node:net";
import { systemErrorCode } from "../../errors.ts";
import { type AddressKind, addressKind } from "./addresses.ts";
import { addressRefusal, type Permission, reachableByName, type Refusal } from "./destination.ts";
import { abortReason } from "./dial.ts";

/** Every address of a name. Rejects when there is none, and may ignore the signal. */
export type Lookup = (name: string, signal: AbortSignal) => Promise<readonly string[]>;

export type Resolved =
  | { readonly addresses: readonly string[] }
  | { readonly refusal: Refusal }
  /** Why it could not be looked up, as a sentence without its end. */
  | { readonly failure: string };

/** More addresses of one name are not looked at. */
const MAX_ADDRESSES = 16;

/** `own`: addresses of this host. */
export async function resolve(
  { destination, literal }: Permission,
  lookup: Lookup,
  own: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Resolved> {
  // NB: a rule for an address says all there is to say about it.
  if (destination.kind === "address") return { addresses: [destination.host] };
  const { host } = destination;
  const found = await before(signal, lookup(host, signal)).catch((cause: unknown) => {
    // NB: not the words of an error: they come from anywhere.
    const why = signal.aborted ? abortReason(signal) : systemErrorCode(cause);
    return `${host} could not be looked up${why === undefined ? "" : ` (${why})`}`;
  });
  if (typeof found === "string") return { failure: found };

  const addresses = found.slice(0, MAX_ADDRESSES).filter((address) => isIP(address) > 0);
  const kinds = addresses.map((address) => addressKind(address, own));
  const allowed = addresses.filter((_, index) => mayReach(kinds[index] ?? "reserved", literal));
  if (allowed.length > 0) return { addresses: allowed };
  const [kind] = kinds;
  return kind === undefined
    ? { failure: `${host} has no address` }
    : { refusal: addressRefusal(destination, kind) };
}

function mayReach(kind: AddressKind, literal: boolean): boolean {
  return kind === "public" || (literal && reachableByName(kind));
}

/** Rejects as soon as the signal says so, whether the work ends or not. */
async function before<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
