// What every verb of the attacker is, and how one says that it was refused.

/** Resolves to what was found out, rejects with what refused it. */
export type Attempt = (args: readonly string[]) => Promise<string> | string;

/** Told by its code alone. */
export function refusal(code: string): Error {
  return Object.assign(new Error(code), { code });
}
