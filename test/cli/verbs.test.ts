// Each verb as a process of its own against the real API over a fake Admin.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD } from "../../src/build-info.ts";
import { fakeServer } from "../http/api/fake-admin.ts";
import { FakeAppliance, until } from "./fake-appliance.ts";

const fake = new FakeAppliance();
beforeAll(() => fake.start());
afterAll(() => fake.stop());
beforeEach(() => {
  fake.admin.all.clear();
  fake.admin.allTokens.clear();
  fake.admin.all.set("files", fakeServer("files"));
  fake.admin.all.set(
    "crashing",
    fakeServer("crashing", { state: "crash-loop", tools: 0, lastCrash: "boom\n" }),
  );
});

describe("what is printed, where, and the exit code", () => {
  const NOTHING = /^$/;
  // Words, exit code, stdout, stderr.
  const TABLE: readonly [readonly string[], number, RegExp | string, RegExp | string][] = [
    [["ls"], 0, /^NAME +STATE +CAGE +MEMORY +TOOLS +RUNS\nfiles +ready +2 +npx -y files\n/, NOTHING],
    [
      ["show", "crashing"],
      0,
      /^name +crashing\n[^]*toolcrib restart crashing[^]*crash:\n {2}boom\n$/,
      NOTHING,
    ],
    [["show", "fils"], 1, NOTHING, /^toolcrib: There is no server "fils"; did you mean "files"\?\n$/],
    [["rm", "files"], 0, "files: removed\n", NOTHING],
    [["rm", "absent"], 1, NOTHING, /no server "absent"/],
    [["disable", "files"], 0, "files: disabled\n", NOTHING],
    [["enable", "files"], 0, "files: stopped\n", NOTHING],
    [["restart", "files"], 0, "files: ready\n", NOTHING],
    [["restart", "crashing"], 1, NOTHING, /exits with code 1/],
    [["logs", "files"], 0, "line 1\nline 2\n", NOTHING],
    [["logs", "absent"], 1, NOTHING, /no server "absent"/],
    [["tools"], 0, /^NAME +DESCRIPTION\nfiles__read {2}Read a file\.\nfiles__list\n$/, NOTHING],
    [["tools", "--as", "nobody"], 1, NOTHING, /no token "nobody"/],
    [
      ["token", "create", "ci", "--server", "files"],
      0,
      "tc_fake-secret\n",
      /only time[^]*It may use files\./,
    ],
    [["token", "create", "bad name"], 1, NOTHING, /letters, digits/],
    [["token", "create", "ci", "--expires", "soon"], 2, NOTHING, /--expires wants a time/],
    [["token", "ls"], 0, NOTHING, /toolcrib token create NAME/],
    [["token", "revoke", "absent"], 1, NOTHING, /no token "absent"/],
    [["settings"], 0, /^SETTING +VALUE +SOURCE\nlisten +127\.0\.0\.1:7700 +default\n$/, NOTHING],
    [["doctor"], 0, /^WHAT +STATE +DETAIL\nkernel +ok +as the fake says\n$/, NOTHING],
    [["version"], 0, /^toolcrib \d+\.\d+\.\d+ \(/, NOTHING],
    [["--version"], 0, `${BUILD.version}\n`, NOTHING],
    [["setup-url"], 1, NOTHING, /web console is not in this version/],
    [["help"], 0, /^Usage: toolcrib <verb>/, NOTHING],
    [["completion", "zsh"], 0, /^#compdef toolcrib\n/, NOTHING],
    [["completion", "tcsh"], 2, NOTHING, /bash, zsh, fish/],
  ];
  test.each(TABLE)("%j → %d", async (words, code, out, err) => {
    const ended = await fake.run(words);
    if (typeof out === "string") expect(ended.out).toBe(out);
    else expect(ended.out).toMatch(out);
    expect(ended.err).toMatch(err);
    expect(ended.code).toBe(code);
  });
});

describe("wrong usage", () => {
  const TABLE: readonly [readonly string[], RegExp][] = [
    [["lss"], /unknown command 'lss': did you mean ls\?/],
    [["ls", "--jsno"], /unknown option '--jsno': did you mean --json\? \("toolcrib help ls" tells more\)/],
    [["ls", "--lisen", "x"], /unknown option '--lisen'/],
    [["ls", "extra"], /too many arguments/],
    [["show"], /missing required argument 'server'/],
    [["token", "creat", "x"], /did you mean create\?/],
    [["logs", "files", "--folow"], /did you mean --follow\?/],
    [["help", "logz"], /no verb "logz"; did you mean "logs"\?/],
    [["call", "echo", "{a:1}"], /stop being JSON at line 1, column 2/],
    [["call", "echo", "[1]"], /must be a JSON object/],
    [["add"], /missing required argument 'anything'/],
    [["add", "--nmae", "x", "npx", "y"], /did you mean --name\?/],
    [["add", "npx", "y"], /pass --yes/],
    [["add", "--yes", "bad-plan"], /cannot be understood/],
    [["repo", "apply", "x.json"], /"repo" is not in this version/],
    [["help", "why"], /"why" is not in this version/],
  ];
  test.each(TABLE)("%j", async (words, err) => {
    const ended = await fake.run(words);
    expect(ended.err).toStartWith(ended.err.includes("pass --yes") ? "npx" : "toolcrib: ");
    expect(ended.err).toMatch(err);
    expect(ended).toMatchObject({ code: 2, out: "" });
  });

  test("no verb at all: the help, on stderr", async () => {
    expect(await fake.run([])).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringContaining("Usage: toolcrib"),
    });
  });
});

describe("--json, before the verb or after it", () => {
  const TABLE: readonly [readonly string[], unknown][] = [
    [["ls", "--json"], { servers: [{ name: "files" }, { name: "crashing" }] }],
    [["--json", "show", "files"], { name: "files", state: "ready" }],
    [["rm", "files", "--json"], { removed: "files" }],
    [["disable", "--json", "files"], { name: "files", enabled: false }],
    [["logs", "--json", "files"], { server: "files", stderr: "line 1\nline 2\n" }],
    [["tools", "--json"], { tools: [{ name: "files__read" }, { name: "files__list" }] }],
    [["token", "create", "ci", "--json"], { name: "ci", token: "tc_fake-secret" }],
    [["token", "ls", "--json"], { tokens: [] }],
    [["settings", "--json"], { settings: [{ key: "listen" }] }],
    [["doctor", "--json"], { findings: [{ name: "kernel" }] }],
    [["version", "--json"], { ...BUILD }],
    [
      ["add", "--json", "--yes", "new"],
      { servers: [{ name: "new", outcome: "added", server: { tools: 2 } }], notes: [] },
    ],
    [
      ["add", "--yes", "--json", "broken"],
      { servers: [{ outcome: "failed", error: { code: "install-failed" } }] },
    ],
  ];
  test.each(TABLE)("%j", async (words, expected) => {
    const { out } = await fake.run(words);
    expect(JSON.parse(out)).toMatchObject(Object(expected));
  });
});

describe("add", () => {
  test("options come first, all behind the first other word belongs to the server", async () => {
    const words = ["npx", "--yes", "x", "--name", "theirs", "--json", "--", "-h", "--home", "/"];
    const ended = await fake.run(["add", "-y", "--name", "mine", "--env", "A=1", "--env", "B=2", ...words]);
    expect(ended).toMatchObject({ code: 0, out: "mine: ready, 2 tools\n" });
    expect(fake.admin.plans.at(-1)).toMatchObject({ words, name: "mine", env: { A: "1", B: "2" } });
    expect(fake.admin.adds.at(-1)).toMatchObject({ name: "mine", replace: false, spec: { command: "npx" } });
  });

  test("a separating -- is not the server's", async () => {
    await fake.run(["add", "--yes", "--", "npx", "-y", "x"]);
    expect(fake.admin.plans.at(-1)?.words).toEqual(["npx", "-y", "x"]);
  });

  test("talk is on stderr: what will run, and one plain line a stage", async () => {
    const { err } = await fake.run(["add", "--yes", "new"]);
    expect(err).toBe(
      "new\n  runs new\n  resolving    new\n  downloading  12 packages\n  ready        2 tools\n",
    );
  });

  test("relative paths are those of the caller", async () => {
    await fake.run(["add", "--yes", "--read", "docs", "new"], { cwd: "/usr" });
    expect(fake.admin.adds.at(-1)?.spec).toMatchObject({ cage: { read: ["/usr/docs"] } });
  });

  test("a name in use is a conflict, and --replace takes its place", async () => {
    const refused = await fake.run(["add", "--yes", "files"]);
    expect(refused).toMatchObject({ code: 5, out: "", err: expect.stringContaining("--replace") });
    expect(await fake.run(["add", "--yes", "--replace", "files"])).toMatchObject({ code: 0 });
  });

  test("what is saved and does not start fails and says how to go on", async () => {
    const ended = await fake.run(["add", "--yes", "late"]);
    expect(ended).toMatchObject({ code: 1, out: "" });
    expect(ended.err).toContain("did not answer within 60 s");
    expect(ended.err).toContain('"toolcrib logs late"');
  });

  test("a document: each server has its line, notes are said, and one failure is exit 1", async () => {
    const file = join(fake.home, "mcp.json");
    writeFileSync(file, "one\nbroken\nfiles\ntwo");
    const ended = await fake.run(["add", "--yes", "mcp.json"]);
    expect(ended).toMatchObject({ code: 1, out: "one: ready, 2 tools\ntwo: ready, 2 tools\n" });
    expect(ended.err).toContain("note: One entry was skipped.");
    expect(ended.err).toContain("toolcrib: broken: There is no such package.");
    expect(ended.err).toContain("toolcrib: files: There is a server files");
    expect(fake.admin.plans.at(-1)).toMatchObject({ document: { name: "mcp.json" } });
  });

  test("a document on stdin", async () => {
    expect(await fake.run(["add", "--yes", "-"], { stdin: "one\ntwo\n" })).toMatchObject({ code: 0 });
    expect(fake.admin.plans.at(-1)).toMatchObject({ document: { name: "stdin", text: "one\ntwo\n" } });
  });

  test("^C aborts it inside the appliance, and nothing is added", async () => {
    const before = fake.admin.abortedAdds;
    const child = fake.spawn(["add", "--yes", "hang"]);
    await until(() => fake.admin.adds.at(-1)?.name === "hang");
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    await until(() => fake.admin.abortedAdds === before + 1);
    expect(await new Response(child.stdout).text()).toBe("");
    expect(fake.admin.all.has("hang")).toBe(false);
  });
});

describe("call", () => {
  test("text alone is on stdout, the rest is described on stderr", async () => {
    const result = {
      content: [
        { type: "text", text: "one" },
        { type: "image", mimeType: "image/png", data: "AAAA" },
        { type: "resource_link", uri: "file:///a", name: "a" },
        { type: "resource", resource: { uri: "x:y", text: "embedded\n" } },
        { type: "resource", resource: { uri: "x:z", blob: "AAAAAA==", mimeType: "a/b" } },
        { type: "brand-new" },
        7,
        { type: "text", text: "two\n" },
      ],
    };
    const ended = await fake.run(["call", "raw", JSON.stringify(result)]);
    expect(ended).toMatchObject({ code: 0, out: "one\nembedded\ntwo\n" });
    expect(ended.err.split("\n")).toEqual([
      "[image image/png, 3 bytes: --json has it]",
      "[resource a: file:///a]",
      "[resource x:z a/b, 4 bytes: --json has it]",
      "[brand-new: --json has it]",
      "[something that is no content: --json has it]",
      "",
    ]);
  });

  test("--json is the result byte for byte", async () => {
    const raw = '{ "content":[],"big": 123456789012345678901234567890 , "e":1e2,"s":"\\u00e4"}';
    expect(await fake.run(["call", "--json", "raw", raw])).toEqual({ code: 0, out: raw, err: "" });
  });

  test("a result without content is printed whole", async () => {
    const raw = '{"structuredContent":{"n":12345678901234567890}}';
    expect(await fake.run(["call", "raw", raw])).toEqual({ code: 0, out: raw, err: "" });
  });

  test("a tool's error is exit 1, with its text", async () => {
    expect(await fake.run(["call", "fail"])).toEqual({ code: 1, out: "it broke\n", err: "" });
    expect(await fake.run(["call", "fail", "--json"])).toMatchObject({ code: 1 });
    const odd = '{"isError":true,"content":"none"}';
    expect(await fake.run(["call", "raw", odd])).toEqual({ code: 1, out: odd, err: "" });
  });

  test("arguments from stdin, and the caller", async () => {
    const ended = await fake.run(["call", "--as", "ci", "echo", "-"], { stdin: '{"a": 1}\n' });
    expect(ended.out).toBe('{"a": 1}\n');
    expect(fake.admin.calls.at(-1)).toMatchObject({ tool: "echo", as: "ci", arguments: '{"a": 1}\n' });
  });

  test("12 MB come through", async () => {
    expect((await fake.run(["call", "big"])).out.length).toBe(12_000_001);
  });

  test("^C aborts it inside the appliance", async () => {
    const before = fake.admin.abortedCalls;
    const child = fake.spawn(["call", "hang"]);
    await until(() => fake.admin.calls.at(-1)?.tool === "hang");
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    await until(() => fake.admin.abortedCalls === before + 1);
  });
});

describe("logs -f", () => {
  test("goes on until ^C, and leaves nobody behind", async () => {
    const child = fake.spawn(["logs", "-f", "files"]);
    const reader = child.stdout.getReader();
    const decoder = new TextDecoder();
    expect(decoder.decode((await reader.read()).value)).toBe("line 1\nline 2\n");
    fake.admin.followers.get("files")?.("line 3 \x1b[31mred\n");
    // Not a terminal: as the server wrote it.
    expect(decoder.decode((await reader.read()).value)).toBe("line 3 \x1b[31mred\n");
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    expect(await new Response(child.stderr).text()).toBe("");
    await until(() => fake.admin.followers.size === 0);
  });

  test("ends quietly when its reader has seen enough", async () => {
    const child = Bun.spawn(
      ["sh", "-c", '"$0" "$@" | head -n 1', process.execPath, ...mainWords(["logs", "-f", "files"])],
      {
        env: { PATH: process.env["PATH"] ?? "", TOOLCRIB_HOME: fake.home },
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    await until(() => fake.admin.followers.size === 1);
    const push = fake.admin.followers.get("files");
    await until(() => {
      push?.("more\n");
      return fake.admin.followers.size === 0;
    });
    expect(await child.exited).toBe(0);
    expect(await new Response(child.stdout).text()).toBe("line 1\n");
    expect(await new Response(child.stderr).text()).toBe("");
  });
});

test("a closed pipe is no error: tools | head", async () => {
  const description = "x".repeat(2000);
  const before = fake.admin.toolList;
  fake.admin.toolList = Array.from({ length: 2000 }, (_, index) => ({
    name: `t${index}`,
    server: "files",
    description,
  }));
  const status = join(fake.home, "status");
  const line = `("$0" "$@"; echo $? > ${status}) | head -n 2`;
  const child = Bun.spawn(["sh", "-c", line, process.execPath, ...mainWords(["tools"])], {
    env: { PATH: process.env["PATH"] ?? "", TOOLCRIB_HOME: fake.home },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  fake.admin.toolList = before;
  expect(out.split("\n")).toHaveLength(3);
  expect(err).toBe("");
  expect(await Bun.file(status).text()).toBe("0\n");
});

describe("without an appliance", () => {
  const nowhere = { env: { TOOLCRIB_HOME: "/nowhere/at/all" } };

  test.each([
    [["ls"]],
    [["tools"]],
    [["add", "--yes", "x"]],
    [["token", "create", "x"]],
    [["logs", "-f", "x"]],
  ])("%j exits 3 and says how to start it", async (words) => {
    const ended = await fake.run(words, nowhere);
    expect(ended).toMatchObject({ code: 3, out: "" });
    expect(ended.err).toContain('start it with "toolcrib serve --home /nowhere/at/all"');
  });

  test("--home wins over the environment, in front of the verb and behind it", async () => {
    for (const words of [
      ["--home", fake.home, "ls"],
      ["ls", "--home", fake.home],
    ]) {
      expect(await fake.run(words, nowhere)).toMatchObject({ code: 0 });
    }
  });

  test("doctor looks from here", async () => {
    const ended = await fake.run(["doctor"], nowhere);
    expect(ended).toMatchObject({
      code: 0,
      err: "No appliance was asked: this is what can be seen from here.\n",
    });
    expect(ended.out).toContain("cages");
  });

  test("settings are those that serve would have, with their options", async () => {
    const env = { ...nowhere.env, TOOLCRIB_LOG_LEVEL: "warn" };
    const ended = await fake.run(["settings", "--listen", "127.0.0.1:7"], { env });
    expect(ended.out).toMatch(/^listen +127\.0\.0\.1:7 +--listen$/m);
    expect(ended.out).toMatch(/^log_level +warn +TOOLCRIB_LOG_LEVEL$/m);
    expect(await fake.run(["settings", "--listen", "nonsense"])).toMatchObject({ code: 2, out: "" });
    const bad = await fake.run(["settings"], { env: { ...nowhere.env, TOOLCRIB_LISTEN: "nonsense" } });
    expect(bad).toMatchObject({ code: 78, out: "" });
  });

  test("a home that is too long for a socket is bad configuration", async () => {
    expect(await fake.run(["ls", "--home", `/${"x".repeat(120)}`])).toMatchObject({ code: 78 });
  });
});

function mainWords(words: readonly string[]): readonly string[] {
  return [join(import.meta.dir, "../../src/main.ts"), ...words];
}
