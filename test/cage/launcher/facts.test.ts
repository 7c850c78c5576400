// What `launcher --facts` prints, against what the kernel says elsewhere and with what it is kept from doing.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { factsFor, users } from "./attempts.ts";

const KEYS = [
  "user-namespace",
  "mount-in-namespace",
  "proc-mount",
  "net-namespace",
  "cgroup-namespace",
  "idmap",
  "seccomp",
  "landlock",
];
const LAUNCHER = join(import.meta.dir, "../../../src/cage/launcher", `launcher-${process.arch}`);

test.each(users().map((user) => [user.name, user] as const))("as %s: a line for each thing", (_, user) => {
  const facts = factsFor(user);
  console.log(JSON.stringify(facts));
  expect(Object.keys(facts)).toEqual(KEYS);
  for (const [key, said] of Object.entries(facts)) {
    expect(said).toMatch(key === "landlock" ? /^(ok \d+|E[A-Z]+)$/ : /^(ok|E[A-Z]+|\d+)$/);
  }
  // Nobody but root can say whose files are whose.
  if (user.uid !== 0) expect(facts["idmap"]).not.toBe("ok");
});

const isRoot = process.getuid?.() === 0;
const mountable = isRoot && Bun.spawnSync(["unshare", "--mount", "--pid", "--fork", "true"]).exitCode === 0;

test.skipIf(!mountable)("where an ordinary user gets no namespaces (skipped unless root may mount)", () => {
  // Linux refuses them below a changed root.
  const script =
    "mount -t tmpfs none /mnt && mkdir /mnt/root && mount --rbind / /mnt/root && exec chroot /mnt/root " +
    'setpriv --reuid=65534 --regid=65534 --clear-groups "$0" --facts';
  const { stdout } = Bun.spawnSync(["unshare", "--mount", "sh", "-c", script, LAUNCHER]);
  const said = stdout.toString();
  for (const key of KEYS.slice(0, 4)) expect(said).toMatch(new RegExp(`^${key} EPERM$`, "m"));
  expect(said).toContain("seccomp ok\n");
});

test("leaves nothing behind", () => {
  const before = Bun.spawnSync(["cat", "/proc/mounts"]).stdout.toString();
  Bun.spawnSync([LAUNCHER, "--facts"]);
  expect(Bun.spawnSync(["cat", "/proc/mounts"]).stdout.toString()).toBe(before);
});
