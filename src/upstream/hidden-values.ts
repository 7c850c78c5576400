// What a server may quote of what it was given, and nobody else may read: values of its headers and variables. Its
// words go into errors, states and logs; these are taken out first.

/** Shorter values are not taken for secrets: they would stand in any sentence. */
const LEAST_CHARACTERS = 6;

const SECRET_NAME = /key|token|secret|pass|pwd|auth|cred|cookie|sig|dsn/i;
/** Paths, words and numbers: a sentence without them would tell nobody what is wrong. */
const PLAIN_VALUE = /^(\.{0,2}\/[\w./-]*|[A-Za-z]+|\d+)$/;

/** Those of `values` that count, in the order in which they are to be taken out. */
export function secretsAmong(values: readonly string[]): readonly string[] {
  const secrets = values.filter((value) => value.length >= LEAST_CHARACTERS);
  // Longest first: a part must not be taken out of the whole before the whole is found.
  return [...new Set(secrets)].toSorted((a, b) => b.length - a.length);
}

/** Values of variables that are secrets, by their name or by their looks. */
export function secretsOfEnvironment(env: Readonly<Record<string, string>>): readonly string[] {
  const values = Object.entries(env)
    .filter(([name, value]) => SECRET_NAME.test(name) || !PLAIN_VALUE.test(value))
    .map(([, value]) => value);
  return secretsAmong(values);
}

/** NB: to be used before a text is cut to length, or half a secret would be left at the cut. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((clean, secret) => clean.replaceAll(secret, "[secret]"), text);
}
