// One of the things that the bench compares: where it listens and which process it is.

import type { Target } from "../load/job.ts";

export interface Subject extends AsyncDisposable {
  readonly name: SubjectName;
  readonly target: Target;
  /** The process that listens, without the servers behind it. */
  readonly pid: number;
}

/** `uncaged` is Toolcrib with a server whose cage is off. */
export type SubjectName = "bare" | "direct" | "relay" | "uncaged" | "toolcrib";
