// A shell in the cage of a server, as the admin API speaks of it: what opens one, what it tells, what can be listed.

import * as v from "valibot";

/** No screen is larger, and programs make arrays of it. */
const MAX_CELLS = 4096;
const Cells = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_CELLS));

const MAX_WORDS = 1024;
const Word = v.pipe(
  v.string(),
  v.maxLength(32_768),
  v.check((word) => !word.includes("\0"), "a NUL character cannot be passed to a program"),
);

/** The name of an entry in the terminfo database. NB: programs make the path of a file of it. */
export const TERMINAL_NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;

/** POST /api/v1/shells/{id}/size */
export const ShellSize = v.strictObject({ cols: Cells, rows: Cells });
export type ShellSize = v.InferOutput<typeof ShellSize>;

/** POST /api/v1/servers/{name}/shells. The answer is application/x-ndjson: a ShellEvent in each line. */
export const ShellRequest = v.strictObject({
  /** Absent: standard input, output and error are three pipes. */
  terminal: v.optional(
    v.strictObject({
      ...ShellSize.entries,
      term: v.pipe(v.string(), v.regex(TERMINAL_NAME, "not the name of a kind of terminal")),
    }),
  ),
  /** The program, looked for on the PATH of the server, and its arguments. Empty: a shell. */
  command: v.optional(v.pipe(v.array(Word), v.maxLength(MAX_WORDS)), []),
});
export type ShellRequest = v.InferOutput<typeof ShellRequest>;

/** `open` comes first, `ended` last; a stream that ends without it was cut off. */
export type ShellEvent =
  | { readonly event: "open"; readonly id: string }
  /** In Base64: a chunk may end anywhere. On a terminal, all of it is `out`. */
  | { readonly event: "out" | "err"; readonly bytes: string }
  | ({ readonly event: "ended" } & ShellEnd);

export interface ShellOutput {
  readonly stream: "out" | "err";
  readonly bytes: Uint8Array;
}

export interface ShellEnd {
  /** Of the program; 128 + its number for a signal. */
  readonly exitCode: number;
  /** Where it did not end by itself, as the end of a sentence. */
  readonly reason?: string;
}

/** GET /api/v1/shells → { shells: ShellView[] } */
export interface ShellView {
  readonly id: string;
  readonly server: string;
  readonly terminal: boolean;
  readonly openedAt: string;
}
