// The rules of one cage, made ready to be asked: which rule, if any, lets a connection to a host and port through.

import type { HostRule } from "../../model/host-rule.ts";

export interface RuleBook {
  /** In ascending order, each once. */
  readonly ports: readonly number[];
  /** Whether any rule names it, whatever the port. `name` as `hostName` gives it. */
  knows(name: string): boolean;
  /** Prefers the rule that names the host itself, then the longest wildcard. */
  forName(name: string, port: number): HostRule | undefined;
  /** `address` as `ipAddress` gives it. */
  forAddress(address: string, port: number): HostRule | undefined;
  /** The ports that are open for a host, in the order of the rules: for the sentence that says why another is not. */
  portsOf(host: string): readonly number[];
}

export function ruleBook(rules: readonly HostRule[]): RuleBook {
  const byHost = Map.groupBy(rules, ({ kind, host }) => key(kind, host));
  const of = (kind: HostRule["kind"], host: string): readonly HostRule[] => byHost.get(key(kind, host)) ?? [];

  /** The most particular first. At most 127 look-ups: that many labels fit into a name. */
  const allOf = (name: string): readonly HostRule[] => [
    ...of("name", name),
    ...parents(name).flatMap((parent) => of("wildcard", parent)),
  ];
  return {
    ports: [...new Set(rules.map(({ port }) => port))].toSorted((a, b) => a - b),
    knows: (name) => allOf(name).length > 0,
    forName: (name, port) => allOf(name).find((rule) => rule.port === port),
    forAddress: (address, port) => of("address", address).find((rule) => rule.port === port),
    portsOf: (host) => [...new Set([...of("address", host), ...allOf(host)].map(({ port }) => port))],
  };
}

/** `a.b.c` is below `b.c`, and below `c`. */
function parents(name: string): readonly string[] {
  const labels = name.split(".");
  return labels.slice(1).map((_, index) => labels.slice(index + 1).join("."));
}

function key(kind: HostRule["kind"], host: string): string {
  return `${kind} ${host}`;
}
