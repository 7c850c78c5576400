// Event streams, read as a client reads them.

/** The data of each event of a whole stream. Comments are none. */
export function parseEvents(text: string): string[] {
  return text
    .split("\n\n")
    .map((event) =>
      event
        .split("\n")
        .filter((line) => line.startsWith("data: "))
        .map((line) => line.slice(6))
        .join("\n"),
    )
    .filter((data) => data !== "");
}

export interface EventReader {
  /** The next event's data; undefined at the end of the stream. */
  next(): Promise<string | undefined>;
  cancel(): Promise<void>;
}

export function readEvents(response: Response): EventReader {
  const reader = response.body?.getReader();
  if (reader === undefined) throw new Error("the response has no body");
  const decoder = new TextDecoder();
  let rest = "";
  const ready: string[] = [];
  return {
    async next() {
      for (;;) {
        const event = ready.shift();
        if (event !== undefined) return event;
        const { value, done } = await reader.read();
        if (done) return undefined;
        rest += decoder.decode(value, { stream: true });
        const end = rest.lastIndexOf("\n\n");
        if (end < 0) continue;
        ready.push(...parseEvents(rest.slice(0, end + 2)));
        rest = rest.slice(end + 2);
      }
    },
    cancel: () => reader.cancel(),
  };
}
