// Whatever a host quotes of a value, in whatever form and however it is cut into pieces, does not come through; all the
// rest does.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formsOf } from "../../../src/cage/egress/broker-forms.ts";
import { masked, type Held, Masker, patternsOf } from "../../../src/cage/egress/broker-mask.ts";

const SECRET = 'k3y-"Ab/c+d&e=f g';

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const text = (all: Uint8Array): string => Buffer.from(all).toString("latin1");
const whole = (said: string, ...values: string[]): string => text(masked(bytes(said), patternsOf(values)));

describe("forms", () => {
  test.each<[string, string]>([
    ["as it is", SECRET],
    ["in a URL", encodeURIComponent(SECRET)],
    ["in a URL, by somebody careful", "k3y%2D%22Ab%2Fc%2Bd%26e%3Df%20g"],
    ["in a URL, in lower case", encodeURIComponent(SECRET).replace(/%../g, (code) => code.toLowerCase())],
    ["in a form", new URLSearchParams({ x: SECRET }).toString().slice(2)],
    ["in JSON", JSON.stringify(SECRET).slice(1, -1)],
    ["in JSON of PHP", String.raw`k3y-\"Ab\/c+d&e=f g`],
    ["in JSON of Go", String.raw`k3y-\"Ab/c+d\u0026e=f g`],
    ["in JSON of .NET", String.raw`k3y-\u0022Ab/c\u002Bd\u0026e=f g`],
    ["in HTML", Bun.escapeHTML('k3y-"Ab/c+d&e=f g').replaceAll("&#x27;", "'")],
    ["in hexadecimal", Buffer.from(SECRET).toString("hex")],
  ])("%s", (_name, form) => {
    const said = whole(`<<${form}>>`, SECRET);
    expect(said).toBe(`<<${"*".repeat(form.length)}>>`);
  });

  test.each(["", "u", "us", "use", "user:", "user:p", "user:pa"])("in base64, behind %p", (before) => {
    for (const encoding of ["base64", "base64url"] as const) {
      const said = Buffer.from(`${before}${SECRET}tail`).toString(encoding);
      const kept = whole(said, SECRET);
      expect(kept).toHaveLength(said.length);
      // Read again, no three characters of it in a row are left.
      const read = Buffer.from(kept.replaceAll("*", "A"), encoding).toString("latin1");
      for (let at = 0; at + 3 <= SECRET.length; at++) expect(read).not.toContain(SECRET.slice(at, at + 3));
    }
  });

  test("what follows a scheme, and the password of a user", () => {
    const basic = `Basic ${Buffer.from("somebody:pass-w0rd").toString("base64")}`;
    expect(whole("token=tok-en-12345", "Bearer tok-en-12345")).toBe("token=************");
    expect(whole("Bearer tok-en-12345", "Bearer tok-en-12345")).toBe("*".repeat(19));
    expect(whole("you are somebody with pass-w0rd", basic)).toBe("you are somebody with *********");
    expect(whole(basic, basic)).toBe("*".repeat(basic.length));
  });

  test("there is a bounded number of them, none of them short", () => {
    const forms = formsOf(SECRET);
    expect(forms.length).toBeLessThan(30);
    for (const form of forms) expect(form.length).toBeGreaterThanOrEqual(SECRET.length - 1);
  });
});

describe("pieces", () => {
  const pieces = (
    held: Held,
    said: string,
    cuts: readonly number[],
    ...values: string[]
  ): readonly string[] => {
    const masker = new Masker(patternsOf(values), held);
    const edges = [0, ...cuts.map((cut) => cut % (said.length + 1)).toSorted((a, b) => a - b), said.length];
    const given = edges.slice(1).map((edge, index) => bytes(said.slice(edges[index], edge)));
    return [...given.map((piece) => text(masker.push(piece))), text(masker.end())];
  };

  test("however a text is cut, little of a value comes through, and all else does", () => {
    // Few letters, so that values overlap themselves and one another, and begin again and again.
    const letters = fc.constantFrom("a", "b");
    const value = fc.array(letters, { minLength: 8, maxLength: 12 }).map((all) => all.join(""));
    const said = fc
      .array(fc.oneof(value, fc.constantFrom("a", "b", "\n", "abab", "aaaaaaaaaaaaaaaa")), { maxLength: 20 })
      .map((all) => all.join(""));
    const cuts = fc.array(fc.nat(300), { maxLength: 30 });
    fc.assert(
      fc.property(value, value, said, cuts, (first, second, around, where) => {
        const all = `${around}${first}${around}${second}`;
        const expected = whole(all, first, second);
        // Where all text waits, nothing of a value comes, however it is cut.
        expect(pieces("text", all, where, first, second).join("")).toBe(expected);
        const outcome = pieces("beginnings", all, where, first, second).join("");
        expect(outcome).toHaveLength(all.length);
        for (const [index, letter] of [...expected].entries()) {
          const came = outcome[index];
          // What is not masked is the same. What is masked may begin with three letters that had gone already.
          if (letter !== "*") expect(came).toBe(letter);
          else if (came !== "*") expect(expected.slice(Math.max(0, index - 3), index + 4)).toContain("*");
        }
        for (const secret of [first, second]) expect(outcome).not.toContain(secret);
      }),
      { numRuns: 2000 },
    );
  });

  test("one byte at a time, no more than three of a value come through", () => {
    const said = `before ${SECRET} after`;
    const cuts = Array.from(said, (_, index) => index);
    const outcome = pieces("beginnings", said, cuts, SECRET).join("");
    expect(pieces("text", said, cuts, SECRET).join("")).toBe(`before ${"*".repeat(SECRET.length)} after`);
    expect(outcome).toBe(`before ${SECRET.slice(0, 3)}${"*".repeat(SECRET.length - 3)} after`);
  });

  test("what is no value is not held back", () => {
    const masker = new Masker(patternsOf([SECRET]), "beginnings");
    for (const said of ["data: 1\n\n", "k3", "y", "\n", `${SECRET.slice(0, 3)}`]) {
      expect(text(masker.push(bytes(said)))).toBe(said);
    }
  });

  test("how an answer is cut says nothing of the value: lines go, and text waits whatever it is", () => {
    const cutsOf = (said: string): readonly number[] => {
      const masker = new Masker(patternsOf([SECRET]));
      return [said, said].map((piece) => masker.push(bytes(piece)).length);
    };
    const other = SECRET.slice(0, 9).replaceAll(/./g, "z");
    expect(cutsOf(`line\n${SECRET.slice(0, 9)}`)).toEqual(cutsOf(`line\n${other}`));
    expect(cutsOf(`data: 1\n\n`)).toEqual([9, 9]);
  });

  test("what might be one waits, and comes when it is not", () => {
    const masker = new Masker(patternsOf([SECRET]), "beginnings");
    expect(text(masker.push(bytes(`x${SECRET.slice(0, 9)}`)))).toBe("x");
    expect(text(masker.push(bytes("!")))).toBe(`${SECRET.slice(0, 9)}!`);
    expect(text(masker.push(bytes(SECRET.slice(0, 9))))).toBe("");
    expect(text(masker.end())).toBe(SECRET.slice(0, 9));
    expect(text(masker.end())).toBe("");
  });

  test("a piece in which nothing is found is the same piece", () => {
    const piece = bytes("nothing of it here");
    expect(masked(piece, patternsOf([SECRET]))).toBe(piece);
    expect(text(piece)).toBe("nothing of it here");
  });

  test("a long value of one letter takes linear time", () => {
    const value = "a".repeat(16_384);
    const masker = new Masker(patternsOf([value]));
    const piece = bytes("a".repeat(16_383));
    let length = 0;
    for (let count = 0; count < 20; count++) length += masker.push(piece).length;
    length += masker.end().length;
    expect(length).toBe(20 * piece.length);
  });
});
