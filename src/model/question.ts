// What the author of a server wants to be told before it runs, as the API answers it and the command line shows it.

export interface Question {
  /** What an answer has to name. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly kind: "string" | "number" | "boolean" | "path";
  readonly isRequired: boolean;
  readonly isSecret: boolean;
  /** More than one answer is fine. */
  readonly isMultiple: boolean;
  /** Taken where nobody answers. */
  readonly fallback: readonly string[] | undefined;
  /** Where there are some, one of them. */
  readonly choices: readonly string[];
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

/** By id; one value, where the question does not take several. */
export type Answers = Readonly<Record<string, readonly string[]>>;
