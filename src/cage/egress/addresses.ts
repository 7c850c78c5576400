// What an IP address is: public, or one of those that lead back into this host, its network or its cloud. Asked for
// each address that a name was resolved to, before it is dialled. Pure.
//
// IPv6 has many ways to carry an IPv4 address; what is inside decides, so that none of them is a way around.

import { networkInterfaces } from "node:os";
import { ipAddress, ipBytes } from "../../model/ip-address.ts";

export type AddressKind =
  "public" | "own" | "loopback" | "link-local" | "private" | "metadata" | "multicast" | "reserved";

type Range = readonly [range: string, kind: AddressKind];

/** The first that fits decides. */
const IPV4: readonly Range[] = [
  // AWS and most others, ECS and EKS, Tencent, Scaleway; Alibaba; Azure; Oracle.
  ["169.254.169.0/24", "metadata"],
  ["169.254.170.0/24", "metadata"],
  ["169.254.0.23/32", "metadata"],
  ["169.254.42.42/32", "metadata"],
  ["100.100.100.200/32", "metadata"],
  ["168.63.129.16/32", "metadata"],
  ["192.0.0.192/32", "metadata"],
  ["0.0.0.0/8", "reserved"],
  ["10.0.0.0/8", "private"],
  // Between a provider and its customers (RFC 6598); used by overlay networks as well.
  ["100.64.0.0/10", "private"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local"],
  ["172.16.0.0/12", "private"],
  ["192.0.0.0/24", "reserved"],
  // For documentation: nobody's on the internet, and so some network's own.
  ["192.0.2.0/24", "private"],
  ["192.88.99.0/24", "reserved"],
  ["192.168.0.0/16", "private"],
  ["198.18.0.0/15", "reserved"],
  ["198.51.100.0/24", "private"],
  ["203.0.113.0/24", "private"],
  ["224.0.0.0/4", "multicast"],
  ["240.0.0.0/4", "reserved"],
];

const IPV6: readonly Range[] = [
  // AWS; Google; OpenStack; Scaleway.
  ["fd00:ec2::/32", "metadata"],
  ["fd20:ce::254/128", "metadata"],
  ["fe80::a9fe:a9fe/128", "metadata"],
  ["fd00:42::42/128", "metadata"],
  ["::1/128", "loopback"],
  ["fc00::/7", "private"],
  ["fe80::/10", "link-local"],
  ["fec0::/10", "private"],
  ["ff00::/8", "multicast"],
  ["2001:2::/48", "reserved"],
  ["2001:10::/28", "reserved"],
  ["2001:db8::/32", "private"],
  ["3fff::/20", "private"],
  // All that was ever given out.
  ["2000::/3", "public"],
  ["::/0", "reserved"],
];

/** Where the IPv4 address starts, in bytes; `flipped`: each bit of it is turned (RFC 4380). */
const CARRIERS: readonly (readonly [range: string, offset: number, flipped?: boolean])[] = [
  // Compatible, mapped, translated (RFC 2765), NAT64 (RFC 6052, RFC 8215), 6to4, Teredo.
  ["::/96", 12],
  ["::ffff:0:0/96", 12],
  ["::ffff:0:0:0/96", 12],
  ["64:ff9b::/96", 12],
  ["64:ff9b:1::/48", 12],
  ["2002::/16", 2],
  ["2001::/32", 12, true],
];

const RANGES_4 = IPV4.map(([range, kind]) => ({ ...network(range), kind }));
const RANGES_6 = IPV6.map(([range, kind]) => ({ ...network(range), kind }));
const CARRIERS_6 = CARRIERS.map(([range, offset, flipped = false]) => ({
  ...network(range),
  offset,
  flipped,
}));

const WORDS: Readonly<Record<AddressKind, string>> = {
  public: "a public address",
  own: "an address of this host",
  loopback: "a loopback address",
  "link-local": "a link-local address",
  private: "an address of a private network",
  metadata: "a cloud metadata address, which hands out credentials",
  multicast: "a multicast address",
  reserved: "an address that belongs to nobody",
};

/** What is no address counts as `reserved`. `own`: addresses of this host, as `ipAddress` writes them. */
export function addressKind(text: string, own: ReadonlySet<string>): AddressKind {
  const plain = text.replace(/%.*$/s, "");
  const bytes = ipBytes(plain);
  if (bytes === undefined) return "reserved";
  const kind = bytes.length === 4 ? kindOf4(bytes) : kindOf6(bytes);
  return kind === "public" && own.has(ipAddress(plain) ?? plain) ? "own" : kind;
}

/** For a sentence, with its article. */
export function addressWords(kind: AddressKind): string {
  return WORDS[kind];
}

/** Empty where the interfaces cannot be read. Costs some 0.1 ms. */
export function ownAddresses(): ReadonlySet<string> {
  try {
    const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    return new Set(all.flatMap(({ address }) => ipAddress(address.replace(/%.*$/s, "")) ?? []));
  } catch {
    // NB: where the host hides them, those of private networks are still refused; a public one of ours is not known.
    return new Set();
  }
}

function kindOf4(bytes: Uint8Array): AddressKind {
  return RANGES_4.find((range) => within(bytes, range))?.kind ?? "public";
}

function kindOf6(bytes: Uint8Array): AddressKind {
  const kind = RANGES_6.find((range) => within(bytes, range))?.kind ?? "reserved";
  // NB: ::1 is within ::/96 as well.
  if (kind !== "public" && kind !== "reserved") return kind;
  const carrier = CARRIERS_6.find((range) => within(bytes, range));
  if (carrier === undefined) return kind;
  const inside = bytes.slice(carrier.offset, carrier.offset + 4);
  return kindOf4(carrier.flipped ? inside.map((byte) => byte ^ 0xff) : inside);
}

interface Network {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

function network(range: string): Network {
  const [address = "", bits] = range.split("/");
  const bytes = ipBytes(address);
  if (bytes === undefined) throw new TypeError(`Not a network: ${range}`);
  return { bytes, bits: Number(bits) };
}

function within(bytes: Uint8Array, { bytes: base, bits }: Network): boolean {
  const whole = bits >> 3;
  for (let index = 0; index < whole; index++) if (bytes[index] !== base[index]) return false;
  const rest = bits & 7;
  return rest === 0 || (((bytes[whole] ?? 0) ^ (base[whole] ?? 0)) & (0xff << (8 - rest)) & 0xff) === 0;
}
