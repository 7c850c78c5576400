// Placeholders, and what a header says when the real value has taken their place.

import { describe, expect, test } from "bun:test";
import { createPlaceholders, withRealValues } from "../../../src/cage/egress/broker-credential.ts";

const placeholderFor = createPlaceholders(Buffer.alloc(32, 7));
const P = placeholderFor("files", "token");
const Q = placeholderFor("files", "other");
const basic = (text: string): string => `Basic ${Buffer.from(text, "latin1").toString("base64")}`;

describe("placeholders", () => {
  test("look like a token and can stand anywhere", () => {
    expect(P).toMatch(/^toolcrib_[A-Za-z0-9_-]{43}$/);
  });

  test("are the same for the same name, and others for other names, servers and keys", () => {
    expect(placeholderFor("files", "token")).toBe(P);
    const others = [
      Q,
      placeholderFor("file", "stoken"),
      placeholderFor("files2", "token"),
      createPlaceholders(Buffer.alloc(32, 8))("files", "token"),
    ];
    expect(new Set([P, ...others]).size).toBe(5);
  });
});

describe("a header", () => {
  const credentials = (value: string, other = "other-value") => [
    { header: "authorization", placeholder: P, value },
    { header: "authorization", placeholder: Q, value: other },
  ];

  test.each<[string, string, string | undefined]>([
    ["bare", P, "value-1"],
    ["behind a scheme", `token ${P}`, "token value-1"],
    ["among others", `a=1; key=${P}; b=2`, "a=1; key=value-1; b=2"],
    ["twice", `${P}.${P}`, "value-1.value-1"],
    ["both", `${P}:${Q}`, "value-1:other-value"],
    ["as a password", basic(`me:${P}`), basic("me:value-1")],
    ["as a user", basic(`${P}:x`), basic("value-1:x")],
    ["as both", basic(`${P}:${Q}`), basic("value-1:other-value")],
    ["with letters above ASCII", basic(`m\xfc:${P}`), basic("m\xfc:value-1")],
    ["cut", P.slice(0, -1), undefined],
    ["in another case", P.toUpperCase(), undefined],
    ["none", "Bearer mine", undefined],
    ["none in Basic", basic("me:mine"), undefined],
    ["in Basic that is none", `Basic !${P.slice(3)}`, undefined],
    ["nothing", "", undefined],
  ])("with a placeholder: %s", (_name, sent, expected) => {
    expect(withRealValues(sent, credentials("value-1"))).toBe(expected);
  });

  test.each<[string, string, string]>([
    [`Bearer ${P}`, "Bearer tok-en", "Bearer tok-en"],
    [`bearer ${P}`, "Bearer tok-en", "Bearer tok-en"],
    [`Token ${P}`, "Bearer tok-en", "Token Bearer tok-en"],
    [P, "Bearer tok-en", "Bearer tok-en"],
    [`Bearer ${P}`, "$&$1$`", "Bearer $&$1$`"],
  ])("%p and the value %p", (sent, value, expected) => {
    expect(withRealValues(sent, credentials(value))).toBe(expected);
  });

  test("a value that holds the placeholder of another one is not read again", () => {
    expect(withRealValues(P, credentials(`x${Q}x`, "other"))).toBe(`x${Q}x`);
  });
});
