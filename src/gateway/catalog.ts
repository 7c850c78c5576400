// What callers see: the named, merged lists over the offers of all servers. A catalog is immutable; a change of
// configuration or of an offer makes a new one, which takes the old one's place in one step.

import { serverView, type CatalogServer, type Implementation, type View } from "./view.ts";
import { mergedView } from "./merged-view.ts";

/** Which part of the catalog a request is about: all servers that the caller may use, or one. */
export type Scope =
  | { readonly kind: "merged"; readonly servers: readonly string[] | undefined }
  | { readonly kind: "server"; readonly name: string };

/** Views of callers that may use only some servers: as many different sets as this are kept. */
const MAX_KEPT_VIEWS = 256;

export class Catalog {
  readonly #servers: ReadonlyMap<string, CatalogServer>;
  readonly #self: Implementation;
  readonly #views = new Map<string, View>();

  constructor(servers: readonly CatalogServer[], self: Implementation) {
    const sorted = servers.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.#servers = new Map(sorted.map((server) => [server.name, server]));
    this.#self = self;
  }

  has(server: string): boolean {
    return this.#servers.has(server);
  }

  get serverNames(): readonly string[] {
    return [...this.#servers.keys()];
  }

  /** Undefined when the scope names a server that is not there. */
  view(scope: Scope): View | undefined {
    const key = keyOf(scope);
    const kept = this.#views.get(key);
    if (kept !== undefined) return kept;
    const view = this.#make(scope);
    if (view === undefined) return undefined;
    if (this.#views.size >= MAX_KEPT_VIEWS) {
      const oldest = this.#views.keys().next();
      if (!oldest.done) this.#views.delete(oldest.value);
    }
    this.#views.set(key, view);
    return view;
  }

  #make(scope: Scope): View | undefined {
    if (scope.kind === "server") {
      const server = this.#servers.get(scope.name);
      return server === undefined ? undefined : serverView(server);
    }
    const wanted = scope.servers;
    const visible = [...this.#servers.values()].filter(
      (server) => wanted === undefined || wanted.includes(server.name),
    );
    return mergedView(visible, this.#self);
  }
}

function keyOf(scope: Scope): string {
  if (scope.kind === "server") return `=${scope.name}`;
  return scope.servers === undefined ? "*" : scope.servers.join(",");
}
