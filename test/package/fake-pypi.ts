// A Python package index (the simple API, PEP 503 and PEP 691) on a loopback port with the packages a test gives it.
// It can answer with an error, hold an answer back, lie about a hash, or speak HTML only. Called by the tests of the
// package room.

import { type FakeDistribution, makeSource, makeWheel, metadata, wheelName } from "./fake-wheel.ts";

export interface FakeProject extends FakeDistribution {
  /** Wheels by default; `source` alone needs a build. */
  readonly kind?: "wheel" | "source";
  /** The SHA-256 that the index claims instead of the true one; `none` names no hash at all. */
  readonly claims?: string;
  /** Sent in place of the archive. */
  readonly body?: Uint8Array<ArrayBuffer>;
}

export interface FakeIndex {
  /** Ends with `/simple/`. */
  readonly url: string;
  /** Paths that were asked for, in order. */
  readonly asked: string[];
  /** Values of Authorization headers that came, in order, each with its path. */
  readonly authorized: string[];
  /** Answers every request with this status from now on; undefined answers properly. */
  failWith: number | undefined;
  /** Lists of files as HTML only, as older mirrors have it. */
  html: boolean;
  /** From now on requests whose path ends with this get no answer; resolves when the first of them is here. */
  hold(ending: string): Promise<void>;
  release(): void;
  stop(): Promise<void>;
}

export interface FakeFile {
  readonly name: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** Empty for none. */
  readonly sha256: string;
  readonly requiresPython: string | undefined;
  /** PEP 658: the metadata beside the wheel. */
  readonly metadata: string | undefined;
}

/** @param buildMark a file that the build of a source archive makes */
export async function startFakeIndex(
  projects: readonly FakeProject[],
  buildMark: string,
): Promise<FakeIndex> {
  const lists = new Map<string, FakeFile[]>();
  for (const made of projects) {
    const name = made.name.toLowerCase().replace(/[-_.]+/g, "-");
    lists.set(name, [...(lists.get(name) ?? []), await fileOf(made, buildMark)]);
  }
  return serveFiles(lists);
}

/** By the normalized name of the project. */
export function serveFiles(lists: ReadonlyMap<string, readonly FakeFile[]>): FakeIndex {
  let held: { readonly ending: string; readonly came: () => void } | undefined;
  const files = new Map([...lists.values()].flat().map((file) => [file.name, file]));
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch(request) {
      const { pathname } = new URL(request.url);
      index.asked.push(pathname);
      const authorization = request.headers.get("authorization");
      if (authorization !== null) index.authorized.push(`${pathname} ${authorization}`);
      if (index.failWith !== undefined) return new Response("no", { status: index.failWith });
      if (held !== undefined && pathname.endsWith(held.ending)) {
        held.came();
        return new Promise<Response>(() => {});
      }
      const base = pathname.split("/").at(-1) ?? "";
      const described = files.get(base.replace(/\.metadata$/, ""));
      if (described !== undefined && base.endsWith(".metadata"))
        return new Response(described.metadata ?? "");
      if (described !== undefined) return ranged(request, described.body);
      const list = lists.get(/^\/simple\/([^/]+)\/$/.exec(pathname)?.[1] ?? "");
      if (list === undefined) return new Response("none", { status: 404 });
      return index.html ? htmlList(list) : jsonList(list);
    },
  });
  const index: FakeIndex = {
    url: `http://127.0.0.1:${server.port}/simple/`,
    asked: [],
    authorized: [],
    failWith: undefined,
    html: false,
    hold(ending) {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = { ending, came: resolve };
      return promise;
    },
    release() {
      held = undefined;
    },
    stop: () => server.stop(true),
  };
  return index;
}

async function fileOf(made: FakeProject, buildMark: string): Promise<FakeFile> {
  const isSource = made.kind === "source";
  const proper = isSource ? await makeSource(made, buildMark) : makeWheel(made);
  const body = made.body ?? proper;
  const sha256 = new Bun.CryptoHasher("sha256").update(body).digest("hex");
  return {
    name: isSource ? wheelName(made).replace(/-py3-none-any\.whl$/, ".tar.gz") : wheelName(made),
    body,
    sha256: made.claims === "none" ? "" : (made.claims ?? sha256),
    requiresPython: made.requiresPython,
    metadata: isSource ? undefined : metadata(made),
  };
}

/** NB: range requests would let an installer read the middle of an archive; a plain mirror answers with all of it. */
function ranged(request: Request, body: Uint8Array<ArrayBuffer>): Response {
  if (request.headers.has("range")) return new Response("no ranges", { status: 416 });
  return new Response(body, { headers: { "content-length": String(body.length) } });
}

function jsonList(list: readonly FakeFile[]): Response {
  const files = list.map((file) => ({
    filename: file.name,
    url: `../../files/${file.name}`,
    hashes: file.sha256 === "" ? {} : { sha256: file.sha256 },
    size: file.body.length,
    ...(file.requiresPython === undefined ? {} : { "requires-python": file.requiresPython }),
    ...(file.metadata === undefined ? {} : { "core-metadata": true }),
  }));
  return new Response(JSON.stringify({ meta: { "api-version": "1.1" }, name: "x", versions: [], files }), {
    headers: { "content-type": "application/vnd.pypi.simple.v1+json" },
  });
}

function htmlList(list: readonly FakeFile[]): Response {
  const links = list.map((file) => {
    const hash = file.sha256 === "" ? "" : `#sha256=${file.sha256}`;
    const python = (file.requiresPython ?? "").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    const requires = python === "" ? "" : ` data-requires-python="${python}"`;
    return `<a href="../../files/${file.name}${hash}"${requires}>${file.name}</a><br>`;
  });
  return new Response(`<!DOCTYPE html><html><body>\n${links.join("\n")}\n</body></html>`, {
    headers: { "content-type": "text/html" },
  });
}
