// What a server may reach, as text and as parsed: one rule of `cage.network`. Also the one place that says what a host
// name is, so that whatever is compared with a rule was read the same way.

import { isIPv6 } from "node:net";
import * as v from "valibot";
import { ipAddress } from "./ip-address.ts";

export interface HostRule {
  /** Lower case, no dot at the end; an IPv6 address without brackets. For `wildcard`, what comes behind `*.`. */
  readonly host: string;
  /** `name`: this very name. `wildcard`: every name below `host`, not `host` itself. `address`: an IP address. */
  readonly kind: "name" | "wildcard" | "address";
  /** 1 to 65535. */
  readonly port: number;
}

const MAX_NAME = 253;
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** NB: what ends in a number (`127.1`, `0x7f.1`, `2130706433`) is an address to some resolvers, and not always the same. */
const NUMBER = /^(\d+|0x[0-9a-f]*)$/;
const RULE = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([^\s:[\]]{1,256})):([1-9]\d{0,4})$/;

/** Undefined for what is no rule. */
export function parseHostRule(text: string): HostRule | undefined {
  const [, bracketed, plain = "", digits] = RULE.exec(text) ?? [];
  const port = Number(digits);
  if (!(port <= 65_535)) return undefined;
  if (bracketed !== undefined && !isIPv6(bracketed)) return undefined;
  const address = ipAddress(bracketed ?? plain.replace(/\.$/, ""));
  if (address !== undefined) return { host: address, kind: "address", port };
  const kind = plain.startsWith("*.") ? "wildcard" : "name";
  const host = hostName(kind === "wildcard" ? plain.slice(2) : plain);
  return host === undefined ? undefined : { host, kind, port };
}

/** As somebody would write it. */
export function hostRuleText({ host, kind, port }: HostRule): string {
  if (kind === "wildcard") return `*.${host}:${port}`;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A host name in lower case without the dot at the end; undefined for what is none, an address included. */
export function hostName(text: string): string | undefined {
  // One more for the dot at the end.
  if (text.length > MAX_NAME + 1) return undefined;
  const name = text.toLowerCase().replace(/\.$/, "");
  const labels = name.split(".");
  if (name.length > MAX_NAME || NUMBER.test(labels.at(-1) ?? "")) return undefined;
  return labels.every((label) => LABEL.test(label)) ? name : undefined;
}

export const HostRuleText = v.pipe(
  v.string(),
  v.maxLength(270),
  v.check(
    (text) => parseHostRule(text) !== undefined,
    "is not host:port, as in api.example.com:443 or *.example.com:443",
  ),
);
