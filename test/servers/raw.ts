// Hand-written stdio servers that misbehave on purpose: `bun test/servers/raw.ts <behaviour> [argument]…`.
// Without a behaviour it prints the table. Used by the contract, scenario and end-to-end tests and by the bench.

import { echo, lies, serverRequests } from "./raw/answers.ts";
import { endlessPages, manyTools, pages } from "./raw/catalogs.ts";
import { mirror } from "./raw/mirror.ts";
import { exitSaying } from "./raw/peer.ts";
import { exitAfter, exitAtOnce, hang, old, otherLanguage, slowStart } from "./raw/starts.ts";
import { endlessLine, floodsStderr, floodsStdout, garbage, line, neverReads } from "./raw/streams.ts";
import { ignoresTerm } from "./raw/stubborn.ts";

type Arguments = readonly (string | undefined)[];

interface Behaviour {
  readonly about: string;
  run(args: Arguments): void;
}

const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  "hang-initialize": { about: "never answers initialize", run: () => hang("initialize") },
  hang: { about: "METHOD: never answers that method", run: ([method]) => hang(method ?? "tools/call") },
  "exit-at-once": { about: 'says "missing API key" and exits 2', run: exitAtOnce },
  "exit-after": {
    about: "N: answers N calls, exits 4 at the next",
    run: ([calls]) => exitAfter(count(calls, 0)),
  },
  "slow-start": { about: "MS: reads nothing for so long", run: ([ms]) => slowStart(count(ms, 1000)) },
  old: { about: "REVISION: answers initialize with it", run: ([revision]) => old(revision ?? "2024-11-05") },
  "other-language": { about: "answers in HTTP", run: otherLanguage },
  garbage: { about: "prints a banner and noise between its answers", run: garbage },
  "endless-line": {
    about: "[initialized|call] [MIB]: begins a line then and does not end it",
    run: ([when, mib]) => endlessLine(when === "call" ? "call" : "initialized", count(mib, 256)),
  },
  line: {
    about: "BYTES: tool line answers with a line of exactly so many",
    run: ([n]) => line(count(n, 1024)),
  },
  "never-reads": {
    about: "[N]: reads N messages after the handshake",
    run: ([more]) => neverReads(count(more, 0)),
  },
  "floods-stdout": {
    about: "[MIB]: notifications without pause",
    run: ([mib]) => floodsStdout(count(mib, 256)),
  },
  "floods-stderr": { about: "[MIB]: text without pause", run: ([mib]) => floodsStderr(count(mib, 256)) },
  "ignores-term": { about: "ignores SIGTERM and the end of stdin, has a stray grandchild", run: ignoresTerm },
  lies: { about: "a tool a lie: foreign ids, two answers, wrong types, equal keys", run: lies },
  echo: { about: "params come back byte for byte; tool odd has numbers and keys to lose", run: echo },
  mirror: { about: "the same for all that is forwarded: lists, errors and progress too", run: mirror },
  "server-requests": {
    about: "asks the client; tools answers and ask tell what it said",
    run: serverRequests,
  },
  pages: {
    about: "[TOOLS] [PER-PAGE]: tools over several pages",
    run: ([tools, perPage]) => pages(count(tools, 25), count(perPage, 10)),
  },
  "endless-pages": { about: "a tools/list with always one more cursor", run: endlessPages },
  "n-tools": {
    about: "N [BYTES]: so many tools with definitions of that size",
    run: ([tools, bytes]) => manyTools(count(tools, 50), count(bytes, 435)),
  },
};

const [name = "", ...args] = process.argv.slice(2);
const behaviour = BEHAVIOURS[name];
if (behaviour === undefined) exitSaying(usage(), 2);
behaviour.run(args);

function count(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) exitSaying(`not a whole number: ${text}`, 2);
  return value;
}

function usage(): string {
  const lines = Object.entries(BEHAVIOURS).map(([key, { about }]) => `  ${key.padEnd(16)} ${about}`);
  return `usage: raw.ts <behaviour> [argument]…\n${lines.join("\n")}`;
}
