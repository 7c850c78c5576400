// What an update changes for agents: the lists of two versions of a server, entry by entry. Pure. Called by packages.ts
// before anybody is asked whether to switch.

import type { FieldChange, ListDiff, OfferDiff } from "../model/package-view.ts";
import type { ServerOffer } from "../model/server-offer.ts";

/** Of one text in the answer. */
const MAX_TEXT = 2_000;
/** Entries listed of each kind of difference. */
const MAX_LISTED = 200;

/** The key by which an entry of a list is the same one as before. */
const KEYS = { tools: "name", prompts: "name", resources: "uri", resourceTemplates: "uriTemplate" } as const;

/** @param before undefined where nobody knows what the version in use offers */
export function compareOffers(before: ServerOffer | undefined, after: ServerOffer): OfferDiff {
  const list = (kind: keyof typeof KEYS): ListDiff => compareLists(before?.[kind], after[kind], KEYS[kind]);
  return {
    isKnown: before !== undefined,
    tools: list("tools"),
    prompts: list("prompts"),
    resources: list("resources"),
    resourceTemplates: list("resourceTemplates"),
    handshake: before === undefined ? [] : compareHandshakes(before, after),
  };
}

/** Entries of each list that differ in any way. */
export function countChanges({ added, removed, changed, leftOut }: ListDiff): number {
  return added.length + removed.length + changed.length + leftOut;
}

type Entry = ReadonlyMap<string, string>;

/** Raw JSON arrays. An entry is equal to another one when all its members are, whatever their order. */
function compareLists(before: Uint8Array | undefined, after: Uint8Array, key: string): ListDiff {
  const [old, now] = [entriesOf(before, key), entriesOf(after, key)];
  const added = [...now.keys()].filter((name) => !old.has(name));
  const removed = [...old.keys()].filter((name) => !now.has(name));
  const changed = [...old].flatMap(([name, entry]) => {
    const other = now.get(name);
    const fields = other === undefined ? [] : compareFields(entry, other);
    return fields.length === 0 ? [] : [{ name, fields }];
  });
  const shown = { added: added.slice(0, MAX_LISTED), removed: removed.slice(0, MAX_LISTED) };
  const leftOut = [added, removed, changed].reduce(
    (sum, { length }) => sum + Math.max(0, length - MAX_LISTED),
    0,
  );
  return {
    ...shown,
    changed: changed.slice(0, MAX_LISTED),
    unchanged: old.size - removed.length - changed.length,
    leftOut,
  };
}

function compareHandshakes(before: ServerOffer, after: ServerOffer): readonly FieldChange[] {
  return compareFields(handshakeOf(before), handshakeOf(after));
}

function handshakeOf({ instructions, capabilities }: ServerOffer): Entry {
  const known = new Map([["capabilities", canonical(parse(capabilities))]]);
  return instructions === undefined ? known : known.set("instructions", instructions);
}

function compareFields(before: Entry, after: Entry): readonly FieldChange[] {
  const fields = new Set([...before.keys(), ...after.keys()]);
  return [...fields].flatMap((field) => {
    const [old, now] = [before.get(field), after.get(field)];
    if (old === now) return [];
    return [
      {
        field: cut(field),
        ...(old === undefined ? {} : { before: cut(old) }),
        ...(now === undefined ? {} : { after: cut(now) }),
      },
    ];
  });
}

/** By key; a name that stands there twice gets a number, so that neither hides the other. */
function entriesOf(list: Uint8Array | undefined, key: string): ReadonlyMap<string, Entry> {
  const parsed = list === undefined ? [] : parse(new TextDecoder().decode(list));
  const entries = new Map<string, Entry>();
  const copies = new Map<string, number>();
  for (const value of Array.isArray(parsed) ? parsed : []) {
    const members = membersOf(value);
    const name = cut(members.get(key) ?? "?");
    const copy = (copies.get(name) ?? 0) + 1;
    copies.set(name, copy);
    entries.set(copy === 1 ? name : `${name} (${copy})`, members);
  }
  return entries;
}

/** A text stands for itself, everything else is JSON with sorted keys. */
function membersOf(value: unknown): Entry {
  if (typeof value !== "object" || value === null) return new Map([["value", canonical(value)]]);
  return new Map(
    Object.entries(value).map(([key, member]: [string, unknown]) => [
      key,
      typeof member === "string" ? member : canonical(member),
    ]),
  );
}

/** NB: a number that JavaScript would round is kept as the text that it was. */
function parse(json: string): unknown {
  const reviver = (_: string, value: unknown, context?: { readonly source?: string }): unknown => {
    if (typeof value !== "number" || context?.source === undefined) return value;
    return String(value) === context.source ? value : `\0${context.source}`;
  };
  return JSON.parse(json, reviver);
}

/** JSON with sorted keys. What a server offers was checked for its depth when it was read. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
