// What the package room answers to "how do I start this specification": a program and its arguments.

export interface LaunchCommand {
  /** Absolute path of the program. */
  readonly file: string;
  readonly args: readonly string[];
  /** Variables that the runtime itself needs (say, to make this executable act as Bun); they win over all others. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute paths that the runtime reads beside the package, such as the home of an interpreter. */
  readonly reads: readonly string[];
}

/** Stages of an installation that a person waits for. */
export type InstallStage = "resolving" | "downloading" | "installed";

export type InstallProgress = (stage: InstallStage, detail: string) => void;
