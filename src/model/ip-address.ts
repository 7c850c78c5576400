// IP addresses as text and as bytes. Used wherever an address is compared with a rule or told apart: both sides have to
// be read the same way.
//
// NB: not `new URL("http://[…]/")`, which knows the short form: in Bun 1.4.5 it throws for some addresses (`::1:2:3:4:5.6.7.8`).

import { isIPv4, isIPv6 } from "node:net";

/** 4 or 16 bytes, in the order of the network. Undefined for what is no address, and for `fe80::1%eth0`. */
export function ipBytes(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (text.includes("%") || !isIPv6(text)) return undefined;
  const [head = [], tail = []] = text.split("::").map(bytesOfGroups);
  return Uint8Array.from([...head, ...Array<number>(16 - head.length - tail.length).fill(0), ...tail]);
}

/**
 * The one way to write an IP address (RFC 5952), without brackets; an IPv4 address that is mapped into IPv6
 * (`::ffff:…`) as what it is. Undefined where `ipBytes` is.
 */
export function ipAddress(text: string): string | undefined {
  const bytes = ipBytes(text);
  if (bytes === undefined) return undefined;
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return bytes.slice(12).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => groupAt(bytes, index).toString(16));
  const zeros = longestZeros(groups);
  if (zeros.length < 2) return groups.join(":");
  return `${groups.slice(0, zeros.start).join(":")}::${groups.slice(zeros.start + zeros.length).join(":")}`;
}

/** Of one side of `::`, or of all there is. The last group may be an IPv4 address. */
function bytesOfGroups(side: string): readonly number[] {
  if (side === "") return [];
  return side.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 10).every((byte) => byte === 0) && groupAt(bytes, 5) === 0xffff;
}

function groupAt(bytes: Uint8Array, index: number): number {
  return ((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0);
}

/** The first of the longest. */
function longestZeros(groups: readonly string[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [index, group] of groups.entries()) {
    length = group === "0" ? length + 1 : 0;
    if (length > best.length) best = { start: index - length + 1, length };
  }
  return best;
}
