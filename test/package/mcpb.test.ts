// An MCP bundle into the vault and out of it again as a running server; what does not get in; where its files may lie.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nullLog } from "../../src/log.ts";
import type { PinnedPackage, StdioSpec } from "../../src/model/server-spec.ts";
import type { LaunchCommand } from "../../src/package/launch-command.ts";
import { installMcpb, type InstalledMcpb, readBundledManifest } from "../../src/package/mcpb.ts";
import { resolveLaunch } from "../../src/package/resolve.ts";
import { download, withSpooled } from "../../src/package/spool.ts";
import { Vault } from "../../src/package/vault.ts";
import { makeZip, type ZipPart } from "./make-zip.ts";
import { failure } from "./npm-scene.ts";

const SIGNAL = new AbortController().signal;
const SERVER = "console.log(JSON.stringify([process.argv.slice(2), process.env.PLACE]))";

let home: string;
let vault: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "toolcrib-mcpb-"));
  vault = join(home, "vault");
});
afterEach(() => rm(home, { recursive: true, force: true }));

function manifest(more: object = {}): ZipPart {
  const server = { type: "node", entry_point: "server/index.js", mcp_config: { command: "node" } };
  const content = JSON.stringify({
    manifest_version: "0.3",
    name: "@acme/notes",
    version: "1.0.0",
    server,
    ...more,
  });
  return { name: "manifest.json", content };
}

const PARTS: readonly ZipPart[] = [
  manifest(),
  { name: "server/index.js", content: SERVER },
  { name: "bin/tool", content: "#!/bin/sh\necho native $1\n", mode: 0o100755 },
];

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function install(parts: readonly ZipPart[], sha256?: string): Promise<InstalledMcpb> {
  return withSpooled(vault, once(makeZip(parts)), SIGNAL, (bundle) =>
    installMcpb({ vaultDirectory: vault, bundle, sha256, signal: SIGNAL }),
  );
}

const hashOf = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

async function isEmpty(): Promise<boolean> {
  return (await readdir(vault)).length === 0;
}

describe("into the vault", () => {
  test("read-only, by the hash of its files, with a manifest that can be read again", async () => {
    const { pinned, manifest: read } = await install(PARTS, hashOf(makeZip(PARTS)));
    expect(pinned).toEqual({
      ecosystem: "mcpb",
      name: "@acme/notes",
      version: "1.0.0",
      integrity: expect.stringMatching(/^sha256-[A-Za-z0-9+/]{43}=$/),
      directory: expect.stringMatching(/^mcpb\/@acme\+notes@1\.0\.0-[0-9a-f]{12}$/),
      entry: "server/index.js",
      tree: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(read.server.entry_point).toBe("server/index.js");
    expect(await readBundledManifest(vault, pinned)).toEqual(read);
    expect((await stat(join(vault, pinned.directory, "manifest.json"))).mode & 0o777).toBe(0o444);
    expect((await stat(join(vault, pinned.directory, "bin/tool"))).mode & 0o777).toBe(0o555);
    expect(await new Vault({ directory: vault, log: nullLog, now: Date.now }).verify(pinned)).toBe("ok");
    expect(await readdir(vault)).toEqual(["mcpb"]);
  });

  test("twice is once, another content is another place", async () => {
    const first = await install(PARTS);
    expect(await install(PARTS)).toEqual(first);
    const other = await install([manifest(), { name: "server/index.js", content: "1" }]);
    expect(other.pinned.directory).not.toBe(first.pinned.directory);
  });

  test("a name that would be a path is none", async () => {
    const evil = manifest({ name: "../../../x", version: "1/../../.." });
    const { pinned } = await install([evil, { name: "server/index.js" }]);
    expect(pinned.directory).toMatch(/^mcpb\/\.\.\+\.\.\+\.\.\+x@1\+\.\.\+\.\.\+\.\.-[0-9a-f]{12}$/);
    expect(await readdir(vault)).toEqual(["mcpb"]);
  });

  const refused: readonly (readonly [string, readonly ZipPart[], string | undefined, RegExp])[] = [
    ["another hash", PARTS, "a".repeat(64), /not the one that was promised/],
    ["no manifest", PARTS.slice(1), undefined, /no MCP bundle: it has no manifest\.json/],
    [
      "a manifest that is none",
      [{ name: "manifest.json", content: "{}" }],
      undefined,
      /not one of an MCP bundle/,
    ],
    [
      "a large manifest",
      [{ name: "manifest.json", content: " ".repeat(2_000_000) }],
      undefined,
      /has 2000000 bytes/,
    ],
    ["no program", [manifest()], undefined, /names "server\/index\.js".*does not contain/],
    [
      "a directory as program",
      [manifest(), { name: "server/index.js/", mode: 0o040755 }],
      undefined,
      /does not contain/,
    ],
    [
      "a link",
      [...PARTS, { name: "l", content: "/etc/passwd", mode: 0o120777 }],
      undefined,
      /link or a device/,
    ],
    ["a path that climbs", [...PARTS, { name: "../x" }], undefined, /not unpacked/],
  ];
  test.each(refused)("%s is refused, with nothing left", async (_, parts, sha256, expected) => {
    const error = await failure(install(parts, sha256));
    expect(error.message).toMatch(expected);
    expect(await isEmpty()).toBe(true);
  });
});

const spec = (command: string, args: string[], env: Record<string, string> = {}): StdioSpec => ({
  kind: "stdio",
  command,
  args,
  env,
  cage: { read: [], write: [], network: [] },
  extra: {},
});

function launch(pinned: PinnedPackage, own: StdioSpec, path = ""): LaunchCommand {
  const workDirectory = join(home, "work");
  return resolveLaunch(own, pinned, { vaultDirectory: vault, self: process.execPath, path, workDirectory });
}

async function run({ file, args, env }: LaunchCommand): Promise<string> {
  const child = Bun.spawn([file, ...args], {
    env: { ...env },
    cwd: home,
    stdout: "pipe",
    stderr: "inherit",
  });
  return (await child.stdout.text()).trim();
}

describe("out of the vault", () => {
  test("Node is this executable; the place of the bundle is filled in, and moves with the vault", async () => {
    const { pinned } = await install(PARTS);
    const own = spec("node", ["${__dirname}/server/index.js", "--dir=${__dirname}${/}x", "$HOME"], {
      PLACE: "${__dirname}/data",
      KEY: "x",
    });
    const command = launch(pinned, own);
    expect(command.file).toBe(process.execPath);
    expect(command.env).toEqual({ PLACE: join(vault, pinned.directory, "data"), BUN_BE_BUN: "1" });
    expect(JSON.parse(await run(command))).toEqual([
      [`--dir=${join(vault, pinned.directory, "x")}`, "$HOME"],
      join(vault, pinned.directory, "data"),
    ]);
  });

  test.each(["server/index.js", "./server/index.js"])(
    "a relative %s counts from the bundle",
    async (script) => {
      const { pinned } = await install(PARTS);
      expect(JSON.parse(await run(launch(pinned, spec("node", [script, "a/b"]))))).toEqual([["a/b"], null]);
    },
  );

  test.each(["bin/tool", "${__dirname}/bin/tool", "./bin/tool"])(
    "a program of its own: %s",
    async (command) => {
      const { pinned } = await install(PARTS);
      expect(await run(launch(pinned, spec(command, ["x"])))).toBe("native x");
    },
  );

  test("Python is the host's", async () => {
    const { pinned } = await install([...PARTS, { name: "server/main.py", content: "print(1)" }]);
    const bin = join(home, "bin");
    await mkdir(bin);
    await writeFile(join(bin, "python3"), "#!/bin/sh\n");
    await chmod(join(bin, "python3"), 0o755);
    const command = launch(pinned, spec("python", ["server/main.py"]), bin);
    expect(command).toMatchObject({
      file: join(bin, "python3"),
      args: [join(vault, pinned.directory, "server/main.py")],
      env: { PYTHONDONTWRITEBYTECODE: "1" },
      reads: [home],
    });
  });

  test.each([
    ["a path that climbs", "../../../bin/sh", /no program at/],
    ["a program of the host", "/bin/sh", /no program at/],
    ["a file that is no program", "manifest.json/", /no program at/],
    ["a link out that somebody made", "bin/out", /no program at/],
    ["a runtime that is not there", "ruby", /runs with "ruby", which this host does not have/],
  ])("%s is not run", async (_, command, expected) => {
    const { pinned } = await install(PARTS);
    await symlink("/bin/sh", join(vault, pinned.directory, "bin/out"));
    expect(() => launch(pinned, spec(command, []))).toThrow(expected);
  });

  test("a bundle that is gone says so", async () => {
    const { pinned } = await install(PARTS);
    await rm(join(vault, pinned.directory), { recursive: true });
    expect(() => launch(pinned, spec("node", []))).toThrow("is not in the vault");
  });
});

describe("from an address", () => {
  let server: Bun.Server<undefined>;
  let answers: Map<string, () => Response>;
  beforeEach(() => {
    answers = new Map();
    server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) =>
        answers.get(new URL(request.url).pathname)?.() ?? new Response("no", { status: 404 }),
    });
  });
  afterEach(() => server.stop(true));

  const fetched = (address: string): Promise<string> =>
    withSpooled(vault, download(address, SIGNAL), SIGNAL, async ({ file, sha256 }) => {
      expect(sha256).toBe(hashOf(await Bun.file(file).bytes()));
      return Bun.file(file).text();
    });

  test("it is fetched, redirects included", async () => {
    answers.set("/a", () => Response.redirect(`http://127.0.0.1:${server.port}/b`));
    answers.set("/b", () => new Response("content"));
    expect(await fetched(`http://127.0.0.1:${server.port}/a`)).toBe("content");
    expect(await isEmpty()).toBe(true);
  });

  test.each([
    ["http://example.com/x.mcpb", "usage"],
    ["file:///etc/passwd", "usage"],
    ["https://joe:hunter2@example.com/", "usage"],
    ["nonsense", "usage"],
  ] as const)("%s is not asked", async (address, code) => {
    const error = await failure(fetched(address));
    expect(error.code).toBe(code);
    expect(error.message).not.toContain("hunter2");
  });

  test("a redirect leads nowhere that would not have been asked", async () => {
    answers.set("/a", () => Response.redirect("http://169.254.169.254/latest"));
    answers.set("/loop", () => Response.redirect(`http://127.0.0.1:${server.port}/loop`));
    const of = (path: string): Promise<unknown> => failure(fetched(`http://127.0.0.1:${server.port}${path}`));
    expect(await of("/a")).toMatchObject({ code: "usage" });
    expect(await of("/loop")).toMatchObject({ message: expect.stringContaining("without an end") });
    expect(await of("/none")).toMatchObject({ message: expect.stringContaining("answers HTTP 404") });
    await server.stop(true);
    expect(await of("/b")).toMatchObject({ message: expect.stringContaining("cannot be reached") });
    expect(await isEmpty()).toBe(true);
  });

  test("nothing is left of a transfer that is called off", async () => {
    const controller = new AbortController();
    answers.set("/slow", () => new Response(endless(() => controller.abort())));
    const slow = withSpooled(
      vault,
      download(`http://127.0.0.1:${server.port}/slow`, controller.signal),
      controller.signal,
      () => Promise.reject(new Error("it came")),
    );
    expect((await failure(slow)).code).toBe("interrupted");
    expect(existsSync(vault) && !(await isEmpty())).toBe(false);
  });
});

/** A body that never sends anything, and tells when somebody waits for it. */
function endless(onPull: () => void): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream<Uint8Array<ArrayBuffer>>({ pull: onPull });
}
