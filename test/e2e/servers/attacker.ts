// An MCP server that is not on our side. Tool `try` makes one attempt, told as words ("read /etc/shadow"), and answers
// `ok`, what it found out, or the code of the error that kept it from it. It does no harm where it gets through: files
// are opened and not written to, signals are number 0. attack-scene.ts bundles it and puts it beside the probe, whose
// verbs it knows as `probe …`, into a directory of its own.

import { startPeer, textResult, toolCall, toolNamed } from "../../servers/raw/peer.ts";
import type { Attempt } from "./attacker-attempt.ts";
import { ON_FILES } from "./attacker-files.ts";
import { ON_NETWORKS } from "./attacker-network.ts";
import { ON_PROCESSES } from "./attacker-processes.ts";

const VERBS: Readonly<Record<string, Attempt>> = { ...ON_FILES, ...ON_PROCESSES, ...ON_NETWORKS };

async function outcomeOf(words: string): Promise<string> {
  const [verb = "", ...args] = words.split(" ");
  const attempt = VERBS[verb];
  if (attempt === undefined) return `no verb ${verb}`;
  try {
    const detail = await attempt(args);
    return detail === "" ? "ok" : `ok ${detail}`;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

startPeer({
  tools: ["try", "fail"].map(toolNamed),
  handlers: {
    "tools/call": (message, peer) => {
      const { name, args } = toolCall(message);
      void outcomeOf(String(args["words"])).then((outcome) => {
        if (name === "fail") peer.fail(message, -32000, outcome);
        else peer.answer(message, textResult(outcome));
      });
    },
  },
});
