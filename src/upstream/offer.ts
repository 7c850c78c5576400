// Reads what a server offers: all pages of its lists, as raw bytes. Bounded, because a server may lie about pages.

import { AppError } from "../errors.ts";
import type { ServerOffer } from "../model/server-offer.ts";
import { compose, encodeJson, type Piece } from "../wire/compose.ts";
import { jsonFault } from "../wire/json-grammar.ts";
import { decodeString, elementRanges, findMember } from "../wire/json-scan.ts";
import { ask } from "./ask.ts";
import type { Upstream } from "./upstream.ts";

const MAX_PAGES = 1_000;
const MAX_ITEMS = 20_000;
const MAX_LIST_BYTES = 8 * 1_048_576;

/** For all lists together: a thousand pages that each take their time would keep a reader for hours. */
const MAX_READ_MS = 5 * 60_000;

interface Patience {
  /** For one page. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const EMPTY_LIST: Uint8Array = new TextEncoder().encode("[]");

interface Wanted {
  readonly capability: "tools" | "prompts" | "resources";
  readonly method: string;
  readonly member: string;
}
const TOOLS: Wanted = { capability: "tools", method: "tools/list", member: "tools" };
const PROMPTS: Wanted = { capability: "prompts", method: "prompts/list", member: "prompts" };
const RESOURCES: Wanted = { capability: "resources", method: "resources/list", member: "resources" };
const TEMPLATES: Wanted = {
  capability: "resources",
  method: "resources/templates/list",
  member: "resourceTemplates",
};

/**
 * All lists that the server's capabilities promise; the others are empty. A list that the server refuses counts as
 * empty too: many servers claim more than they have.
 * @throws AppError when the connection fails, or a list is broken or over its bounds.
 */
export async function readOffer(upstream: Upstream, timeoutMs: number): Promise<ServerOffer> {
  const { hello } = upstream;
  const claims: unknown = JSON.parse(hello.capabilities);
  const signal = AbortSignal.timeout(MAX_READ_MS);
  const read = async (wanted: Wanted): Promise<Uint8Array> => {
    const claimed = typeof claims === "object" && claims !== null && wanted.capability in claims;
    return claimed ? await readList(upstream, wanted, { timeoutMs, signal }) : EMPTY_LIST;
  };
  const [tools, prompts, resources, resourceTemplates] = await Promise.all([
    read(TOOLS),
    read(PROMPTS),
    read(RESOURCES),
    read(TEMPLATES),
  ]);
  return { ...hello, tools, prompts, resources, resourceTemplates };
}

async function readList(upstream: Upstream, wanted: Wanted, patience: Patience): Promise<Uint8Array> {
  const pieces: Piece[] = ["["];
  let bytes = 0;
  let items = 0;
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const params = cursor === undefined ? undefined : encodeJson({ cursor });
    const result = await askForPage(upstream, wanted.method, params, patience);
    if (result === undefined) return EMPTY_LIST;
    bytes += result.length;
    if (bytes > MAX_LIST_BYTES) throw broken(wanted, `is over ${MAX_LIST_BYTES / 1_048_576} MiB`);
    const list = findMember(result, 0, wanted.member);
    const ranges = list === undefined ? undefined : elementRanges(result, list.start, MAX_ITEMS - items);
    if (ranges === undefined) throw broken(wanted, `is not a list, or has more than ${MAX_ITEMS} entries`);
    for (let at = 0; at + 1 < ranges.length; at += 2) {
      const element = result.subarray(ranges[at], ranges[at + 1]);
      // NB: a slice is lexically closed and no more. One bad entry would spoil the merged list of all servers.
      if (jsonFault(element) !== undefined)
        throw broken(wanted, `has an entry that is not JSON (number ${items + 1})`);
      if (items > 0) pieces.push(",");
      pieces.push(element);
      items++;
    }
    const next = findMember(result, 0, "nextCursor");
    cursor = next === undefined ? undefined : decodeString(result, next.start, next.end);
    if (cursor === undefined) return compose(...pieces, "]");
  }
  throw broken(wanted, `has more than ${MAX_PAGES} pages`);
}

/** Undefined where the server answers with an error of its own. */
async function askForPage(
  upstream: Upstream,
  method: string,
  params: Uint8Array | undefined,
  patience: Patience,
): Promise<Uint8Array | undefined> {
  try {
    return await ask(upstream, { method, params, ...patience });
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === "invalid-request") return undefined;
    throw thrown;
  }
}

function broken(wanted: Wanted, how: string): AppError {
  return new AppError("start-failed", `What the server answered to ${wanted.method} ${how}.`);
}
