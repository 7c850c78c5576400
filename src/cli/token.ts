// The verbs on tokens. The token itself is printed once, alone on stdout: `T=$(toolcrib token create ci)` works.

import type { TokenCreated, TokenView } from "../model/api.ts";
import { pathOf } from "./client.ts";
import type { Context } from "./context.ts";
import { parseDuration } from "./duration.ts";
import { formatTable } from "./table.ts";

export interface TokenOptions {
  readonly server?: readonly string[];
  readonly expires?: string;
}

export async function create(
  context: Context,
  name: string,
  { server, expires }: TokenOptions,
): Promise<void> {
  const { terminal, api } = context;
  const token = await api.json<TokenCreated>("POST", "/tokens", {
    name,
    ...(server === undefined ? {} : { servers: server }),
    ...(expires === undefined
      ? {}
      : { expiresInSeconds: Math.ceil(parseDuration(expires, "--expires") / 1000) }),
  });
  if (context.json) return context.printJson(token);
  await terminal.out(`${token.token}\n`);
  terminal.talk(`This is the only time that the token of ${name} is shown. It may use ${reachOf(token)}.`);
}

export async function list(context: Context): Promise<void> {
  const { terminal, api } = context;
  const answer = await api.json<{ tokens: readonly TokenView[] }>("GET", "/tokens");
  if (context.json) return context.printJson(answer);
  if (answer.tokens.length === 0) {
    return terminal.talk('There are no tokens yet: "toolcrib token create NAME" makes one.');
  }
  const rows = answer.tokens.map((token) => [
    token.name,
    token.id,
    token.expired ? "expired" : dayOf(token.expiresAt, "never"),
    dayOf(token.lastUsedAt, "never"),
    reachOf(token),
  ]);
  const heads = ["NAME", "ID", "EXPIRES", "LAST USE", "SERVERS"];
  await terminal.out(
    formatTable(
      heads.map((head) => ({ head })),
      rows,
      terminal.columns,
    ),
  );
}

export async function revoke(context: Context, name: string): Promise<void> {
  await context.api.json("DELETE", pathOf`/tokens/${name}`);
  if (context.json) return context.printJson({ revoked: name });
  await context.terminal.out(`${name}: revoked\n`);
}

function reachOf({ servers }: TokenView): string {
  return servers === "all" ? "all servers" : servers.join(", ");
}

function dayOf(iso: string | undefined, otherwise: string): string {
  return iso?.slice(0, 10) ?? otherwise;
}
