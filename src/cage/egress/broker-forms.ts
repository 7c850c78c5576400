// The forms in which programs write a value when they quote it: in a header, a URL, JSON, HTML, a dump, an
// `Authorization: Basic`. Pure; broker-mask.ts looks for them.

/** Shorter values are refused as brokered ones: half of every answer would be masked. */
export const LEAST_VALUE_CHARACTERS = 8;

type Writer = (value: string) => string;

const WRITERS: readonly Writer[] = [
  (value) => value,
  // URLs and forms: what is left as it is differs.
  encodeURI,
  encodeURIComponent,
  (value) => encodeURIComponent(value).replaceAll("%20", "+"),
  (value) => lowerCodes(encodeURIComponent(value)),
  (value) => encodeURIComponent(value).replace(/[!'()*]/g, percent),
  (value) =>
    encodeURIComponent(value)
      .replace(/[!'()*~]/g, percent)
      .replaceAll("%20", "+"),
  (value) => encodeURIComponent(value).replace(/[!'()*~_.-]/g, percent),
  // JSON: some write slashes, or what HTML would take for its own, as escapes.
  json,
  (value) => json(value).replaceAll("/", "\\/"),
  (value) => json(value).replace(/[&<>]/g, unicode),
  (value) =>
    json(value)
      .replaceAll('\\"', '"')
      .replace(/["&'+<>`]/g, unicode),
  (value) =>
    lowerCodes(
      json(value)
        .replaceAll('\\"', '"')
        .replace(/["&'+<>`]/g, unicode),
    ),
  // HTML and XML.
  (value) => value.replace(/[&<>]/g, entity),
  (value) => value.replace(/[&<>"']/g, entity),
  (value) => value.replace(/[&<>]/g, entity).replaceAll('"', "&#34;").replaceAll("'", "&#x27;"),
  // Dumps.
  (value) => Buffer.from(value, "latin1").toString("hex"),
  (value) => Buffer.from(value, "latin1").toString("hex").toUpperCase(),
  // Base64, behind none, one or two bytes of a group of three, in both alphabets.
  ...[0, 1, 2].flatMap((behind): Writer[] => [
    (value) => base64(value, behind),
    (value) => base64(value, behind).replaceAll("+", "-").replaceAll("/", "_"),
  ]),
];

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Of printable ASCII. Each once. */
export function formsOf(value: string): readonly string[] {
  const quoted = [...new Set([value, kernelOf(value)])];
  return [...new Set(quoted.flatMap((text) => WRITERS.map((write) => write(text))))];
}

/**
 * What is secret in a value, and may be quoted without the rest: what follows the scheme in `Bearer …`, the password in
 * `Basic …`.
 */
function kernelOf(value: string): string {
  const [, scheme = "", credentials = ""] = /^(\S+) +(\S+)$/.exec(value) ?? [];
  const decoded =
    scheme.toLowerCase() === "basic" ? Buffer.from(credentials, "base64").toString("latin1") : "";
  const password = decoded.slice(decoded.indexOf(":") + 1);
  return [password, decoded, credentials].find((part) => part.length >= LEAST_VALUE_CHARACTERS) ?? value;
}

/**
 * Those characters of a base64 text that tell of the value alone. At each end, up to five bits of it are left over in a
 * character that it shares with its neighbour.
 */
function base64(value: string, behind: number): string {
  const bytes = Buffer.concat([new Uint8Array(behind), Buffer.from(value, "latin1")]);
  const text = bytes.toString("base64").replaceAll("=", "");
  const isLastShared = bytes.length % 3 !== 0;
  return text.slice(Math.ceil((behind * 8) / 6), isLastShared ? -1 : undefined);
}

/** Without its quotes. */
function json(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}

function lowerCodes(text: string): string {
  return text.replace(/%..|\\u..../g, (code) => code.toLowerCase());
}

function entity(character: string): string {
  return ENTITIES[character] ?? character;
}

function percent(character: string): string {
  return `%${hex(character)}`;
}

function unicode(character: string): string {
  return `\\u00${hex(character)}`;
}

function hex(character: string): string {
  return character.charCodeAt(0).toString(16).toUpperCase();
}
