// install.sh without consequences: what a dry run prints, as a user and as root, what is said when something is missing,
// and wrong usage. None of it changes a file.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Clone } from "./clone.ts";

let clone: Clone;
let before: readonly string[];
beforeEach(async () => {
  clone = await Clone.create();
});
afterEach(() => clone.remove());

/** Without what is different on each host. */
function settled(text: string): string {
  return text.replaceAll(clone.home, "@HOME@").replaceAll(/(NODE_EXTRA_CA_CERTS)=\S+/g, "$1=@CERTIFICATES@");
}

async function asRoot(): Promise<void> {
  await clone.program("id", 'case "$*" in -u) echo 0 ;; -un) echo root ;; *) exit 1 ;; esac');
  for (const name of ["useradd", "setpriv"]) await clone.program(name, "echo --reuid");
}

describe("a dry run prints every step and changes nothing", () => {
  const cases = [
    ["a user", [], {}],
    ["a user, start", ["--start"], {}],
    ["root", [], {}],
    ["root, start", ["--start"], {}],
    ["root, start, elsewhere", ["--start", "--prefix=/opt/toolcrib"], {}],
    ["root with a home of its own", [], { TOOLCRIB_HOME: "/srv/crib" }],
  ] as const;
  for (const [name, args, env] of cases) {
    test(name, async () => {
      if (name.startsWith("root")) await asRoot();
      before = await clone.listing();
      const { code, stdout, stderr } = await clone.run(["--dry-run", ...args], env);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const golden = Bun.file(
        join(import.meta.dir, "../golden/install", `${name.replaceAll(/,? /g, "-")}.txt`),
      );
      expect(settled(stdout)).toBe(await golden.text());
      expect(await clone.listing()).toEqual(before);
      expect(await clone.calls()).toEqual([]);
    });
  }

  test("of what is installed and runs", async () => {
    await clone.run(["--start"]);
    const pid = await clone.pid();
    before = await clone.listing();
    const { code, stdout } = await clone.run(["--dry-run", "--purge"]);
    expect(code).toBe(0);
    const commands = stdout.split("\n").flatMap((line) => /^would: .*: (.*)$/.exec(line)?.[1] ?? []);
    expect(commands).toEqual([
      `stop_process ${pid}`,
      `rm -f ${clone.home}/.local/bin/toolcrib`,
      `rm -rf ${clone.home}/.local/share/toolcrib`,
    ]);
    expect(await clone.pid()).toBe(pid);
    expect(await clone.listing()).toEqual(before);
  });
});

describe("what is missing is said in one sentence, before anything is done", () => {
  const cases: readonly (readonly [string, (c: Clone) => Promise<void>, RegExp])[] = [
    ["another system", (c) => c.program("uname", "echo Darwin"), /runs on Linux, and this is Darwin/],
    [
      "another processor",
      (c) => c.program("uname", 'case "$1" in -s) echo Linux ;; -m) echo riscv64 ;; esac'),
      /no Bun for the processor riscv64/,
    ],
    ["no npm", (c) => c.without("npm"), /npm is missing.*apt-get install npm/],
    [
      "a full disk",
      (c) => c.program("df", "echo head; echo '/dev/x 9999999 1 40000 99% /'"),
      /There are 39 MB free for \. and 900 MB are needed/,
    ],
    ["no clone", (c) => c.removeFile("src/main.ts"), /clone the repository/],
    [
      "no way to add a user",
      (c) => c.program("id", 'case "$*" in -u) echo 0 ;; *) exit 1 ;; esac'),
      /neither useradd nor adduser/,
    ],
  ];
  for (const [name, spoil, sentence] of cases) {
    test(name, async () => {
      await spoil(clone);
      before = await clone.listing();
      const { code, stderr } = await clone.run(["--dry-run", "--start"]);
      expect(code).toBe(1);
      expect(stderr).toMatch(new RegExp(`^install\\.sh: [^\\n]*${sentence.source}[^\\n]*\\n$`));
      expect(await clone.listing()).toEqual(before);
    });
  }

  test("no HOME", async () => {
    const { code, stderr } = await clone.run(["--dry-run"], { HOME: undefined });
    expect(code).toBe(1);
    expect(stderr).toBe("install.sh: HOME is not set: set it to your home directory, then try again.\n");
  });
});

describe("usage", () => {
  const wrong = [
    ["--frob"],
    ["start"],
    ["--prefix"],
    ["--prefix=here"],
    ["--start", "--uninstall"],
    ["--purge", "--start"],
    [""],
  ];
  for (const args of wrong) {
    test(`"${args.join(" ")}" is wrong: exit 2, usage on stderr`, async () => {
      before = await clone.listing();
      const { code, stdout, stderr } = await clone.run(args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toContain("\nusage: ./install.sh [options]\n");
      expect(await clone.listing()).toEqual(before);
    });
  }

  test("--help is right: exit 0, usage on stdout", async () => {
    const { code, stdout, stderr } = await clone.run(["--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const option of ["--start", "--prefix", "--dry-run", "--uninstall", "--purge", "--help"]) {
      expect(stdout).toContain(`\n  ${option}`);
    }
  });
});
