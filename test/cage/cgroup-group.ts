// Processes in a group of the real kernel, for tests: they enter it as the launcher does.

import type { Group } from "../../src/cage/cgroup.ts";

/** Runs a shell script in the group. The caller ends it, or the group does. */
export function inGroup(
  group: Pick<Group, "procsFiles">,
  script: string,
): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  const enter = group.procsFiles.map((file) => `echo 0 > '${file}' || exit 99`).join("\n");
  return Bun.spawn(["sh", "-c", `${enter}\n${script}`], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
}

/** True for a process that is there and is no zombie. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The first line that a process prints. */
export async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0] ?? "";
}
