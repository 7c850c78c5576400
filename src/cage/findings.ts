// What was found out about a cage, by trying (probe-verdict.ts) or by reading /proc (evidence.ts), in the words that a
// person reads. report.ts puts it together.

import type { CageAxis } from "../model/cage-report.ts";

export interface Finding {
  readonly axis: CageAxis;
  /**
   * `holds`: a fact that shows that it is enforced. `gap`: something that this kind of cage is known not to enforce.
   * `broken`: the cage lets through what it should not, as a sentence. `amiss`: what the server was granted does not
   * work, and nobody is in danger.
   */
  readonly kind: "holds" | "gap" | "broken" | "amiss";
  /** For a gap literally what is missing: `may send signals to processes of the appliance's user`. */
  readonly words: string;
}

export function wordsOf(findings: readonly Finding[], kind: Finding["kind"]): readonly string[] {
  return findings.filter((finding) => finding.kind === kind).map(({ words }) => words);
}
