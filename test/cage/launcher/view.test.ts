// The file system of an isolated server, mount by mount: what is made, what is bound how, whose files are whose, and
// what is refused before anything runs.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type LaunchPlan, type Mount, uncaged } from "../../../src/cage/launch-plan.ts";
import { launch } from "../../../src/process/launch.ts";
import { attempt, factsFor, isolationObstacle, type Outcome, users } from "./attempts.ts";
import { bind, isolatedPlan, OWN_ID } from "./plans.ts";
import { openScene, type Scene } from "./scene.ts";

const [user = { name: "", uid: 0 }] = users();
const obstacle = isolationObstacle(user);
if (obstacle !== undefined) console.log(`not tried: ${obstacle}`);
const isRoot = user.uid === 0;

let scene: Scene;
beforeAll(async () => {
  scene = await openScene(user);
});
afterAll(() => scene.close());

async function one(plan: LaunchPlan, wrapper: readonly string[] = []): Promise<Outcome> {
  const [outcome] = await attempt(user, [plan], wrapper);
  if (outcome === undefined) throw new Error("no outcome");
  return outcome;
}

/** Runs plans where the kernel says that it does not know the calls that came with Linux 5.2, 5.9 and 5.12. */
async function onOldKernel(plans: readonly LaunchPlan[]): Promise<readonly Outcome[]> {
  const unknown = [428 /* open_tree */, 429 /* move_mount */, 436 /* close_range */, 442 /* mount_setattr */];
  const code = unknown.flatMap((call, index) => [
    [0x15, unknown.length - index, 0, call], // equal: to the last but one instruction
  ]);
  const program = [
    [0x20, 0, 0, 0],
    ...code,
    [0x06, 0, 0, 0x7fff_0000],
    [0x06, 0, 0, 0x0005_0026 /* ENOSYS */],
  ];
  const seccomp = Buffer.alloc(8 * program.length);
  for (const [index, [operation = 0, yes = 0, no = 0, value = 0]] of program.entries()) {
    seccomp.writeUInt16LE(operation, 8 * index);
    seccomp.writeUInt8(yes, 8 * index + 2);
    seccomp.writeUInt8(no, 8 * index + 3);
    seccomp.writeUInt32LE(value, 8 * index + 4);
  }
  const argv = [process.execPath, join(import.meta.dir, "attempts.ts")];
  const plan = {
    ...uncaged({ launcher: scene.launcher, argv, env: { HOME: "/nonexistent" }, cwd: "/" }),
    seccomp,
  };
  const { process: runner } = launch(plan, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  runner.stdin.write(JSON.stringify(plans));
  await runner.stdin.end();
  const outcomes: readonly Outcome[] = await runner.stdout.json();
  await runner.exited;
  return outcomes;
}

function withMounts(script: string, ...mounts: readonly Mount[]): LaunchPlan {
  const plan = isolatedPlan(scene, user.uid, ["/bin/sh", "-c", script]);
  return { ...plan, mounts: [...plan.mounts, ...mounts] };
}

describe.skipIf(obstacle !== undefined)("a view (skipped where nothing can be isolated)", () => {
  describe("is made of", () => {
    const table: readonly (readonly [string, readonly Mount[], string, string])[] = [
      [
        "a directory and its parents",
        [{ kind: "directory", target: "/a/b/c" }],
        "ls -d /a/b/c && stat -c %a /a",
        "/a/b/c\n755\n",
      ],
      [
        "a file with any content",
        [{ kind: "file", target: "/a/file", content: "ü\n" }],
        "cat /a/file && stat -c %a /a/file",
        "ü\n444\n",
      ],
      ["an empty file", [{ kind: "file", target: "/a/file", content: "" }], "wc -c < /a/file", "0\n"],
      [
        "a link that leads nowhere",
        [{ kind: "symlink", target: "/a/link", to: "../../x y" }],
        "readlink /a/link",
        "../../x y\n",
      ],
      [
        "a tmpfs of a size and a mode",
        [{ kind: "tmpfs", target: "/t", bytes: 40_960, mode: 0o700 }],
        "stat -c %a /t && df -k --output=size /t | tail -1 | tr -d ' '",
        "700\n40\n",
      ],
      [
        "mounts within mounts",
        [
          { kind: "tmpfs", target: "/t", bytes: 40_960, mode: 0o755 },
          { kind: "directory", target: "/t/d" },
          { kind: "file", target: "/t/d/f", content: "deep" },
        ],
        "cat /t/d/f",
        "deep",
      ],
    ];
    test.each(table)("%s", async (_, mounts, script, out) => {
      expect(await one(withMounts(script, ...mounts))).toEqual({ code: 0, out, err: "", notes: [] });
    });
  });

  test("binds a file as a file, at another place, read-only", async () => {
    const mount: Mount = { ...bind(join(scene.readable, "file")), target: "/etc/granted" } as Mount;
    const { code, out, err } = await one(withMounts("cat /etc/granted; echo x > /etc/granted", mount));
    expect({ code, out }).toEqual({ code: 2, out: "granted\n" });
    expect(err).toContain("Read-only file system");
  });

  test("a bind within a bind that has the place for it", async () => {
    const below = join(scene.readable, "below");
    const mounts = [
      bind(scene.readable),
      { kind: "bind", source: scene.work, target: below, write: true, mapOwner: false } as const,
    ];
    expect((await one(withMounts(`ls -d ${below} && grep -c ${below} /proc/mounts`, ...mounts))).out).toBe(
      `${below}\n1\n`,
    );
  });

  describe("is refused, and nothing runs:", () => {
    beforeEach(() => {
      symlinkSync("/etc", join(scene.root, "to-etc"));
      symlinkSync(scene.secret, join(scene.readable, "to-secret"));
    });
    const clean = (): void => {
      rmSync(join(scene.root, "to-etc"), { force: true });
      rmSync(join(scene.readable, "to-secret"), { force: true });
    };
    const table: readonly (readonly [string, (root: string) => readonly Mount[], RegExp])[] = [
      [
        "a source that is not there",
        (root) => [bind(`${root}/none`)],
        /cannot open .*\/none: No such file or directory/,
      ],
      [
        "a source that is a link",
        (root) => [bind(`${root}/readable/to-secret`)],
        /cannot open .*to-secret: A part of it is a link/,
      ],
      [
        "a source behind a link",
        (root) => [bind(`${root}/to-etc/passwd`)],
        /cannot open .*to-etc\/passwd: A part of it is a link/,
      ],
      [
        "a target behind a link of the plan",
        (root) => [
          { kind: "bind", source: `${root}/readable`, target: "/way/x", write: false, mapOwner: false },
        ],
        /cannot make \/way\/x: A part of it is a link/,
      ],
      [
        "a target behind a link of the host",
        (root) => [bind(`${root}/readable`), { kind: "directory", target: `${root}/readable/to-secret/x` }],
        /cannot make .*: A part of it is a link/,
      ],
      [
        "a place that has to be made on the host",
        (root) => [
          bind(`${root}/readable`, { write: true }),
          { kind: "directory", target: `${root}/readable/new` },
        ],
        /cannot make .*\/readable\/new: Read-only file system/,
      ],
      [
        "a file that has to be made on the host",
        (root) => [
          bind(`${root}/work`, { write: true }),
          { kind: "file", target: `${root}/work/new`, content: "" },
        ],
        /cannot make .*\/work\/new: Read-only file system/,
      ],
      [
        "a directory onto a file",
        (root) => [
          { kind: "file", target: "/f", content: "" },
          { kind: "bind", source: `${root}/readable`, target: "/f", write: false, mapOwner: false },
        ],
        /cannot bind \/f: one of the two is a directory/,
      ],
      [
        "a file twice",
        () => [
          { kind: "file", target: "/f", content: "" },
          { kind: "file", target: "/f", content: "" },
        ],
        /cannot make \/f: File exists/,
      ],
      [
        "a name that is too long",
        () => [{ kind: "directory", target: `/${"x".repeat(256)}` }],
        /cannot make .*: File name too long/,
      ],
    ];
    test.each(table)("%s", async (_, mounts, why) => {
      const link: Mount = { kind: "symlink", target: "/way", to: "/tmp" };
      const outcome = await one(withMounts("echo it ran", link, ...mounts(scene.root)));
      clean();
      expect(outcome).toMatchObject({ code: 125, out: "", refused: expect.stringMatching(why) });
      expect(outcome.err).toMatch(/^toolcrib-launcher: cannot .*\n$/);
      expect(existsSync(join(scene.readable, "new"))).toBe(false);
      expect(existsSync(join(scene.work, "new"))).toBe(false);
    });
  });

  test("a working directory that is not there is refused", async () => {
    const outcome = await one({ ...withMounts("echo it ran"), cwd: "/none" });
    expect(outcome).toMatchObject({
      code: 125,
      out: "",
      refused: expect.stringContaining("cannot enter /none: No such file"),
    });
  });

  // Mounting on the host takes root; it is done in a namespace of the test's own.
  const mountable = isRoot && Bun.spawnSync(["unshare", "--mount", "true"]).exitCode === 0;
  test.skipIf(!mountable)(
    "what is mounted below a bind is there, and read-only too (skipped unless root may mount)",
    async () => {
      const below = join(scene.readable, "below");
      const wrapper = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        `mount -t tmpfs none ${below} && echo deep > ${below}/f && exec "$@"`,
        "sh",
      ];
      const { out, err } = await one(
        withMounts(`cat ${below}/f; echo x > ${below}/f`, bind(scene.readable)),
        wrapper,
      );
      expect(out).toBe("deep\n");
      expect(err).toContain("Read-only file system");
      expect(readdirSync(below)).toEqual([]);
    },
  );

  test("on a kernel that lacks the younger mount calls: the same", async () => {
    const plan = withMounts(
      "cat $READABLE/file; echo x > $READABLE/file; echo y > y && cat y; echo x > /dev/null && grep -c nosuid /proc/mounts; " +
        "grep -v nodev /proc/mounts | grep -cvE '^[^ ]+ /dev[ /]'",
      bind(scene.readable),
    );
    const env = { ...plan.env, READABLE: scene.readable };
    // Without the calls, owners cannot be mapped either.
    const mounts = plan.mounts.map((mount) =>
      mount.kind === "bind" && mount.mapOwner ? { ...mount, mapOwner: false } : mount,
    );
    if (isRoot) Bun.spawnSync(["chown", String(OWN_ID), scene.work]);
    const [outcome] = await onOldKernel([{ ...plan, env, mounts }]);
    if (isRoot) Bun.spawnSync(["chown", "0", scene.work]);
    expect(outcome).toMatchObject({ out: expect.stringMatching(/^granted\ny\n\d\d\n0\n$/), notes: [] });
    expect(outcome?.err).toContain("Read-only file system");
  });

  describe("with owners mapped", () => {
    const canMap = isRoot && factsFor(user)["idmap"] === "ok";

    test.skipIf(!canMap)(
      "what the appliance owns is the server's, both ways (skipped where a mount cannot map owners)",
      async () => {
        writeFileSync(join(scene.work, "before"), "from the appliance\n", { mode: 0o600 });
        const plan = withMounts("cat before && stat -c %u:%g before && echo x > after && mkdir dir && id -u");
        expect(await one(plan)).toEqual({
          code: 0,
          out: `from the appliance\n${OWN_ID}:${OWN_ID}\n${OWN_ID}\n`,
          err: "",
          notes: [],
        });
        for (const name of ["after", "dir"]) {
          const { uid, gid } = lstatSync(join(scene.work, name));
          expect({ uid, gid }).toEqual({ uid: 0, gid: 0 });
        }
      },
    );

    test.skipIf(!canMap)(
      "and what others own is nobody's (skipped where a mount cannot map owners)",
      async () => {
        const theirs = join(scene.root, "theirs");
        mkdirSync(theirs);
        Bun.spawnSync([
          "sh",
          "-c",
          `echo x > ${theirs}/f && chmod 600 ${theirs}/f && chown 4711 ${theirs}/f`,
        ]);
        const plan = withMounts(
          `stat -c %u ${theirs}/f; cat ${theirs}/f`,
          bind(theirs, { write: true, mapOwner: true }),
        );
        const { out, err } = await one(plan);
        expect(out).toBe("65534\n");
        expect(err).toContain("Permission denied");
        expect(statSync(`${theirs}/f`).uid).toBe(4711);
      },
    );

    test.skipIf(!isRoot)("where it cannot be: a plain bind, and a note (skipped unless root)", async () => {
      // The files of /proc have no owners that could be mapped.
      const plan = withMounts("ls /host && id -u", {
        kind: "bind",
        source: "/proc/sys/kernel/random",
        target: "/host",
        write: false,
        mapOwner: true,
      });
      const { code, out, notes } = await one(plan);
      expect(code).toBe(0);
      expect(out).toContain("boot_id");
      expect(notes).toEqual([expect.stringMatching(/^the owner is not mapped in \/host: /)]);
    });
  });
});
