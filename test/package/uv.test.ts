// A uv to install with: the host's where it will do, else the vault's, which is fetched once, checked against its
// hashes, and checked again before each use. The index is on a loopback port, and the wheel is a small one.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ErrorCode } from "../../src/errors.ts";
import { findUv, type UvRequest } from "../../src/package/uv.ts";
import { UV_VERSION, type UvWheel, uvWheel } from "../../src/package/uv-wheel.ts";
import { type FakeIndex, serveFiles } from "./fake-pypi.ts";
import { zip } from "./fake-wheel.ts";
import { failure } from "./npm-scene.ts";

/** Nobody listens there. */
const NOWHERE = "http://127.0.0.1:1/";
const PROGRAM = `#!/bin/sh\necho uv ${UV_VERSION}\n${"#".repeat(100_000)}\n`;
const NAME = `uv-${UV_VERSION}-py3-none-test.whl`;
const ARCHIVE = zip({ "uv/__init__.py": "", [`uv-${UV_VERSION}.data/scripts/uv`]: PROGRAM, "uv/x.py": "" });
const WHEEL: UvWheel = { name: NAME, sha256: sha256(ARCHIVE), program: sha256(PROGRAM) };

let home: string;
let index: FakeIndex;
let downloads: string[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "toolcrib-uv-"));
  downloads = [];
  index = serve(ARCHIVE);
});
afterEach(async () => {
  await index.stop();
  await rm(home, { recursive: true, force: true });
});

function sha256(content: string | Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(content).digest("hex");
}

function serve(body: Uint8Array<ArrayBuffer>, name = NAME): FakeIndex {
  const other = {
    name: "uv-0.0.1.tar.gz",
    body: new Uint8Array(),
    sha256: "",
    requiresPython: undefined,
    metadata: undefined,
  };
  return serveFiles(new Map([["uv", [other, { ...other, name, body }]]]));
}

function request(more: Partial<UvRequest> = {}): UvRequest {
  return {
    host: { PATH: join(home, "bin"), UV_DEFAULT_INDEX: index.url },
    registry: undefined,
    vaultDirectory: join(home, "vault"),
    signal: new AbortController().signal,
    onDownload: (what) => downloads.push(what),
    wheel: WHEEL,
    ...more,
  };
}

function inVault(): readonly string[] {
  const top = existsSync(join(home, "vault")) ? readdirSync(join(home, "vault")) : [];
  return top.flatMap((name) =>
    name === "tools" ? readdirSync(join(home, "vault", name)).map((tool) => `tools/${tool}`) : [name],
  );
}

function putProgram(name: string, text: string): void {
  mkdirSync(join(home, "bin"), { recursive: true });
  writeFileSync(join(home, "bin", name), text);
  chmodSync(join(home, "bin", name), 0o755);
}

const INDICES: readonly (readonly [string, (url: string) => Record<string, string>])[] = [
  ["UV_DEFAULT_INDEX", (url) => ({ UV_DEFAULT_INDEX: url, UV_INDEX_URL: NOWHERE, PIP_INDEX_URL: NOWHERE })],
  ["UV_DEFAULT_INDEX with a name", (url) => ({ UV_DEFAULT_INDEX: `internal=${url}` })],
  ["UV_INDEX_URL", (url) => ({ UV_INDEX_URL: url.replace(/\/$/, ""), PIP_INDEX_URL: NOWHERE })],
  ["PIP_INDEX_URL", (url) => ({ UV_DEFAULT_INDEX: "", PIP_INDEX_URL: url })],
];

async function refuse(
  more: Partial<UvRequest>,
  expected: RegExp,
  code: ErrorCode = "install-failed",
): Promise<void> {
  const error = await failure(findUv(request(more)));
  expect(error.code).toBe(code);
  expect(error.message).toMatch(expected);
  expect(error.message).not.toContain("sekret");
  expect(inVault()).toEqual([]);
}

describe("fetched", () => {
  test("once, read-only, at a place that is named after its hash", async () => {
    const uv = await findUv(request());
    expect(uv).toBe(join(home, `vault/tools/uv-${UV_VERSION}-${WHEEL.program.slice(0, 12)}/uv`));
    expect(readFileSync(uv, "utf8")).toBe(PROGRAM);
    expect(statSync(uv).mode & 0o777).toBe(0o555);
    expect(downloads).toEqual([`uv ${UV_VERSION}`]);
    const asked = index.asked.length;
    expect(await findUv(request())).toBe(uv);
    expect(index.asked.length).toBe(asked);
    expect(inVault().filter((name) => name.startsWith(".staging"))).toEqual([]);
  });

  test("twice at once", async () => {
    const [a, b] = await Promise.all([findUv(request()), findUv(request())]);
    expect(a).toBe(b);
    expect(readFileSync(a, "utf8")).toBe(PROGRAM);
  });

  test("again where what is there is not what it was", async () => {
    const uv = await findUv(request());
    chmodSync(uv, 0o755);
    writeFileSync(uv, "#!/bin/sh\necho changed\n");
    expect(await findUv(request())).toBe(uv);
    expect(readFileSync(uv, "utf8")).toBe(PROGRAM);
    expect(downloads).toHaveLength(2);
  });

  test("from an index that speaks HTML", async () => {
    index.html = true;
    expect(readFileSync(await findUv(request()), "utf8")).toBe(PROGRAM);
  });

  test.each(INDICES)("from the index of %s", async (_, host) => {
    expect(readFileSync(await findUv(request({ host: host(index.url) })), "utf8")).toBe(PROGRAM);
  });

  test("from a named index before that of the environment", async () => {
    const host = { UV_DEFAULT_INDEX: NOWHERE };
    expect(readFileSync(await findUv(request({ host, registry: index.url })), "utf8")).toBe(PROGRAM);
  });

  test("with user name and password for the index, and for nobody else", async () => {
    const other = serve(ARCHIVE);
    try {
      // The index sends for the file to somebody else.
      const elsewhere = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch(asked) {
          if (new URL(asked.url).pathname !== "/simple/uv/") return new Response("no", { status: 404 });
          expect(asked.headers.get("authorization")).toBe(`Basic ${btoa("joe:sek@ret")}`);
          return new Response(`<a href="${other.url}../files/${NAME}">${NAME}</a>`, {
            headers: { "content-type": "text/html" },
          });
        },
      });
      const registry = `http://joe:sek%40ret@127.0.0.1:${elsewhere.port}/simple`;
      expect(readFileSync(await findUv(request({ registry })), "utf8")).toBe(PROGRAM);
      expect(other.asked).toEqual([`/files/${NAME}`]);
      expect(other.authorized).toEqual([]);
      await elsewhere.stop(true);
    } finally {
      await other.stop();
    }
  });
});

describe("refused, with nothing left", () => {
  test("another archive under the same name", async () => {
    await index.stop();
    index = serve(zip({ [`uv-${UV_VERSION}.data/scripts/uv`]: "#!/bin/sh\necho evil\n" }));
    await refuse({}, /is not the file that is known under this name \(its hash differs\).*pip install uv/);
  });

  test("an archive with another program in it", async () => {
    await refuse({ wheel: { ...WHEEL, program: "0".repeat(64) } }, /its hash differs/);
  });

  test("an index without it", async () => {
    await index.stop();
    index = serve(ARCHIVE, "uv-0.0.1-py3-none-any.whl");
    await refuse({}, /does not have uv-.*\.whl: install uv on this host with "pip install uv"/);
  });

  test.each([
    [404, /answers HTTP 404/],
    [401, /answers HTTP 401/],
    [500, /answers HTTP 500/],
  ])("an index that answers %d", async (status, expected) => {
    index.failWith = status;
    await refuse({}, expected);
  });

  test("no index there, whose password is not told", async () => {
    await refuse(
      { host: { UV_DEFAULT_INDEX: "http://joe:sekret@127.0.0.1:1/simple" } },
      /127\.0\.0\.1:1 cannot be reached \(ECONNREFUSED\)/,
    );
  });

  test("an index that is none, or whose certificates cannot be read", async () => {
    await refuse(
      { host: { UV_DEFAULT_INDEX: "ftp://joe:sekret@x/" } },
      /is not an http:\/\/ or https:\/\/ address/,
      "bad-configuration",
    );
    await refuse(
      { host: { ...request().host, SSL_CERT_FILE: "/no/such.pem" } },
      /SSL_CERT_FILE names "\/no\/such\.pem"/,
      "bad-configuration",
    );
  });

  test("an index that redirects in circles", async () => {
    const circle = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: ({ url }) => Response.redirect(url) });
    await refuse({ registry: `http://127.0.0.1:${circle.port}/simple` }, /redirects without an end/);
    await circle.stop(true);
  });

  test("an interrupted download", async () => {
    const held = index.hold(".whl");
    const controller = new AbortController();
    const finding = refuse({ signal: controller.signal }, /interrupted/, "interrupted");
    await held;
    controller.abort();
    await finding;
  });

  test("a processor that no wheel is known for", () => {
    expect(uvWheel("s390x")).toBeUndefined();
    for (const arch of ["x64", "arm64"]) {
      expect(uvWheel(arch)).toEqual({
        name: expect.stringMatching(new RegExp(`^uv-${UV_VERSION}-py3-none-.*musllinux.*\\.whl$`)),
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        program: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
    }
  });
});

describe("the uv of the host", () => {
  test("is not taken where it is a script", async () => {
    putProgram("uv", "#!/bin/sh\necho uv 99.0.0\n");
    expect(await findUv(request())).toContain("/vault/tools/");
  });

  test("is not taken where it does not tell its version", async () => {
    mkdirSync(join(home, "bin"), { recursive: true });
    writeFileSync(join(home, "bin/uv"), readFileSync("/bin/cat"));
    chmodSync(join(home, "bin/uv"), 0o755);
    expect(await findUv(request())).toContain("/vault/tools/");
  });

  test("is not taken where it is not there any more", async () => {
    putProgram("other", "");
    rmSync(join(home, "bin/other"));
    expect(await findUv(request())).toContain("/vault/tools/");
  });

  test("is taken where it is new enough, and asks no index", async () => {
    const { realUv } = await import("./pypi-scene.ts");
    const real = await realUv();
    const folder = real.slice(0, real.lastIndexOf("/"));
    expect(await findUv(request({ host: { PATH: `${join(home, "bin")}:${folder}` } }))).toBe(real);
    expect(index.asked).toEqual([]);
    expect(inVault()).toEqual([]);
  });
});
