// Real programs in a real cage, with no word about proxies: what they reach, and what they are told. The host at the
// other end is a server of the test; names are looked up in a table.

import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { connect, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { CertificateAuthority } from "../../../src/cage/egress/authority.ts";
import { Egress } from "../../../src/cage/egress/egress.ts";
import { identityFor, readIdentityHost } from "../../../src/cage/identity.ts";
import { installLauncher } from "../../../src/cage/launcher.ts";
import { directoriesOf, launchPlan } from "../../../src/cage/plan.ts";
import { nullLog } from "../../../src/log.ts";
import { Cage } from "../../../src/model/cage.ts";
import { launch } from "../../../src/process/launch.ts";
import { hostRule, portOf } from "./stand-in.ts";

const PUBLIC = "93.184.215.14";
const NAME = "api.example.com";
const HELLO = "hello from the other end\n";
const programs = { curl: "/usr/bin/curl", python: "/usr/bin/python3", node: "/usr/bin/node" };

const directory = mkdtempSync(join(tmpdir(), "egress-cage-"));
// The server's user has to get to its own directory.
chmodSync(directory, 0o755);
const launcher = await installLauncher(join(directory, "launcher"));
const ca = join(directory, "ca.pem");
const hosts = await openHosts();
const first = await run(["/bin/true"]);
/** Why there is nothing to try. */
const obstacle = first.exitCode === 0 ? "" : ` (no cage can be made here: ${first.output.trim()})`;

afterAll(() => {
  for (const host of Object.values(hosts)) host.close();
  rmSync(directory, { recursive: true, force: true });
});

/** One for each scheme, with the same to say. */
async function openHosts(): Promise<{ readonly https: Server; readonly http: Server }> {
  const authority = new CertificateAuthority("test", [NAME]);
  const { privateKey, certificates } = authority.leaf(NAME);
  writeFileSync(ca, authority.caCertificatePem());
  const opened = {
    https: createHttpsServer(
      { key: privateKey, cert: certificates },
      (_, response) => void response.end(HELLO),
    ),
    http: createHttpServer((_, response) => void response.end(HELLO)),
  };
  for (const host of Object.values(opened)) {
    host.listen(0, "127.0.0.1");
    await once(host, "listening");
  }
  return opened;
}

interface Run {
  readonly exitCode: number;
  readonly output: string;
  readonly egress: Egress;
}

/** A program in a cage of its own, until it ends. */
async function run(
  argv: readonly [file: string, ...args: string[]],
  rules: readonly string[] = [],
): Promise<Run> {
  const egress = new Egress({
    server: "files",
    rules: rules.map(hostRule),
    learn: false,
    lookup: async () => [PUBLIC],
    dial: (_, port) =>
      connect({
        host: "127.0.0.1",
        port: portOf(port === 443 ? hosts.https : hosts.http),
        allowHalfOpen: true,
      }),
    onRefused: () => {},
    log: nullLog,
    now: Date.now,
  });
  const workDirectory = mkdtempSync(join(directory, "work-"));
  for (const path of directoriesOf(workDirectory)) mkdirSync(path, { recursive: true, mode: 0o700 });
  const [file, ...args] = argv;
  const plan = launchPlan({
    written: [],
    command: { file, args, env: {} },
    env: { CURL_CA_BUNDLE: ca, SSL_CERT_FILE: ca, NODE_EXTRA_CA_CERTS: ca },
    cwd: undefined,
    cage: v.parse(Cage, { read: [ca] }),
    workDirectory,
    launcher,
    host: {},
    level: "isolated",
    identity: identityFor(workDirectory, readIdentityHost()),
    runtime: [],
    egress: { kind: "listeners", listeners: egress.listeners() },
    trust: undefined,
    cgroups: [],
    rlimits: [],
    hostname: "files",
    can: { arch: process.arch === "arm64" ? "arm64" : "x64", mapOwners: false },
    terminal: false,
  });
  try {
    const { process: launched, started } = launch(plan, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const refused = started.then(
      ({ listeners }) => egress.adopt(listeners).then(() => ""),
      (error: unknown) => String(error),
    );
    const [stdout, stderr, exitCode, why] = await Promise.all([
      launched.stdout.text(),
      launched.stderr.text(),
      launched.exited,
      refused,
    ]);
    return { exitCode, output: stdout + stderr + why, egress };
  } finally {
    await egress.close();
  }
}

/** What a test says that is skipped; empty when it is not. */
function missingFor(file: string): string {
  return existsSync(file) ? obstacle : ` (there is no ${file})`;
}

const PYTHON =
  "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode(), end='')";
const NODE = "fetch(process.argv[1]).then(async (r) => process.stdout.write(await r.text()))";
const fetchers: readonly [name: keyof typeof programs, args: (url: string) => readonly string[]][] = [
  ["curl", (url) => ["-sS", "--max-time", "20", url]],
  ["python", (url) => ["-c", PYTHON, url]],
  [
    "node",
    (url) => ["-e", `${NODE}.catch((e) => { console.error(e.cause?.code ?? e); process.exit(7) })`, url],
  ],
];

describe.each(fetchers)("%s", (name, args) => {
  const file = programs[name];
  const get = (url: string, rules: readonly string[]): Promise<Run> => run([file, ...args(url)], rules);
  const missing = missingFor(file);
  const inCage = test.skipIf(missing !== "");

  inCage.each(["https", "http"])(
    `reaches an allowed host by %s and knows of nothing${missing}`,
    async (scheme) => {
      const rule = `${NAME}:${scheme === "https" ? 443 : 80}`;
      const { output, exitCode, egress } = await get(`${scheme}://${NAME}/`, [rule]);
      expect(output).toBe(HELLO);
      expect(exitCode).toBe(0);
      expect(egress.refused()).toEqual([]);
      expect(egress.traffic()).toMatchObject([{ rule, connections: 1 }]);
    },
  );

  inCage(`finds no other name${missing}`, async () => {
    const { exitCode, egress } = await get("https://evil.test/", [`${NAME}:443`]);
    expect(exitCode).not.toBe(0);
    expect(egress.refused()).toMatchObject([{ what: "evil.test", grant: "evil.test:443" }]);
  });

  inCage(`reaches no address, and is not kept waiting${missing}`, async () => {
    const { exitCode, egress } = await get("http://1.1.1.1/", [`${NAME}:443`]);
    expect(exitCode).not.toBe(0);
    expect(egress.refused()).toMatchObject([{ what: "1.1.1.1:80", grant: "1.1.1.1:80" }]);
  });
});

describe("curl", () => {
  const curl = (...args: string[]): Promise<Run> =>
    run([programs.curl, "-sS", "--max-time", "20", ...args], [`${NAME}:443`]);
  const missing = missingFor(programs.curl);
  const inCage = test.skipIf(missing !== "");

  inCage(`cannot ask for another name at the address of an allowed one${missing}`, async () => {
    const { exitCode, egress } = await curl(
      "-k",
      "--connect-to",
      `evil.test:443:${NAME}:443`,
      "https://evil.test/",
    );
    expect(exitCode).not.toBe(0);
    expect(egress.refused()).toMatchObject([
      { what: "evil.test:443", reason: `asked for evil.test inside a connection to ${NAME}` },
    ]);
  });

  inCage(`gets through the proxy what it gets without${missing}`, async () => {
    const proxy = ["-x", "http://127.0.0.1:3128"];
    expect((await curl(...proxy, `https://${NAME}/`)).output).toBe(HELLO);
    const { output, egress } = await curl(...proxy, "https://evil.test/");
    expect(output).toContain("403");
    expect(egress.refused()).toMatchObject([{ what: "evil.test:443" }]);
  });

  inCage(`reaches neither the host's loopback nor its IPv6${missing}`, async () => {
    const { exitCode, egress } = await curl("http://127.0.0.1/");
    expect(exitCode).not.toBe(0);
    expect(egress.refused()).toMatchObject([{ what: "127.0.0.1:80", reason: "no grant names this address" }]);
    const own = await curl(`http://127.0.0.1:${portOf(hosts.http)}/`);
    expect(own.exitCode).toBe(7);
    expect((await curl("http://[2606:4700::1111]/")).exitCode).toBe(7);
  });
});

test.skipIf(missingFor(programs.python) !== "")(
  `UDP goes nowhere${missingFor(programs.python)}`,
  async () => {
    const script = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.3)
for to in [("1.1.1.1", 53), ("1.1.1.1", 443), ("127.0.0.1", 5353)]:
    try:
        s.sendto(b"x", to)
        print(s.recvfrom(100))
    except OSError as error:
        print(type(error).__name__)
`;
    const { output } = await run([programs.python, "-c", script]);
    expect(output.trim().split("\n")).toEqual(
      Array(3).fill(expect.stringMatching(/^(TimeoutError|ConnectionRefusedError)$/)),
    );
  },
);
