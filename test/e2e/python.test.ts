// Python servers through the ordinary index, on a PATH that has neither uv nor Python: installed once by a uv that the
// vault fetched and verified, started from the vault without a network.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { findInterpreters } from "../../src/package/python-interpreters.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { serverOf } from "./views.ts";

setDefaultTimeout(180_000);

const [python] = await findInterpreters({ PATH: "" }, undefined, []);
const NO_PYTHON = "needs Python 3.10 or newer in /usr/bin (apt install python3)";
/** Nobody listens there. */
const CLOSED = "http://127.0.0.1:1/simple/";

describe.skipIf(python === undefined)(`with a Python of the host (${NO_PYTHON})`, () => {
  let crib: Crib;
  let appliance: Appliance;

  beforeAll(async () => {
    crib = await Crib.create();
    appliance = await crib.serve();
  });
  afterAll(async () => {
    await appliance.stop();
    await crib.nothingRuns();
    await crib.remove();
  });

  test.each([
    ["time", ["uvx", "mcp-server-time", "--local-timezone", "UTC"]],
    ["fetch", ["mcp-server-fetch"]],
  ])("%s is installed, pinned and started", async (name, words) => {
    await crib.ok("add", "--yes", ...words);
    const server = await serverOf(crib, name);
    expect(server.package?.version).toMatch(/^\d+\.\d+/);
    expect(server.package?.integrity).toMatch(/^sha256-[A-Za-z0-9+/]{43}=$/);
    expect(server.state).toBe("ready");
  });

  test("a tool answers", async () => {
    const answer = await crib.ok("call", "time__get_current_time", '{"timezone":"UTC"}');
    expect(JSON.parse(answer)).toMatchObject({ timezone: "UTC" });
    expect(await crib.ok("tools")).toContain("fetch__fetch");
  });

  test("uv is of the vault, and Python is the host's", async () => {
    const vault = join(crib.home, "data", "vault");
    const found = (await crib.homeListing()).filter((path) => /vault\/tools\/uv-[^/]+\/uv$/.test(path));
    expect(found).toHaveLength(1);
    const [first] = (await readdir(join(vault, "pypi"))).filter((path) => !path.endsWith(".tree"));
    expect(await readlink(join(vault, "pypi", first ?? "", "bin/python"))).toBe(python?.path ?? "");
  });

  test("a start needs no index", async () => {
    await appliance.stop();
    appliance = await crib.serve({ env: { UV_DEFAULT_INDEX: CLOSED, HTTPS_PROXY: CLOSED } });
    const answer = await crib.ok("call", "time__get_current_time", '{"timezone":"UTC"}');
    expect(JSON.parse(answer)).toMatchObject({ timezone: "UTC" });
  });

  test("without an index, a sentence; nothing is left", async () => {
    const added = await crib.run(["add", "--yes", "uvx", "mcp-server-git"]);
    expect(added.code).toBe(1);
    expect(added.stderr).toMatch(/The Python index 127\.0\.0\.1:1 cannot be reached/);
    expect(await crib.ok("ls")).not.toContain("git");
    expect((await crib.homeListing()).filter((path) => path.includes(".staging-"))).toEqual([]);
  });

  test.each([
    ["uvx git+https://git.example.com/x.git", /only those can be pinned/],
    ["uv run server.py", /uv run --directory/],
  ])("%s is refused with what to do instead", async (line, expected) => {
    const added = await crib.run(["add", "--yes", ...line.split(" ")]);
    expect(added.code).toBe(2);
    expect(added.stderr).toMatch(expected);
  });
});
