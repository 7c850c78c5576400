// What a person sees while a server is added: on a terminal one line a stage, which its details rewrite; elsewhere one
// plain line a stage.

import type { AddEvent } from "../model/api.ts";
import { printable } from "../model/printable.ts";
import { cut } from "./table.ts";
import type { Terminal } from "./terminal.ts";

type Progress = Extract<AddEvent, { event: "progress" }>;

export interface ProgressDisplay {
  show(progress: Progress): void;
  /** Leaves the last line standing. Must be called before anybody else talks. */
  end(): void;
}

const LABEL_WIDTH = "downloading".length;
/** Talk goes to stderr, whose width is that of stdout where both are terminals. */
const USUAL_COLUMNS = 80;
const REWRITE_LINE = "\r\x1b[K";

export function createProgress(terminal: Terminal): ProgressDisplay {
  let stage: Progress["stage"] | undefined;
  return {
    show(progress) {
      const line = `  ${progress.stage.padEnd(LABEL_WIDTH)}  ${printable(progress.detail)}`.trimEnd();
      const isNew = progress.stage !== stage;
      if (terminal.isTalkTerminal) {
        const start = isNew && stage !== undefined ? "\n" : REWRITE_LINE;
        terminal.talkPart(start + cut(line, (terminal.columns ?? USUAL_COLUMNS) - 1));
      } else if (isNew) {
        terminal.talk(line);
      }
      stage = progress.stage;
    },
    end() {
      if (stage !== undefined && terminal.isTalkTerminal) terminal.talk("");
      stage = undefined;
    },
  };
}
