// The little colour there is: the state of a server. Only for terminals that want it.

import type { ServerState } from "../model/server-state.ts";

const GREEN = 32;
const YELLOW = 33;
const RED = 31;
const GREY = 90;

const COLOURS: Readonly<Record<ServerState, number>> = {
  ready: GREEN,
  starting: YELLOW,
  stopped: GREY,
  disabled: GREY,
  "backing-off": YELLOW,
  "crash-loop": RED,
  "needs-sign-in": YELLOW,
  blocked: RED,
};

/** Colours the word of a state where it is the second column of a table; all other text stays as it is. */
export function paintState(table: string): string {
  const states = Object.keys(COLOURS).join("|");
  return table.replace(
    new RegExp(`^(\\S+ +)(${states})(?= |$)`, "gm"),
    (_, before: string, state: ServerState) => {
      return `${before}\x1b[${COLOURS[state]}m${state}\x1b[0m`;
    },
  );
}
