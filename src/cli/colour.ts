// The little colour there is: the state of a server, and what of a cage holds. Only for terminals that want it.

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

/** Colours the state, the second column of a table, and a cage that is off, the third; all other text stays. */
export function paintState(table: string): string {
  const states = Object.keys(COLOURS).join("|");
  return table
    .replace(new RegExp(`^(\\S+ +)(${states})(?= |$)`, "gm"), (_, before: string, state: ServerState) => {
      return `${before}\x1b[${COLOURS[state]}m${state}\x1b[0m`;
    })
    .replace(/^(\S+ +\S+ +)OFF(?= |$)/gm, `$1\x1b[${RED}mOFF\x1b[0m`);
}

const ENFORCED: Readonly<Record<string, number>> = { yes: GREEN, partial: YELLOW, no: RED };

/** Colours what a cage enforces, where it is the second column of a table, and a cage that is off. */
export function paintLevel(text: string): string {
  return text
    .replace(/^(\S+ +)(yes|partial|no)(?= |$)/gm, (_, before: string, word: string) => {
      return `${before}\x1b[${ENFORCED[word]}m${word}\x1b[0m`;
    })
    .replace(/^(cage +)(OFF.*)$/m, `$1\x1b[${RED}m$2\x1b[0m`);
}
