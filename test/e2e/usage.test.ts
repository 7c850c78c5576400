// Wrong words on the command line: exit 2 and the nearest right spelling; and no appliance to speak to: exit 3.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { Crib } from "./appliance.ts";

setDefaultTimeout(60_000);

let crib: Crib;
beforeAll(async () => {
  crib = await Crib.create();
});
afterAll(async () => {
  await crib.nothingRuns();
  await crib.remove();
});

describe("usage", () => {
  const cases: readonly { words: readonly string[]; nearest: string }[] = [
    { words: ["lss"], nearest: "ls" },
    { words: ["tols"], nearest: "tools" },
    { words: ["add", "--nmae", "x", "npx", "y"], nearest: "--name" },
    { words: ["serve", "--lisen", "127.0.0.1:0"], nearest: "--listen" },
    { words: ["token", "craete", "x"], nearest: "create" },
    { words: ["ls", "--jsn"], nearest: "--json" },
    { words: ["show"], nearest: "server" },
    { words: ["rm", "a", "b"], nearest: "rm" },
    { words: ["serve", "--listen", "nonsense:port"], nearest: "127.0.0.1:7700" },
    { words: ["token", "create", "x", "--expires", "soon"], nearest: "90d" },
  ];
  for (const { words, nearest } of cases) {
    test(`${words.join(" ")} → ${nearest}`, async () => {
      const ran = await crib.run(words);
      expect(ran).toMatchObject({ code: 2, stdout: "" });
      expect(ran.stderr).toContain(nearest);
      expect(ran.stderr).not.toMatch(/^\s+at /m);
    });
  }

  test("nothing was made in the home by any of them", () => {
    expect(existsSync(crib.home)).toBe(false);
  });

  test("a setting that cannot be: exit 78, and where it stands", async () => {
    const ran = await crib.run(["serve"], {
      env: { TOOLCRIB_LISTEN: "127.0.0.1:0", TOOLCRIB_MAX_SESSIONS: "many" },
    });
    expect(ran.code).toBe(78);
    expect(ran.stderr).toContain("TOOLCRIB_MAX_SESSIONS");
  });

  test("help, of everything and of each verb, on stdout", async () => {
    const help = await crib.ok("help");
    for (const verb of [
      "serve",
      "add",
      "ls",
      "show",
      "rm",
      "logs",
      "tools",
      "call",
      "token",
      "doctor",
      "version",
    ]) {
      expect(help).toContain(verb);
    }
    expect(await crib.ok("add", "--help")).toContain("--yes");
    expect(await crib.ok("completion", "bash")).toContain("toolcrib");
  });
});

describe("without an appliance", () => {
  const verbs: readonly (readonly string[])[] = [
    ["ls"],
    ["tools"],
    ["call", "a__b"],
    ["token", "create", "x"],
    ["add", "--yes", "npx", "y"],
    ["logs", "x"],
  ];
  for (const words of verbs) {
    test(`${words.join(" ")}: exit 3 and how to start one`, async () => {
      const ran = await crib.run(words);
      expect(ran).toMatchObject({ code: 3, stdout: "" });
      expect(ran.stderr).toContain("toolcrib serve");
    });
  }

  test("doctor and version answer all the same", async () => {
    expect((await crib.run(["version"])).code).toBe(0);
    expect((await crib.run(["doctor"])).stdout).not.toBe("");
  });
});

describe("files", () => {
  test("a file that is not there", async () => {
    const ran = await crib.run(["add", "--yes", "./nothing.json"]);
    expect(ran.code).not.toBe(0);
    expect(ran.stderr).toContain("nothing.json");
  });

  test("an error in a JSON file: its line and column, and no server of it", async () => {
    const appliance = await crib.serve();
    await writeFile(
      crib.file("broken.json"),
      '{\n  "mcpServers": {\n    "good": { "command": "true" },\n    "a": { "command": "x" "args": [] }\n  }\n}\n',
    );

    const ran = await crib.run(["add", "--yes", "broken.json"]);

    expect([1, 2]).toContain(ran.code);
    expect(ran.stderr).toContain("broken.json");
    expect(ran.stderr).toMatch(/line 4\b.*column 27\b|:4:27\b/);
    expect(await crib.ok("ls", "--json")).not.toContain("good");
    await appliance.stop();
  });
});
