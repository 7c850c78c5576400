// Events as the appliance streams them: a JSON value in each line. Called by the verbs whose work takes a while.

import { AppError } from "../errors.ts";

/** An event holds one server's view, one difference or one problem. */
const MAX_EVENT_CHARACTERS = 8 * 1024 * 1024;

/** T is taken on trust: the other side is this program. */
export async function* eventsIn<T>(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_EVENT_CHARACTERS)
      throw new AppError("internal", "The appliance sent an endless event.");
    for (const line of lines) yield JSON.parse(line);
  }
}
