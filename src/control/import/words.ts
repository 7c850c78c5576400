// `toolcrib add <words>`: a package name, the command line of a package runner, a URL, or any program. Pure. Called
// by plan.ts.

import type { PlanView } from "../../model/api.ts";
import { printable, quoted } from "../../model/printable.ts";
import { parsePackageSpec, understand, type CommandMeaning } from "../../package/command-line.ts";
import { defaultName, defaultNameOfUrl } from "../../package/default-name.ts";
import { checkName, finish, usage, type Draft, type PlanContext, type PlanOptions } from "./draft.ts";

/** @throws AppError `usage` */
export function planFromWords(
  words: readonly string[],
  options: PlanOptions,
  context: PlanContext,
): PlanView {
  const [first = "", ...rest] = words;
  if (first.trim() === "") throw usage("Say what to add: a package, a command line, a URL or a file.");
  if (/^[A-Za-z_]\w*=(?!=)/.test(first)) {
    throw usage(`Variables are given before the words: --env ${first.slice(0, first.indexOf("="))}=…`);
  }
  const draft = /^[a-z][a-z0-9+.-]*:\/\//i.test(first)
    ? draftUrl(first, rest)
    : draftCommand(first, rest, context);
  const named = { ...draft, name: options.name === undefined ? draft.name : checkName(options.name) };
  const { server, notes } = finish(named, options, new Map(), context);
  return { servers: [server], notes: [...draft.notes, ...notes] };
}

interface NotedDraft extends Draft {
  readonly notes: readonly string[];
}

function draftUrl(url: string, rest: readonly string[]): NotedDraft {
  if (!/^https?:/i.test(url)) {
    throw usage(
      `${printable(url.split(":", 1)[0] ?? "", 20)}:// is not spoken: a server's URL begins with https:// or http://.`,
    );
  }
  if (rest.length > 0) throw usage(`Nothing may stand behind a URL, but ${quoted(rest[0] ?? "")} does.`);
  return { name: defaultNameOfUrl(url), spec: { kind: "http", url }, unknownKeys: [], notes: [] };
}

function draftCommand(first: string, rest: readonly string[], context: PlanContext): NotedDraft {
  const guess = guessCommand(first, context);
  const [command = first, ...args] = [...guess.words, ...rest];
  const name = defaultName(describe(command, args));
  return { name, spec: { kind: "stdio", command, args }, unknownKeys: [], notes: guess.notes };
}

function describe(command: string, args: readonly string[]): CommandMeaning {
  if (/\s/.test(command) && !command.includes("/")) {
    throw usage(
      `${quoted(command)} is one word with spaces in it: write the command line without quotes around it.`,
    );
  }
  return understand(command, args);
}

interface Guess {
  readonly words: readonly string[];
  readonly notes: readonly string[];
}

// The reference servers that are published for Python only. Their names on npm belong to nobody who is known.
const PYTHON_SERVERS = new Set(
  "mcp-server-fetch mcp-server-git mcp-server-time mcp-server-sqlite mcp-server-sentry".split(" "),
);

/** Programs that run other programs: nobody means the npm package of that name. */
const PROGRAMS =
  /^(?:npx|bunx|pnpx|npm|pnpm|yarn|bun|deno|node|nodejs|tsx|uvx?|pipx?|python[\d.]*|py|ruby|java|go|dotnet|php|perl|sh|bash|cmd|docker|podman|env)(?:\.exe|\.cmd)?$/i;

/** What one word stands for, when it may be the name of a package. `npm:` and `pypi:` before it end all doubt. */
function guessCommand(word: string, context: PlanContext): Guess {
  const npm = /^npm:(.*)$/.exec(word)?.[1];
  if (npm !== undefined) return { words: ["npx", "-y", npm], notes: [] };
  const pypi = /^pypi:(.*)$/.exec(word)?.[1];
  if (pypi !== undefined) return { words: uvx(pypi), notes: [] };
  const isPath = word.includes("\\") || (word.includes("/") && !/^@[^/@]+\/[^/]+$/.test(word));
  if (isPath || /\s/.test(word) || PROGRAMS.test(word)) return { words: [word], notes: [] };

  if (
    /^[A-Za-z0-9][\w.-]*(?:\[[\w.,-]+\]|[=<>~!]=|[<>])/.test(word) ||
    PYTHON_SERVERS.has(word.split("@")[0] ?? "")
  ) {
    return {
      words: uvx(word),
      notes: [
        `${quoted(word)} is taken as a package of PyPI; for one of npm write npm:${/^[\w.-]+/.exec(word)?.[0]}`,
      ],
    };
  }
  const spec = parsePackageSpec(word);
  if (spec === undefined) return { words: [word], notes: [] };
  if (word.startsWith("@") || word.includes("@")) return { words: ["npx", "-y", word], notes: [] };
  if (context.hasProgram(word)) {
    return {
      words: [word],
      notes: [`${quoted(word)} is taken as the program of this host; for the npm package write npm:${word}`],
    };
  }
  const note = `${quoted(word)} is taken as a package of npm; for one of PyPI write pypi:${word}, for a program its path`;
  return { words: ["npx", "-y", word], notes: [note] };
}

/** uvx wants a version behind `@`; extras and ranges only stand behind `--from`. */
function uvx(word: string): readonly string[] {
  const exact = /^([\w.-]+)==([\w.+!-]+)$/.exec(word);
  if (exact !== null) return ["uvx", `${exact[1]}@${exact[2]}`];
  if (/^[\w.-]+(?:@[\w.+!-]+)?$/.test(word)) return ["uvx", word];
  return ["uvx", "--from", word, /^[\w.-]+/.exec(word)?.[0] ?? word];
}
