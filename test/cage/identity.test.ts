// As whom a server runs: without root always the same inside; with root a uid of its own that its directory remembers.

import { afterAll, describe, expect, test } from "bun:test";
import { lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identityFor, readIdentityHost } from "../../src/cage/identity.ts";

const root = mkdtempSync(join(tmpdir(), "tc-identity-"));
afterAll(() => rmSync(root, { recursive: true }));
const everything = "         0          0 4294967295\n";

function directory(name: string): string {
  const path = join(root, name);
  mkdirSync(path, { recursive: true });
  return path;
}

test("without root it is a plain user of a namespace, and nothing is changed", () => {
  const work = directory("plain/work/files");
  const before = lstatSync(work).ctimeMs;
  expect(identityFor(work, { uid: 1234, uidMap: everything })).toEqual({
    kind: "user-namespace",
    uid: 1000,
    gid: 1000,
  });
  expect(lstatSync(work).ctimeMs).toBe(before);
});

describe.skipIf(process.getuid?.() !== 0)("as root (skipped: only root gives files away)", () => {
  const host = readIdentityHost();

  test("each directory gets a uid of its own and keeps it", () => {
    const [a, b] = [directory("own/work/a"), directory("own/work/b")];
    const first = identityFor(a, host);
    const second = identityFor(b, host);
    expect(first).not.toEqual(second);
    expect(identityFor(a, host)).toEqual(first);
    expect(first).toMatchObject({ kind: "own-uid", uid: lstatSync(a).uid, gid: lstatSync(a).gid });
    rmSync(a, { recursive: true });
    expect(identityFor(directory("own/work/c"), host)).toEqual(first);
  });

  test("what is in it goes with it, and what its links lead to does not", () => {
    const work = directory("tree/work/files");
    const outside = directory("tree/outside");
    writeFileSync(join(outside, "file"), "");
    mkdirSync(join(work, "deep/er"), { recursive: true });
    writeFileSync(join(work, "deep/er/file"), "");
    symlinkSync(outside, join(work, "link"));
    symlinkSync(join(outside, "file"), join(work, "deep/link"));
    const identity = identityFor(work, host);
    const uid = identity.kind === "own-uid" ? identity.uid : -1;
    for (const name of ["", "deep", "deep/er", "deep/er/file", "link", "deep/link"]) {
      expect([name, lstatSync(join(work, name)).uid]).toEqual([name, uid]);
    }
    expect(lstatSync(outside).uid).toBe(0);
    expect(lstatSync(join(outside, "file")).uid).toBe(0);
  });

  test("a root without such uids has a user namespace instead, or gets those that it has", () => {
    const work = directory("map/work/files");
    expect(identityFor(work, { uid: 0, uidMap: "0 1000 1\n" })).toMatchObject({ kind: "user-namespace" });
    expect(lstatSync(work).uid).toBe(0);
    expect(identityFor(work, { uid: 0, uidMap: "0 100000 65536\n" })).toMatchObject({ uid: 61_184 });
  });
});
