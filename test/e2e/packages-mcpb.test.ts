// MCP bundles: a file or an address, looked at and unpacked into the vault, asked about, run in a cage by what is in it.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { makeZip } from "../package/make-zip.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { serverNamesOf, serverOf } from "./views.ts";

setDefaultTimeout(120_000);

let crib: Crib;
let appliance: Appliance;
let bundle: Buffer;
let web: Bun.Server<undefined>;

/** The program of a bundle: `greet` answers with its arguments and a variable. */
async function makeBundle(more: object = {}): Promise<Buffer> {
  const program = await Bun.file(join(import.meta.dir, "servers/packaged.js")).text();
  const manifest = {
    manifest_version: "0.3",
    name: "greeter",
    version: "2.0.0",
    description: "Greets",
    author: { name: "Somebody" },
    server: {
      type: "node",
      entry_point: "server/index.mjs",
      mcp_config: {
        command: "node",
        args: ["${__dirname}/server/index.mjs", "--level=${user_config.level}"],
        env: { SECRET: "${user_config.secret}", PLACE: "${__dirname}" },
      },
    },
    user_config: {
      level: { type: "string", title: "Level", description: "How loudly", default: "low" },
      secret: { type: "string", title: "Secret", description: "", sensitive: true, required: true },
    },
    ...more,
  };
  return makeZip([
    { name: "manifest.json", content: JSON.stringify(manifest) },
    {
      name: "server/index.mjs",
      content: program.replace(
        '"hello from the package"',
        '`${process.argv[2]} ${process.env.SECRET} ${import.meta.url.startsWith("file://" + process.env.PLACE)}`',
      ),
    },
  ]);
}

beforeAll(async () => {
  crib = await Crib.create();
  bundle = await makeBundle();
  await Bun.write(crib.file("greeter.mcpb"), bundle);
  web = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(new Uint8Array(bundle)) });
  appliance = await crib.serve();
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await web.stop(true);
  await crib.remove();
});

const hash = (): string => new Bun.CryptoHasher("sha256").update(bundle).digest("hex");

test("it is shown with what it asks, and nothing is added without a word", async () => {
  const asked = await crib.run(["add", "greeter.mcpb"]);
  expect(asked.code).toBe(2);
  expect(asked.stderr).toContain("--answer secret=… is needed (Secret)");
  expect(asked.stderr).toContain("--answer level=… is low (Level: How loudly)");
  expect(asked.stderr).toContain("from: the bundle greeter@2.0.0, in the vault by its hash");
  expect(asked.stderr).toContain("needs secret");
  expect(await serverNamesOf(crib)).toEqual([]);
});

test("with answers it runs, from its own place, with what was answered", async () => {
  await crib.ok("add", "--yes", "--answer", "secret=hunter2", "--answer", "level=high", "greeter.mcpb");
  expect(await crib.ok("call", "greeter__greet")).toBe("--level=high hunter2 true\n");
  const server = await serverOf(crib, "greeter");
  expect(server.package).toMatchObject({
    name: "greeter",
    version: "2.0.0",
    integrity: `sha256-${Buffer.from(hash(), "hex").toString("base64")}`,
  });
  expect(JSON.stringify(server)).not.toContain("hunter2");
});

test("it outlives a restart of the appliance", async () => {
  await appliance.stop();
  appliance = await crib.serve();
  expect(await crib.ok("call", "greeter__greet")).toBe("--level=high hunter2 true\n");
});

test("the same from an address, whose hash has to be the one that was promised", async () => {
  const url = `http://127.0.0.1:${web.port}/greeter.mcpb`;
  const wrong = await crib.run(["add", "--yes", "--name", "wrong", "--sha256", "a".repeat(64), url]);
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain(hash());
  await crib.ok("add", "--yes", "--name", "web", "--answer", "secret=x", "--sha256", hash(), url);
  expect(await crib.ok("call", "web__greet")).toBe("--level=low x true\n");
  expect(await serverNamesOf(crib)).toEqual(["greeter", "web"]);
});

test("it can be carried to another host like any other package", async () => {
  const there = await Crib.create();
  const other = await there.serve();
  try {
    const archive = crib.file("carried.tgz");
    await crib.ok("bundle", "greeter", "-o", archive);
    await there.ok("bundle", "load", "--yes", "--env", "SECRET=new", archive);
    expect(await there.ok("call", "greeter__greet")).toBe("--level=high new true\n");
  } finally {
    await other.stop();
    await there.nothingRuns();
    await there.remove();
  }
});

test.each([
  [
    "a hostile path",
    makeZip([
      { name: "../evil", content: "x" },
      { name: "manifest.json", content: "{}" },
    ]),
    "not unpacked",
  ],
  ["a link", makeZip([{ name: "l", content: "/etc/passwd", mode: 0o120777 }]), "is a link or a device"],
  ["no manifest", makeZip([{ name: "x" }]), "no manifest.json"],
  ["no archive", Buffer.from("hello"), "no zip archive"],
])("%s adds nothing and leaves nothing", async (_, bytes, expected) => {
  const inVault = async (): Promise<readonly string[]> =>
    (await readdir(join(crib.home, "data/vault"), { recursive: true })).toSorted();
  const before = await inVault();
  await Bun.write(crib.file("bad.mcpb"), bytes);
  const added = await crib.run(["add", "--yes", "--name", "bad", "bad.mcpb"]);
  expect(added.code).not.toBe(0);
  expect(added.stderr).toContain(expected);
  expect(await inVault()).toEqual(before);
});
