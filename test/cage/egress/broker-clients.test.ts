// Programs that know nothing of a broker, with no more than the variables that a cage gives them: they trust it, send a
// placeholder, are served with the value, and never see it. Each is tried where the host has it.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { CertificateAuthority } from "../../../src/cage/egress/authority.ts";
import { TRUST_FILE, trustEnvironment } from "../../../src/cage/egress/broker-trust.ts";
import { type Lab, openLab, PLACEHOLDER, SECRET } from "./broker-lab.ts";

const DEADLINE_MS = 15_000;
const BODY = randomBytes(3 * 1024 * 1024);
const DIGEST = createHash("sha256").update(BODY).digest("hex");

interface Said {
  readonly headers: Readonly<Record<string, string>>;
  readonly digest: string;
}

/** Says what it got, and writes down the same. */
function openHost(seen: Said[]): { readonly port: number; readonly ca: string; close(): Promise<void> } {
  const authority = new CertificateAuthority("host", ["localhost"]);
  const { privateKey, certificates } = authority.leaf("localhost");
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { key: privateKey, cert: certificates },
    fetch: async (request) => {
      const digest = createHash("sha256")
        .update(new Uint8Array(await request.arrayBuffer()))
        .digest("hex");
      const said = { headers: Object.fromEntries(request.headers), digest };
      seen.push(said);
      return request.url.endsWith("/big") ? new Response(BODY) : Response.json(said);
    },
  });
  const { port } = server;
  if (port === undefined) throw new Error("the server has no port");
  return { port, ca: authority.caCertificatePem(), close: () => server.stop(true) };
}

/** Each prints what `/` answers to a POST of the file, then the SHA-256 of what `/big` answers. */
const CURL = `
curl -sS --fail-with-body -H "Authorization: Bearer $TOKEN" --data-binary @"$BODY" "$URL/"
echo
curl -sS --fail -u "me:$TOKEN" "$URL/big" | sha256sum | cut -d' ' -f1`;
const PYTHON = `
import hashlib, os, urllib.request
url, token = os.environ["URL"], os.environ["TOKEN"]
ask = lambda path, data=None: urllib.request.urlopen(urllib.request.Request(url + path, data=data, headers={"Authorization": "Bearer " + token})).read()
print(ask("/", open(os.environ["BODY"], "rb").read()).decode())
print(hashlib.sha256(ask("/big")).hexdigest())`;
const FETCH = `
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
const { URL: url, TOKEN, BODY } = process.env;
const headers = { authorization: "Bearer " + TOKEN };
console.log(await (await fetch(url + "/", { method: "POST", headers, body: readFileSync(BODY) })).text());
console.log(createHash("sha256").update(Buffer.from(await (await fetch(url + "/big", { headers })).arrayBuffer())).digest("hex"));`;
const HTTPS = `
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { Agent, request } from "node:https";
const { URL: url, TOKEN, BODY } = process.env;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const ask = (path, method, body) => new Promise((resolve, reject) => {
  const sent = request(url + path, { method, agent, headers: { authorization: "Bearer " + TOKEN } }, (answer) => {
    const chunks = [];
    answer.on("data", (chunk) => chunks.push(chunk)).on("end", () => resolve(Buffer.concat(chunks)));
  });
  sent.on("error", reject);
  if (body) body.pipe(sent); else sent.end();
});
console.log((await ask("/", "POST", createReadStream(BODY))).toString());
console.log(createHash("sha256").update(await ask("/big", "GET")).digest("hex"));
agent.destroy();`;

const CLIENTS: readonly (readonly [name: string, program: string, args: readonly string[]])[] = [
  ["curl", "curl", ["sh", "-c", CURL]],
  ["Python", "python3", ["python3", "-c", PYTHON]],
  ["fetch of Node", "node", ["node", "--input-type=module", "-e", FETCH]],
  ["node:https of Node", "node", ["node", "--input-type=module", "-e", HTTPS]],
  ["fetch of Bun", process.execPath, [process.execPath, "-e", FETCH]],
];

describe("a client", () => {
  const seen: Said[] = [];
  const host = openHost(seen);
  let lab: Lab;
  beforeAll(async () => {
    lab = await openLab(host);
    await Bun.write(`${lab.bundle}.body`, BODY);
  });
  afterAll(async () => {
    await lab.close();
    await host.close();
  });

  const run = async (args: readonly string[], env: Readonly<Record<string, string>>) => {
    const child = Bun.spawn([...args], {
      env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: DEADLINE_MS,
    });
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { out, err, exitCode: await child.exited };
  };
  const surroundings = () => ({
    URL: `https://localhost:${lab.port}`,
    TOKEN: PLACEHOLDER,
    BODY: `${lab.bundle}.body`,
  });

  for (const [name, program, args] of CLIENTS) {
    // Not every host has every one of them.
    const isThere = Bun.which(program) !== null;
    test.skipIf(!isThere)(`${name} is served`, async () => {
      seen.length = 0;
      const { out, err, exitCode } = await run(args, { ...surroundings(), ...trustEnvironment(lab.bundle) });
      expect(err).toBe("");
      expect(exitCode).toBe(0);
      const [first = "", second] = out.trim().split("\n");
      expect(second).toBe(DIGEST);
      expect(JSON.parse(first)).toMatchObject({
        digest: DIGEST,
        headers: { authorization: `Bearer ${"*".repeat(SECRET.length)}` },
      });
      expect(seen[0]?.headers["authorization"]).toBe(`Bearer ${SECRET}`);
      expect(seen).toHaveLength(2);
      expect(out).not.toContain(SECRET);
    });

    test.skipIf(!isThere)(`${name} of another cage does not trust it`, async () => {
      seen.length = 0;
      const other = new CertificateAuthority("lab", ["localhost"]);
      await Bun.write(`${lab.bundle}.other`, other.caCertificatePem());
      const { err } = await run(args, { ...surroundings(), ...trustEnvironment(`${lab.bundle}.other`) });
      expect(err).toMatch(/certificate|CERT|verif/i);
      expect(seen).toEqual([]);
    });
  }
});

test("a web socket of Bun is served, in clear and back", async () => {
  const seen: (string | null)[] = [];
  const authority = new CertificateAuthority("host", ["localhost"]);
  const { privateKey, certificates } = authority.leaf("localhost");
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { key: privateKey, cert: certificates },
    fetch: (request, own) => {
      seen.push(request.headers.get("authorization"), request.headers.get("sec-websocket-extensions"));
      return own.upgrade(request) ? undefined : new Response("no", { status: 400 });
    },
    websocket: {
      perMessageDeflate: true,
      message: (socket, said) => void socket.send(`${said} ${SECRET}`),
    },
  });
  const lab = await openLab({ port: server.port ?? 0, ca: authority.caCertificatePem() });
  try {
    const socket = new WebSocket(`wss://localhost:${lab.port}/`, {
      headers: { authorization: `Bearer ${PLACEHOLDER}` },
      tls: { ca: lab.broker.caCertificatePem() },
    });
    const heard: string[] = [];
    const closed = new Promise<void>((resolve) => socket.addEventListener("close", () => resolve()));
    socket.addEventListener("open", () => socket.send("one"));
    socket.addEventListener("message", ({ data }) => {
      heard.push(String(data));
      if (heard.length === 1) socket.send("two");
      else socket.close();
    });
    await closed;
    expect(heard).toEqual(["one", "two"].map((said) => `${said} ${"*".repeat(SECRET.length)}`));
    expect(seen).toEqual([`Bearer ${SECRET}`, null]);
  } finally {
    await lab.close();
    await server.stop(true);
  }
});

test("the variables name one file, which is where most programs look anyway", () => {
  expect(new Set(Object.values(trustEnvironment()))).toEqual(new Set([TRUST_FILE]));
  expect(Object.keys(trustEnvironment())).toContain("SSL_CERT_FILE");
});
