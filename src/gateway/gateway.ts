// What both eras work with: the catalog of now, the sessions, the way to the servers. Made once, in app.ts.

import type { Bus } from "../events.ts";
import type { Leases } from "../upstream/idleness.ts";
import { Catalog } from "./catalog.ts";
import { Forwarder, type Servers } from "./forward.ts";
import type { Implementation } from "./view.ts";
import { Sessions, type SessionLimits } from "./sessions.ts";
import { LIST_KINDS, type ListKind, type View } from "./view.ts";

/** The notification that tells of a list (resources and templates share one). */
const CHANGED: Readonly<Record<ListKind, string>> = {
  tools: "notifications/tools/list_changed",
  prompts: "notifications/prompts/list_changed",
  resources: "notifications/resources/list_changed",
  resourceTemplates: "notifications/resources/list_changed",
};

export interface GatewayOptions {
  readonly servers: Servers;
  readonly bus: Bus;
  readonly limits: SessionLimits;
  readonly self: Implementation;
  readonly now: () => number;
}

export class Gateway {
  readonly sessions: Sessions;
  readonly forwarder: Forwarder;
  #catalog: Catalog;

  constructor(options: GatewayOptions) {
    const { servers } = options;
    this.sessions = new Sessions(options.limits, options.now, (id) => servers.release?.(id));
    this.forwarder = new Forwarder(servers, options.bus);
    this.#catalog = new Catalog([], options.self);
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  /** On what streams somebody listens at this moment. */
  leases(): Leases {
    const servers = new Set<string>();
    const sessions = new Set<string>();
    for (const { id, scope, stream } of this.sessions) {
      if (stream === undefined) continue;
      sessions.add(id);
      // On the merged endpoint nobody listens to one server in particular.
      if (scope.kind === "server") servers.add(scope.name);
    }
    return { servers, sessions };
  }

  /** Puts a new catalog in place and tells the sessions whose lists differ, and no others. */
  publish(next: Catalog): void {
    const before = this.#catalog;
    this.#catalog = next;
    const kept = new Map<View, ReadonlySet<string>>();
    for (const session of this.sessions) {
      const view = next.view(session.scope);
      if (view === undefined) {
        this.sessions.end(session);
        continue;
      }
      const methods = kept.get(view) ?? changes(before.view(session.scope), view);
      kept.set(view, methods);
      for (const method of methods) session.tell(method);
    }
  }
}

function changes(before: View | undefined, after: View): ReadonlySet<string> {
  const methods = new Set<string>();
  for (const kind of LIST_KINDS) {
    const was = before?.list(kind);
    if (was === undefined || Buffer.compare(was, after.list(kind)) !== 0) methods.add(CHANGED[kind]);
  }
  return methods;
}
