// The first five minutes on a host without node, npm or bun: real packages from the registry, the command line, the
// official clients, and a restart with the network gone. The tests run in order on one home.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { mkdir, writeFile } from "node:fs/promises";
import * as v from "valibot";
import { type Appliance, Crib } from "./appliance.ts";
import { OFFICIAL_CLIENTS } from "./clients.ts";
import { serverOf, serversOf, textOf, tokensOf, toolNamesOf } from "./views.ts";
import { until } from "./wait.ts";

setDefaultTimeout(120_000);

const LONG = "everything__trigger-long-running-operation";

let crib: Crib;
let appliance: Appliance;
let token: string;

beforeAll(async () => {
  crib = await Crib.create();
  await mkdir(crib.file("docs"));
  await writeFile(crib.file("docs/note.txt"), "kept in the crib");
  appliance = await crib.serve({ env: { SECRET_OF_THE_APPLIANCE: "42" } });
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
});

describe("adding and calling", () => {
  test("an npx line becomes an installed, pinned, running server named after its package", async () => {
    const added = await crib.run([
      "add",
      "--yes",
      "npx",
      "-y",
      "@modelcontextprotocol/server-everything@2026.8.31",
    ]);

    expect(added).toMatchObject({ code: 0 });
    const server = await serverOf(crib, "everything");
    expect(server).toMatchObject({
      state: "ready",
      enabled: true,
      kind: "stdio",
      package: { name: "@modelcontextprotocol/server-everything", version: "2026.8.31" },
    });
    expect(server.package?.integrity).toStartWith("sha512-");
    expect(server.toolNames).toContain("echo");
    // Nobody watches on a terminal: plain lines, no colour and no cursor movements.
    expect(added.stdout + added.stderr).not.toMatch(/[\u001b\r]/);
  });

  test("--name and --env; values of variables are not shown", async () => {
    const files = "@modelcontextprotocol/server-filesystem@2026.8.31";
    const memory = "@modelcontextprotocol/server-memory@2026.8.31";
    const docs = crib.file("docs");
    await crib.ok("add", "--yes", "--name", "files", "--write", docs, "npx", "-y", files, docs);
    const graph = ["--env", `MEMORY_FILE_PATH=${join(docs, "memory.jsonl")}`, "--write", docs];
    await crib.ok("add", "--yes", ...graph, "npx", memory);

    expect((await serversOf(crib)).map(({ name, state }) => `${name} ${state}`).toSorted()).toEqual([
      "everything ready",
      "files ready",
      "memory ready",
    ]);
    expect((await serverOf(crib, "memory")).env).toEqual(["MEMORY_FILE_PATH"]);
    expect(await crib.ok("show", "memory", "--json")).not.toContain("memory.jsonl");
    expect(await crib.ok("show", "memory")).not.toContain("memory.jsonl");
  });

  test("token create prints the token alone, and nothing keeps it", async () => {
    const printed = await crib.ok("token", "create", "demo");
    expect(printed).toMatch(/^tc_[A-Za-z0-9_-]{43,}\n$/);
    token = printed.trim();

    expect(await crib.ok("token", "ls")).not.toContain(token);
    expect(await tokensOf(crib)).toMatchObject([{ name: "demo", servers: "all", expired: false }]);
    const database = await crib.databaseFile();
    for (const path of [database, `${database}-wal`]) {
      const bytes = (await Bun.file(path).exists()) ? await Bun.file(path).bytes() : new Uint8Array();
      expect(Buffer.from(bytes).includes(token)).toBe(false);
    }
    expect(appliance.output).not.toContain(token);
  });

  test("tools and call", async () => {
    const names = await toolNamesOf(crib);
    expect(names).toEqual(names.filter((name) => /^(everything|files|memory)__/.test(name)));
    const table = await crib.ok("tools");
    for (const name of ["everything__echo", "files__read_text_file", "memory__read_graph"]) {
      expect(names).toContain(name);
      expect(table).toContain(name);
    }

    expect(await crib.run(["call", "everything__echo", '{"message":"hi"}'])).toEqual({
      code: 0,
      stdout: "Echo: hi\n",
      stderr: "",
    });
    expect(await crib.json("call", "everything__echo", '{"message":"hi"}')).toEqual({
      content: [{ type: "text", text: "Echo: hi" }],
    });
    const note = await crib.ok(
      "call",
      "files__read_text_file",
      JSON.stringify({ path: crib.file("docs/note.txt") }),
    );
    expect(note).toContain("kept in the crib");
    const entity = { name: "crib", entityType: "place", observations: ["locked"] };
    await crib.ok("call", "memory__create_entities", JSON.stringify({ entities: [entity] }));
    expect(await crib.ok("call", "memory__read_graph")).toContain("locked");
  });

  test("an error of the tool is exit 1 with its text", async () => {
    const failed = await crib.run(["call", "files__read_text_file", '{"path":"/etc/passwd"}']);
    expect(failed.code).toBe(1);
    expect(failed.stdout + failed.stderr).toContain("Access denied");
    expect(failed.stdout + failed.stderr).not.toContain("root:");
  });

  test("logs are the server's stderr; -f goes on until it is ended", async () => {
    expect(await crib.ok("logs", "everything")).toContain("Starting default (STDIO) server...");
    const follower = crib.start(["logs", "everything", "-f"]);
    await until("logs -f prints what is there", () => follower.output.includes("Starting default"));
    expect(follower.ended).toBe(false);
    // A restart is seen live.
    await crib.ok("restart", "everything");
    await until("logs -f prints what comes", () => follower.output.split("Starting default").length > 2);
    await follower.kill("SIGINT");
  });

  test("a server gets no variable of the appliance", async () => {
    const text = textOf(await crib.json("call", "everything__get-env"));
    const env = v.parse(v.record(v.string(), v.string()), JSON.parse(text));
    for (const name of ["SECRET_OF_THE_APPLIANCE", "TOOLCRIB_HOME", "BUN_OPTIONS"]) {
      expect(env).not.toHaveProperty(name);
    }
  });
});

for (const [label, connect] of Object.entries(OFFICIAL_CLIENTS)) {
  describe(label, () => {
    test("on the shared servers: names with their server's", async () => {
      const client = await connect(appliance.mcp(), token);
      const names = (await client.tools()).map(({ name }) => name);
      expect(names).toEqual(
        expect.arrayContaining(["everything__echo", "files__read_text_file", "memory__read_graph"]),
      );
      expect(names).not.toContain("echo");
      expect(textOf(await client.call("everything__echo", { message: "né 😀" }))).toBe("Echo: né 😀");
      expect(await client.promptNames()).toContain("everything__simple-prompt");
      expect(JSON.stringify(await client.prompt("everything__simple-prompt", {}))).toContain(
        "simple prompt without",
      );
      const [uri = ""] = await client.resourceUris();
      expect(JSON.stringify(await client.read(uri))).toContain(JSON.stringify(uri));
      await client.close();
    });

    test("on one server: names and lists as the server gave them", async () => {
      const client = await connect(appliance.mcp("everything"), token);
      const tools = await client.tools();
      expect(tools.find(({ name }) => name === "echo")?.title).toBe("Echo Tool");
      expect(tools.filter(({ name }) => name.includes("__"))).toEqual([]);
      expect(textOf(await client.call("echo", { message: "hi" }))).toBe("Echo: hi");

      expect(await client.promptNames()).toContain("args-prompt");
      expect(await client.prompt("args-prompt", { city: "Ghent" })).toMatchObject({
        messages: [{ role: "user", content: { type: "text", text: "What's weather in Ghent?" } }],
      });
      expect(await client.templates()).toContain("demo://resource/dynamic/text/{resourceId}");
      const dynamic = JSON.stringify(await client.read("demo://resource/dynamic/text/7"));
      expect(dynamic).toContain("Resource 7: This is a plaintext resource");
      await client.close();
    });

    test("progress arrives, in order, before the result", async () => {
      const client = await connect(appliance.mcp(), token);
      const seen: number[] = [];
      const onprogress = ({ progress }: { progress: number }) => void seen.push(progress);
      const result = await client.call(LONG, { duration: 0.3, steps: 3 }, { onprogress });
      expect(textOf(result)).toContain("Long running operation completed");
      expect(seen).toEqual([1, 2, 3]);
      await client.close();
    });

    test("a cancelled call ends here and at the server", async () => {
      const client = await connect(appliance.mcp(), token);
      const cancel = new AbortController();
      // 300 s of work: only the cancellation can end it within this test.
      const call = client.call(
        LONG,
        { duration: 300, steps: 3000 },
        { onprogress: () => cancel.abort(), signal: cancel.signal },
      );
      await expect(call).rejects.toThrow();
      await until(
        "nobody waits for the server",
        async () => (await serverOf(crib, "everything")).inFlight === 0,
      );
      expect(textOf(await client.call("everything__echo", { message: "still here" }))).toBe(
        "Echo: still here",
      );
      await client.close();
    });
  });
}

describe("after a restart without a registry", () => {
  test("what was known is listed at once, and nothing runs before it is needed", async () => {
    const known = await toolNamesOf(crib);
    expect(await appliance.stop("SIGTERM")).toBe(0);
    await crib.nothingRuns();

    appliance = await crib.serve({ env: unreachableRegistry() });

    expect(await toolNamesOf(crib)).toEqual(known);
    const client = await OFFICIAL_CLIENTS["sdk 1.x"]?.(appliance.mcp(), token);
    expect((await client?.tools())?.map(({ name }) => name).toSorted()).toEqual([...known]);
    expect((await serversOf(crib)).map(({ name, state }) => `${name} ${state}`).toSorted()).toEqual([
      "everything stopped",
      "files stopped",
      "memory stopped",
    ]);
    await client?.close();
  });

  test("a call starts the server that it needs, and no other", async () => {
    expect(await crib.ok("call", "everything__echo", '{"message":"again"}')).toBe("Echo: again\n");
    expect((await serversOf(crib)).map(({ name, state }) => `${name} ${state}`).toSorted()).toEqual([
      "everything ready",
      "files stopped",
      "memory stopped",
    ]);
    // What a server wrote outside of its package is still there.
    expect(await crib.ok("call", "memory__read_graph")).toContain("locked");
  });
});

/** A registry that nobody serves: the discard port of this host. */
function unreachableRegistry(): Record<string, string> {
  const url = "http://127.0.0.1:9/";
  return { NPM_CONFIG_REGISTRY: url, npm_config_registry: url };
}
