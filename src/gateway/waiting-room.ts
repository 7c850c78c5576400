// Calls to servers that are not there yet. Their parameters stay in memory until the server has started, so there is
// a bound for each server: one that hangs at its start must not collect calls without end.

/** Of one server, one call of any size excepted: the largest body may always wait. */
const MAX_BYTES = 128 * 1_048_576;
const MAX_CALLS = 10_000;

interface Crowd {
  calls: number;
  bytes: number;
}

export class WaitingRoom {
  readonly #crowds = new Map<string, Crowd>();

  /** The function that gives the place up, to be called once; undefined when there is none. */
  enter(server: string, bytes: number): (() => void) | undefined {
    const crowd = this.#crowds.get(server) ?? { calls: 0, bytes: 0 };
    const isFull = crowd.calls >= MAX_CALLS || crowd.bytes + bytes > MAX_BYTES;
    if (crowd.calls > 0 && isFull) return undefined;
    crowd.calls++;
    crowd.bytes += bytes;
    this.#crowds.set(server, crowd);
    return () => {
      crowd.calls--;
      crowd.bytes -= bytes;
      if (crowd.calls === 0) this.#crowds.delete(server);
    };
  }
}
