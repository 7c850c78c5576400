// `logs`: what a server wrote to its stderr, and with -f what comes, for as long as somebody watches.

import { pathOf } from "./client.ts";
import type { Context } from "./context.ts";

export async function logs(context: Context, name: string, follow: boolean): Promise<void> {
  const { api, terminal } = context;
  const decoder = new TextDecoder();
  const query = follow ? "?follow=1" : "";
  let kept = "";
  for await (const chunk of api.stream("GET", `${pathOf`/servers/${name}/logs`}${query}`)) {
    const text = decoder.decode(chunk, { stream: true });
    if (context.json) kept += text;
    else await terminal.outForeign(text);
  }
  if (context.json) await context.printJson({ server: name, stderr: kept });
}
