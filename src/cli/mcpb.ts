// `add` of an MCP bundle, a file or an address: the bundle goes into the vault first, because its own manifest says
// what would run. Called by add.ts.

import { resolve } from "node:path";
import { AppError } from "../errors.ts";
import type { PlanRequest, PlanView } from "../model/api.ts";
import type { McpbView } from "../model/package-view.ts";
import { printable } from "../model/printable.ts";
import type { Question } from "../model/question.ts";
import type { Context } from "./context.ts";
import { fileSize } from "./input.ts";

const ENDING = /\.(?:mcpb|dxt)$/i;
const ARCHIVE = "application/zip";

/** True for words that are one word that names a bundle. */
export function isMcpb([word = "", ...more]: readonly string[]): boolean {
  return more.length === 0 && ENDING.test(word.split(/[?#]/, 1)[0] ?? "");
}

/** @param request as for any other server; its words name the bundle */
export async function planMcpb(
  context: Context,
  { words: [word = ""] = [], ...rest }: Omit<PlanRequest, "document">,
  sha256: string | undefined,
): Promise<PlanView> {
  const { package: pinned, questions } = await take(context, word, sha256);
  for (const question of questions) {
    if (rest.answers?.[question.id] === undefined) context.terminal.talk(describe(question));
  }
  return context.api.json<PlanView>("POST", "/mcpb/plans", { package: pinned, ...rest });
}

async function take({ api, cwd }: Context, word: string, sha256: string | undefined): Promise<McpbView> {
  if (/^https?:\/\//i.test(word)) {
    return api.json<McpbView>("POST", "/mcpb/fetch", {
      url: word,
      ...(sha256 === undefined ? {} : { sha256 }),
    });
  }
  const path = resolve(cwd, word);
  if (fileSize(path) === undefined) throw new AppError("usage", `There is no file ${printable(word)} here.`);
  const query = sha256 === undefined ? "" : `?sha256=${encodeURIComponent(sha256)}`;
  return api.json<McpbView>("POST", `/mcpb${query}`, Bun.file(path, { type: ARCHIVE }));
}

function describe({ id, title, description, isRequired, fallback }: Question): string {
  const words = [title, description].filter((text) => text !== "").join(": ");
  const state =
    fallback !== undefined ? `is ${fallback.join(", ")}` : isRequired ? "is needed" : "may be given";
  return printable(`--answer ${id}=… ${state}${words === "" ? "" : ` (${words})`}`, 400);
}
