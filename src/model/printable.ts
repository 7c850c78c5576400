// Text of others, made safe to show: a terminal obeys control characters, and an eye believes invisible ones.
// Called wherever a sentence or a table quotes what a file, a package or a server said.

// Controls, formats (bidirectional marks, zero-width characters), line and paragraph separators, what is drawn as
// nothing, lone surrogates, and spaces that are not the plain one.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}]|(?! )\p{Zs}/gu;

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e" };

/** `text` on one line with nothing in it that acts or hides; cut after `maxCharacters`. */
export function printable(text: string, maxCharacters = Infinity): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text;
  return cut.replace(UNSAFE, (character) => NAMED[character] ?? escaped(character));
}

/** `printable`, in double quotes, at most 120 characters: for use inside a sentence. */
export function quoted(text: string): string {
  return `"${printable(text, 120)}"`;
}

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
