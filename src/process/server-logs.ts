// Where the stderr of servers goes: for each a ring in memory, for who looks now, and a file on disk, for who looks
// later. app.ts makes the one and closes it; a server that is removed is forgotten here too.

import { join } from "node:path";
import type { Log } from "../log.ts";
import { LogFile } from "./log-file.ts";
import { OutputRing } from "./output-ring.ts";

/** Of each server's stderr in memory; also what is read of its file where that is all there is. */
export const OUTPUT_BYTES = 256 * 1024;

export interface ServerLogsOptions {
  /** Absolute: `<data>/logs`, of the appliance alone. */
  readonly directory: string;
  /** Takes the secrets of a server, as it is configured at that moment, out of what it wrote. */
  readonly mask: (server: string, text: string) => string;
  readonly log: Log;
}

export class ServerLogs {
  readonly #options: ServerLogsOptions;
  readonly #logs = new Map<string, { readonly output: OutputRing; readonly file: LogFile }>();

  constructor(options: ServerLogsOptions) {
    this.#options = options;
  }

  /** The ring of a server, the same for as long as the server is there. */
  of(server: string): OutputRing {
    const known = this.#logs.get(server);
    if (known !== undefined) return known.output;
    const { directory, log } = this.#options;
    const mask = (text: string): string => this.#options.mask(server, text);
    const file = new LogFile({
      path: join(directory, `${server}.log`),
      mask,
      onTrouble: (sentence) => log.warn("log of a server not written", { server, reason: sentence }),
    });
    const output = new OutputRing(OUTPUT_BYTES, { file, mask });
    this.#logs.set(server, { output, file });
    return output;
  }

  /** Forgets a server that was removed, once it has ended: its name may be another's next. */
  async remove(server: string): Promise<void> {
    this.of(server);
    const known = this.#logs.get(server);
    this.#logs.delete(server);
    await known?.file.remove();
  }

  /** Resolves when all that can be written is. */
  async close(): Promise<void> {
    await Promise.all([...this.#logs.values()].map(({ file }) => file.close()));
  }
}
