// What a cage shows of files beside its own: grants, whoever owns what is granted; and what a server leaves in its work
// directory for the next start to fall for.

import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { because, lacking, obstacleTo, uidOf } from "./attack-host.ts";
import { axisOf } from "./attack-report.ts";
import { AttackScene } from "./attack-scene.ts";
import { LEVELS, USERS } from "./attack-table.ts";
import { serverOf } from "./views.ts";

setDefaultTimeout(60_000);

const MISSING = lacking(LEVELS, []);
if (MISSING !== "") console.log(MISSING);

/** Somebody of the host who is neither root nor the appliance's user. */
const OWNER = 61_000;
const SET_ID = 0o6000;

let scene: AttackScene;
afterEach(() => scene.close());

/** A directory of root's, closed to everybody else. */
function rootsOwn(): string {
  const directory = scene.directory(scene.path("roots"), 0o700, 0);
  scene.file(join(directory, "secret"), "of root", 0o600, 0);
  scene.file(join(directory, "other"), "of root as well", 0o600, 0);
  return directory;
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o7777;
}

/** It starts again, and has a directory for temporary files that is its own. */
async function startsAgain(): Promise<void> {
  const { code, stderr } = await scene.crib.run(["restart", "attacker"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(await scene.attempt("attacker", "make-in {mine}")).toBe("ok");
  expect(await scene.attempt("attacker", "make-in {mine}/tmp")).toBe("ok");
}

describe("grants, as root", () => {
  const obstacle = obstacleTo("isolated", "root");

  test.skipIf(obstacle !== undefined)(`of what only root may read${because(obstacle)}`, async () => {
    scene = await AttackScene.open();
    const secrets = rootsOwn();
    await scene.add("without");
    await scene.add("with", "--read", secrets);

    expect(await scene.attempt("without", `cat ${secrets}/secret`)).toBe("ENOENT");
    expect(await scene.attempt("with", `cat ${secrets}/secret`)).toBe("ok of root");
    expect(await scene.attempt("with", `write ${secrets}/secret`)).toBe("EROFS");
    expect(await scene.attempt("with", `make ${secrets}/new`)).toBe("EROFS");
    expect(await scene.attempt("with", `chmod ${secrets}/secret 644`)).toBe("EROFS");
    expect(modeOf(join(secrets, "secret"))).toBe(0o600);
  });

  test.skipIf(obstacle !== undefined)(
    `of one file, and by a link to another${because(obstacle)}`,
    async () => {
      scene = await AttackScene.open();
      const secrets = rootsOwn();
      const alias = scene.path("alias");
      symlinkSync(join(secrets, "other"), alias);
      await scene.add("with", "--read", join(secrets, "secret"), "--read", alias);

      expect(await scene.attempt("with", `names ${secrets}`)).toBe("ok secret");
      expect(await scene.attempt("with", `cat ${secrets}/secret`)).toBe("ok of root");
      expect(await scene.attempt("with", `cat ${alias}`)).toBe("ok of root as well");
      expect(await scene.attempt("with", `cat ${secrets}/other`)).toBe("ENOENT");
    },
  );

  test.skipIf(obstacle !== undefined)(`to write to somebody's directory${because(obstacle)}`, async () => {
    scene = await AttackScene.open();
    const theirs = scene.directory(scene.path("theirs"), 0o755, OWNER);
    await scene.add("writer", "--write", theirs);

    expect(await scene.attempt("writer", `make ${theirs}/new`)).toBe("ok");
    expect(await scene.attempt("writer", `mkdir ${theirs}/below`)).toBe("ok");
    // What it makes is theirs, and shows as its own.
    for (const name of ["new", "below"]) {
      const { uid, gid } = statSync(join(theirs, name));
      expect({ name, uid, gid }).toEqual({ name, uid: OWNER, gid: OWNER });
    }
    const [, shown = ""] = (await scene.attempt("writer", `owner ${theirs}/new`)).split(" ");
    expect(Number(shown)).toBeGreaterThan(OWNER);
    // A link in there leads to nothing that it does not see.
    expect(await scene.attempt("writer", `symlink {canary} ${theirs}/link`)).toBe("ok");
    expect(await scene.attempt("writer", `cat ${theirs}/link`)).toBe("ENOENT");
  });

  test.skipIf(obstacle !== undefined)(`that another server made a link of${because(obstacle)}`, async () => {
    scene = await AttackScene.open();
    const shared = scene.directory(scene.path("shared"), 0o755, OWNER);
    const below = scene.directory(join(shared, "below"), 0o755, OWNER);
    const secrets = rootsOwn();
    await scene.add("writer", "--write", shared);
    await scene.add("reader", "--read", below);
    expect(await scene.attempt("reader", `list ${below}`)).toBe("ok 0");

    expect(await scene.attempt("writer", `symlink ${secrets} ${below}`)).toBe("ok");
    const restarted = await scene.crib.run(["restart", "reader"]);

    expect(restarted.code).not.toBe(0);
    const { state, reason } = await serverOf(scene.crib, "reader");
    expect(state).toBe("blocked");
    expect(reason).toContain(below);
  });

  test.skipIf(obstacle !== undefined)(
    `leave no program that runs as its owner${because(obstacle)}`,
    async () => {
      scene = await AttackScene.open();
      const theirs = scene.directory(scene.path("theirs"), 0o755, OWNER);
      await scene.add("writer", "--write", theirs);

      expect(await scene.attempt("writer", `make ${theirs}/born 4755`)).toBe("EPERM");
      expect(await scene.attempt("writer", `make ${theirs}/new 755`)).toBe("ok");
      for (const mode of ["4755", "2755", "6777"]) {
        expect(await scene.attempt("writer", `chmod ${theirs}/new ${mode}`)).toBe("EPERM");
      }
      for (const name of readdirSync(theirs)) expect(modeOf(join(theirs, name)) & SET_ID).toBe(0);
    },
  );

  test.skipIf(obstacle !== undefined)(
    `without mapped owners say what does not work${because(obstacle)}`,
    async () => {
      scene = await AttackScene.open({ without: ["idmap"] });
      const secrets = rootsOwn();
      await scene.add("with", "--read", secrets);

      expect(await scene.attempt("with", `cat ${secrets}/secret`)).toBe("EACCES");
      expect(axisOf(await scene.cage("with"), "files").evidence).toContain(`cannot read ${secrets}: EACCES`);
    },
  );

  const unconfined = obstacleTo("confined", "root");
  test.skipIf(unconfined !== undefined)(`of a confined server, too${because(unconfined)}`, async () => {
    scene = await AttackScene.open({ without: ["namespaces"] });
    const secrets = rootsOwn();
    const open = scene.directory(scene.path("open"), 0o755, 0);
    scene.file(join(open, "file"), "for everybody", 0o644, 0);
    await scene.add("with", "--minimum", "confined", "--read", secrets, "--read", open);

    expect(await scene.attempt("with", `cat ${open}/file`)).toBe("ok for everybody");
    expect(await scene.attempt("with", `cat ${secrets}/secret`)).toBe("EACCES");
    expect(axisOf(await scene.cage("with"), "files").evidence).toContain(`cannot read ${secrets}: EACCES`);
  });
});

describe("grants, as an ordinary user", () => {
  const obstacle = obstacleTo("isolated", "user");
  // Root has to be there to own something.
  const unowned = obstacle ?? (process.getuid?.() === 0 ? undefined : "not root");

  test.skipIf(unowned !== undefined)(
    `are what that user may do, and no more${because(unowned)}`,
    async () => {
      scene = await AttackScene.open({ uid: uidOf("user") });
      const secrets = rootsOwn();
      const own = scene.directory(scene.path("own"));
      await scene.add("with", "--read", secrets, "--write", own);

      expect(await scene.attempt("with", `cat ${secrets}/secret`)).toBe("EACCES");
      expect(axisOf(await scene.cage("with"), "files").evidence).toContain(`cannot read ${secrets}: EACCES`);
      expect(await scene.attempt("with", `make ${own}/new`)).toBe("ok");
      expect(await scene.attempt("with", `chmod ${own}/new 4755`)).toBe("EPERM");
      expect(statSync(join(own, "new")).uid).toBe(scene.uid);
    },
  );
});

for (const user of USERS) {
  for (const level of ["isolated", "confined"] as const) {
    const obstacle = obstacleTo(level, user);
    describe.skipIf(obstacle !== undefined)(
      `what a server leaves behind, ${level} as ${user}${because(obstacle)}`,
      () => {
        let outside: string;

        beforeEach(async () => {
          scene = await AttackScene.open({
            uid: uidOf(user),
            without: level === "confined" ? ["namespaces"] : [],
          });
          outside = scene.directory(scene.path("outside"), 0o700);
          scene.file(join(outside, "private"), "private", 0o600);
          await scene.add("attacker", ...(level === "confined" ? ["--minimum", "confined"] : []));
        });

        /** Nobody wrote to it, gave it away or opened it. */
        function nothingHappenedOutside(): void {
          expect(readdirSync(outside)).toEqual(["private"]);
          const { uid } = statSync(outside);
          expect({ uid, mode: modeOf(outside) }).toEqual({ uid: scene.uid, mode: 0o700 });
          expect(modeOf(join(outside, "private"))).toBe(0o600);
        }

        test("links to a directory that it does not see", async () => {
          for (const name of ["tmp", ".cache", ".config"]) {
            expect(await scene.attempt("attacker", `symlink ${outside} {mine}/${name}`)).toBe("ok");
          }
          await startsAgain();
          expect(await scene.attempt("attacker", `open {mine}/.cache/private`)).toMatch(/^(ENOENT|EACCES)$/);
          nothingHappenedOutside();
        });

        test("links to what is not there, and to itself", async () => {
          await scene.attempt("attacker", `symlink ${outside}/new {mine}/.local`);
          for (const to of [`${outside}/new`, "tmp"]) {
            expect(await scene.attempt("attacker", `symlink ${to} {mine}/tmp`)).toBe("ok");
            await startsAgain();
            nothingHappenedOutside();
          }
        });

        test("a file where a directory should be", async () => {
          await scene.attempt("attacker", "remove {mine}/tmp");
          expect(await scene.attempt("attacker", "make {mine}/tmp")).toBe("ok");
          await startsAgain();
        });

        test("nothing where a directory should be", async () => {
          expect(await scene.attempt("attacker", "remove {mine}/tmp")).toBe("ok");
          await startsAgain();
        });
      },
    );
  }
}
