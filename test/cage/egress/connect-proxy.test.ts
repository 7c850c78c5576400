// The CONNECT proxy, inside of a cage and on the host's loopback: what gets a tunnel, and what is told to what does not.

import { afterEach, describe, expect, jest, test } from "bun:test";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { hello } from "./hellos.ts";
import { ending, received, standIn, type StandIn, type StandInOptions, until } from "./stand-in.ts";

const open: StandIn[] = [];
const sockets: Socket[] = [];
async function cage(options: StandInOptions = {}): Promise<StandIn> {
  const one = await standIn({ rules: RULES, hosts: HOSTS, ...options });
  open.push(one);
  return one;
}
afterEach(async () => {
  jest.useRealTimers();
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(open.splice(0).map((one) => one.close()));
});

const PUBLIC = "93.184.215.14";
const RULES = [
  "api.example.com:443",
  "api.example.com:22",
  "*.example.org:22",
  "10.0.0.7:5432",
  "[2001:db8::7]:5432",
];
const HOSTS = { "api.example.com": [PUBLIC], "in.example.org": ["10.0.0.8"], "dead.example.org": [PUBLIC] };
const ESTABLISHED = "HTTP/1.1 200 Connection established\r\n\r\n";

const echo = (socket: Socket): void => void socket.pipe(socket);
/** Says one thing and reads all that comes. */
async function tell(one: StandIn, text: string): Promise<string> {
  const socket = await one.connect("127.0.0.1", 3128);
  socket.write(text);
  return (await ending(socket)).bytes.toString();
}

/** On the host's loopback; `text` gets the header that belongs to the cage. */
async function outside(one: StandIn, text: (authorization: string) => string): Promise<Socket> {
  const port = await one.egress.listenProxy();
  const { username, password } = new URL(one.egress.proxyUrl());
  const credentials = Buffer.from(`${username}:${password}`).toString("base64");
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.on("error", () => {});
  sockets.push(socket);
  await once(socket, "connect");
  socket.write(text(`Proxy-Authorization: Basic ${credentials}\r\n`));
  return socket;
}

describe("a tunnel", () => {
  const targets: readonly [target: string, address: string, port: number][] = [
    ["api.example.com:22", PUBLIC, 22],
    ["API.Example.com.:22", PUBLIC, 22],
    ["10.0.0.7:5432", "10.0.0.7", 5432],
    ["[2001:DB8:0::7]:5432", "2001:db8::7", 5432],
  ];
  test.each(targets)("to %s", async (target, address, port) => {
    const one = await cage();
    await one.serve(address, port, echo);
    const socket = await one.connect("127.0.0.1", 3128);
    socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nUser-Agent: x\r\n\r\n`);
    expect((await received(socket, ESTABLISHED.length)).toString()).toBe(ESTABLISHED);
    socket.write("\0hello");
    expect((await received(socket, 6)).toString()).toBe("\0hello");
    socket.end();
    expect((await ending(socket)).how).toBe("end");
    expect(one.dialled).toEqual([`${address}:${port}`]);
    expect(one.egress.refused()).toEqual([]);
  });

  test("takes what came behind the request, and is checked like any connection", async () => {
    const one = await cage();
    await one.serve(PUBLIC, 443, echo);
    const good = hello("api.example.com");
    const socket = await one.connect("127.0.0.1", 3128);
    socket.write(Buffer.concat([Buffer.from("CONNECT api.example.com:443 HTTP/1.0\r\n\r\n"), good]));
    const all = await received(socket, ESTABLISHED.length + good.length);
    expect(all.subarray(ESTABLISHED.length)).toEqual(good);

    const other = await one.connect("127.0.0.1", 3128);
    other.write("CONNECT api.example.com:443 HTTP/1.1\r\n\r\n");
    await received(other, ESTABLISHED.length);
    other.write(hello("evil.test"));
    expect((await ending(other)).how).toBe("reset");
    expect(one.egress.refused()).toMatchObject([
      { what: "evil.test:443", reason: "asked for evil.test inside a connection to api.example.com" },
    ]);
  });

  test("to a stand-in address is one to its name", async () => {
    const one = await cage();
    await one.serve(PUBLIC, 22, echo);
    const [address] = (await one.ask("api.example.com")).addresses;
    const socket = await one.connect("127.0.0.1", 3128);
    socket.write(`CONNECT ${address}:22 HTTP/1.1\r\n\r\n`);
    expect((await received(socket, ESTABLISHED.length)).toString()).toBe(ESTABLISHED);
    expect(one.lookedUp).toEqual(["api.example.com"]);
  });
});

describe("no tunnel", () => {
  const allow = (grant: string): string => ` \`toolcrib allow files ${grant}\` allows it.`;
  const cases: readonly [what: string, request: string, status: string, sentence: string][] = [
    [
      "to a name without a rule",
      "CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n",
      "403 Forbidden",
      `evil.test:443: no grant covers this name.${allow("evil.test:443")}`,
    ],
    [
      "to another port",
      "CONNECT api.example.com:80 HTTP/1.1\r\n\r\n",
      "403 Forbidden",
      `api.example.com:80: granted on port 443, 22 only.${allow("api.example.com:80")}`,
    ],
    [
      "to an address without a rule",
      "CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n",
      "403 Forbidden",
      `127.0.0.1:22: no grant names this address.${allow("127.0.0.1:22")}`,
    ],
    [
      "to a private network by a wildcard",
      "CONNECT in.example.org:22 HTTP/1.1\r\n\r\n",
      "403 Forbidden",
      "in.example.org:22: it leads to an address of a private network, and only a grant of in.example.org itself " +
        `opens it.${allow("in.example.org:22")}`,
    ],
    [
      "to the cloud's credentials",
      "CONNECT [::ffff:169.254.169.254]:80 HTTP/1.1\r\n\r\n",
      "403 Forbidden",
      "169.254.169.254:80: a cloud metadata address, which hands out credentials, and only a grant of that address " +
        "itself opens it.",
    ],
    [
      "to a host that does not answer",
      "CONNECT dead.example.org:22 HTTP/1.1\r\n\r\n",
      "502 Bad Gateway",
      "dead.example.org:22 could not be reached (ECONNREFUSED).",
    ],
    [
      "to a host that is not there",
      "CONNECT gone.example.org:22 HTTP/1.1\r\n\r\n",
      "502 Bad Gateway",
      "gone.example.org could not be looked up (ENOTFOUND).",
    ],
    [
      "for another method",
      "GET http://api.example.com/ HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
      "405 Method Not Allowed",
      "This proxy takes CONNECT only: ask it for a tunnel, also for plain HTTP.",
    ],
    ["for what is no HTTP", "SSH-2.0-x\r\n", "400 Bad Request", "That is no HTTP/1 request."],
    [
      "for a head that is too long",
      `CONNECT api.example.com:22 HTTP/1.1\r\nX: ${"x".repeat(8200)}\r\n\r\n`,
      "431 Request Header Fields Too Large",
      "The request has more than 8 KiB.",
    ],
  ];
  test.each(cases)("%s", async (_, request, status, sentence) => {
    const one = await cage();
    const answer = await tell(one, request);
    expect(answer).toStartWith(`HTTP/1.1 ${status}\r\n`);
    expect(answer).toEndWith(`\r\n\r\n${sentence}\n`);
    expect(answer).toContain(`Content-Length: ${Buffer.byteLength(sentence) + 1}\r\n`);
    expect(one.dialled.filter((to) => !to.startsWith(PUBLIC))).toEqual([]);
    const isRefusal = status.startsWith("403");
    expect(one.egress.refused()).toHaveLength(isRefusal ? 1 : 0);
  });

  const unclear = [
    "api.example.com",
    "api.example.com:",
    "api.example.com:0",
    "api.example.com:022",
    "api.example.com:65536",
    "api.example.com:22:22",
    "user@api.example.com:22",
    "*.example.org:22",
    "http://api.example.com:22",
    "api.example.com:22/",
    "127.1:22",
    "0x7f.1:22",
    "2130706433:22",
    "[::1%lo]:22",
    "::1:22",
    "api%2eexample.com:22",
    "/",
  ];
  test.each(unclear)("to the unclear %s", async (target) => {
    const one = await cage();
    const answer = await tell(one, `CONNECT ${target} HTTP/1.1\r\n\r\n`);
    expect(answer).toStartWith("HTTP/1.1 400 ");
    expect(answer).toEndWith("CONNECT needs one clear host:port.\n");
    expect(one.dialled).toEqual([]);
  });

  test("when the Host says something else", async () => {
    const one = await cage();
    for (const host of ["evil.test", "evil.test:22", "api.example.com@evil.test", ""]) {
      const answer = await tell(one, `CONNECT api.example.com:22 HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      expect(answer).toStartWith("HTTP/1.1 400 ");
    }
    expect(one.dialled).toEqual([]);
  });

  test("for who says nothing within ten seconds", async () => {
    const one = await cage();
    jest.useFakeTimers();
    const socket = await one.connect("127.0.0.1", 3128);
    socket.write("CONNECT api.exam");
    await until(() => jest.getTimerCount() > 0);
    const over = ending(socket);
    jest.advanceTimersByTime(10_000);
    expect((await over).bytes.toString()).toStartWith("HTTP/1.1 408 Request Timeout\r\n");
  });

  test("for who leaves early", async () => {
    const one = await cage();
    const socket = await one.connect("127.0.0.1", 3128);
    socket.end("CONNECT api.exam");
    expect((await ending(socket)).bytes).toHaveLength(0);
  });

  test("and who does not read is not waited for", async () => {
    const one = await cage();
    jest.useFakeTimers();
    const socket = await one.connect("127.0.0.1", 3128);
    socket.write("GET / HTTP/1.1\r\n\r\n");
    await received(socket);
    const closed = once(socket.resume(), "end");
    jest.advanceTimersByTime(2000);
    await closed;
    socket.end();
  });
});

describe("on the host's loopback", () => {
  test("the address has a token of its own", async () => {
    const [one, two] = [await cage({ adopt: false }), await cage({ adopt: false })];
    expect(one.egress.proxyUrl()).toBe("http://127.0.0.1:3128");
    const port = await one.egress.listenProxy();
    await two.egress.listenProxy();
    expect(one.egress.proxyUrl()).toMatch(
      new RegExp(`^http://cage:[A-Za-z0-9_-]{43}@127\\.0\\.0\\.1:${port}$`),
    );
    expect(new URL(one.egress.proxyUrl()).password).not.toBe(new URL(two.egress.proxyUrl()).password);
  });

  test("with it there is a tunnel", async () => {
    const one = await cage({ adopt: false });
    await one.serve(PUBLIC, 22, echo);
    const good = await outside(one, (header) => `CONNECT api.example.com:22 HTTP/1.1\r\n${header}\r\n`);
    expect((await received(good, ESTABLISHED.length)).toString()).toBe(ESTABLISHED);
  });

  const wrong: readonly string[] = [
    "",
    "Proxy-Authorization: Basic Y2FnZTp4\r\n",
    "Proxy-Authorization: Basic\r\n",
    "Proxy-Authorization: Bearer x\r\n",
    "Proxy-Authorization: Basic !!!\r\n",
  ];
  test.each(wrong)("with %j there is none, whatever is asked", async (header) => {
    const one = await cage({ adopt: false });
    for (const line of [
      "CONNECT api.example.com:22",
      "CONNECT evil.test:443",
      "GET http://evil.test/",
      "CONNECT x",
    ]) {
      const socket = await outside(one, () => `${line} HTTP/1.1\r\n${header}\r\n`);
      const answer = (await ending(socket)).bytes.toString();
      expect(answer).toStartWith("HTTP/1.1 407 Proxy Authentication Required\r\n");
      expect(answer).toContain('\r\nProxy-Authenticate: Basic realm="toolcrib"\r\n');
    }
    // A stranger's doings are not the cage's.
    expect(one.egress.refused()).toEqual([]);
    expect(one.dialled).toEqual([]);
  });

  test("strangers do not keep those out that belong here", async () => {
    const one = await cage({ adopt: false });
    await one.serve(PUBLIC, 22, echo);
    const mine = await outside(one, (header) => `CONNECT api.example.com:22 HTTP/1.1\r\n${header}\r\n`);
    await received(mine, ESTABLISHED.length);
    const port = Number(new URL(one.egress.proxyUrl()).port);
    const strangers = Array.from({ length: 80 }, () => connect(port, "127.0.0.1").on("error", () => {}));
    sockets.push(...strangers);
    let gone = 0;
    for (const stranger of strangers) stranger.once("close", () => gone++).resume();
    await until(() => gone === 16);
    mine.write("\0still here");
    expect((await received(mine, 11)).toString()).toBe("\0still here");
  });

  test("the token is in no log line", async () => {
    const one = await cage({ adopt: false });
    const socket = await outside(one, (header) => `CONNECT evil.test:443 HTTP/1.1\r\n${header}\r\n`);
    expect((await ending(socket)).bytes.toString()).toStartWith("HTTP/1.1 403 ");
    const lines = one.logLines.join("");
    expect(lines).toContain("evil.test:443");
    expect(lines).not.toContain(new URL(one.egress.proxyUrl()).password);
  });
});
