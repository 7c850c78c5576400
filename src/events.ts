// What happens inside, told to whoever wants to know: metrics, reconciler, sessions. The teller knows no listener.
// app.ts makes the one bus and passes it on.

export type CallOutcome = "ok" | "tool-error" | "error" | "lost" | "cancelled";
export type OfferList = "tools" | "prompts" | "resources";

export interface Events {
  /** A request to a server is over, whatever came of it. */
  readonly "call.finished": {
    readonly server: string;
    readonly method: string;
    readonly durationMs: number;
    readonly outcome: CallOutcome;
    readonly requestBytes: number;
    readonly resultBytes: number;
  };
  /** A change of the configuration is on disk. */
  readonly "config.changed": { readonly revision: number };
  /** What a server offers differs from before. */
  readonly "offer.changed": { readonly server: string; readonly lists: readonly OfferList[] };
  /** A server entered a state, one of those in model/server-state.ts. */
  readonly "server.state": { readonly server: string; readonly state: string };
}

type Listener<T> = (payload: T) => void;

export interface Bus {
  /** Hears every later event, in the order of subscription. Returns the function that ends it. */
  on<E extends keyof Events>(event: E, listener: Listener<Events[E]>): () => void;
  /** Tells all listeners before it returns. Never throws; allocates nothing, because each call emits. */
  emit<E extends keyof Events>(event: E, payload: Events[E]): void;
}

/** `onFailure` hears what a listener threw; the other listeners and the emitter do not notice. */
export function createBus(onFailure: (thrown: unknown) => void = () => {}): Bus {
  const channels: { readonly [E in keyof Events]: Channel<Events[E]> } = {
    "call.finished": channel(onFailure),
    "config.changed": channel(onFailure),
    "offer.changed": channel(onFailure),
    "server.state": channel(onFailure),
  };
  return {
    on: (event, listener) => channels[event].on(listener),
    emit: (event, payload) => channels[event].emit(payload),
  };
}

interface Channel<T> {
  on(listener: Listener<T>): () => void;
  emit(payload: T): void;
}

function channel<T>(onFailure: (thrown: unknown) => void): Channel<T> {
  // Replaced, never changed, so that a listener may subscribe or leave while an event is told.
  let listeners: readonly Listener<T>[] = [];
  return {
    on(listener) {
      const own: Listener<T> = (payload) => listener(payload);
      listeners = [...listeners, own];
      return () => {
        listeners = listeners.filter((each) => each !== own);
      };
    },
    emit(payload) {
      const told = listeners;
      for (let index = 0; index < told.length; index++) {
        try {
          told[index]?.(payload);
        } catch (thrown) {
          onFailure(thrown);
        }
      }
    },
  };
}
