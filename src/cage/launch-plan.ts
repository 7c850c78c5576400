// The plan of one start, as data: all that crosses into `process/`. It is made here from a specification and is
// complete: no inherited environment, no PATH look-up left to do.

export interface LaunchPlan {
  /** Absolute path of the program, then its arguments. Holds no secret. */
  readonly argv: readonly string[];
  /** The whole environment of the server. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute, exists. */
  readonly cwd: string;
  /** The helper that ties the life of the server's whole process tree to the appliance's. */
  readonly launcher: string;
}
