// Response bodies that grow while something happens: the events of an `add`, the lines of a log. Bounded: what a
// slow reader has not taken is never more than MAX_WAITING_BYTES, and what does not fit is the pusher's to drop.

/** What may wait for a reader. */
const MAX_WAITING_BYTES = 1_048_576;

export interface Push {
  /** False when nothing was taken, because too much waits or the reader has gone. */
  text(text: string): boolean;
  /** For what comes once and must not be dropped: goes past the bound. */
  last(text: string): void;
  close(): void;
}

/**
 * `start` pushes for as long as it likes and returns what ends its work. That is called when the reader goes away
 * or the request is aborted, once, and not after `close`.
 */
export function pushStream(
  request: Request,
  contentType: string,
  start: (push: Push) => () => void,
): Response {
  const encoder = new TextEncoder();
  let open = true;
  let stop: (() => void) | undefined;
  let closeBody: (() => void) | undefined;
  const abandon = (): void => {
    if (!open) return;
    open = false;
    request.signal.removeEventListener("abort", abandon);
    closeBody?.();
    stop?.();
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        closeBody = () => controller.close();
        const last = (text: string): void => {
          if (open) controller.enqueue(encoder.encode(text));
        };
        const text = (part: string): boolean => {
          if (!open || (controller.desiredSize ?? 0) <= 0) return false;
          last(part);
          return true;
        };
        const close = (): void => {
          stop = undefined;
          abandon();
        };
        stop = start({ text, last, close });
      },
      cancel() {
        closeBody = undefined;
        abandon();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_WAITING_BYTES }),
  );
  request.signal.addEventListener("abort", abandon);
  if (request.signal.aborted) abandon();
  return new Response(body, { headers: { "content-type": contentType } });
}
