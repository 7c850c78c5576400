// The broker between a server and a host, both real ends of TLS on loopback: what the host gets, what the server gets
// back, and what neither of them ever sees.

import { afterEach, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { AppError } from "../../../src/errors.ts";
import { openBroker } from "../../../src/cage/egress/broker.ts";
import { trustContext } from "../../../src/cage/egress/broker-trust.ts";
import { CertificateAuthority } from "../../../src/cage/egress/authority.ts";
import {
  ask,
  hear,
  type Host,
  type Lab,
  type LabOptions,
  openHost,
  openLab,
  openScriptedHost,
  PLACEHOLDER,
  SECRET,
} from "./broker-lab.ts";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).toReversed()) await thing.close();
});

async function lab(host: Host, options?: LabOptions): Promise<Lab> {
  const made = await openLab(host, options);
  opened.push(made);
  return made;
}

async function scripted(answer: Parameters<typeof openScriptedHost>[0]): Promise<Host> {
  const host = await openScriptedHost(answer);
  opened.push(host);
  return host;
}

/** A host that answers each request, once its head came, with all of it, and writes down what it got. */
async function echo(seen: string[] = []): Promise<Host> {
  return scripted((said) => {
    if (!said.includes("\r\n\r\n")) return undefined;
    seen.push(said);
    return `HTTP/1.1 200 OK\r\nContent-Length: ${said.length}\r\n\r\n${said}`;
  });
}

const get = (port: number, ...lines: string[]): string =>
  ["GET /path?x=1 HTTP/1.1", `Host: localhost:${port}`, ...lines, "Connection: close", "", ""].join("\r\n");

const fieldOf = (said: string | undefined, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)\r$`, "im").exec(said ?? "")?.[1];

/** Looks at each turn of the event loop; the deadline is that of the test. */
async function ended(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise<void>((resolve) => setImmediate(resolve));
}

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

describe("the value", () => {
  test.each<[string, readonly string[], string]>([
    ["takes the place of the placeholder", [`Authorization: Bearer ${PLACEHOLDER}`], `Bearer ${SECRET}`],
    ["whatever the case of the name", [`AUTHORIZATION: ${PLACEHOLDER}`], SECRET],
    ["inside of Basic", [`Authorization: ${basic(`me:${PLACEHOLDER}`)}`], basic(`me:${SECRET}`)],
    ["is there where nothing was sent", [], SECRET],
    ["is there where something else was sent", ["Authorization: Bearer mine"], SECRET],
    ["is there once", ["Authorization: a", "Authorization: b"], SECRET],
  ])("%s", async (_name, lines, expected) => {
    const seen: string[] = [];
    const made = await lab(await echo(seen));
    const answer = await ask(made, get(made.port, ...lines));
    expect(seen).toHaveLength(1);
    expect(fieldOf(seen[0], "authorization")).toBe(expected);
    expect(seen[0]?.match(/^authorization:/gim)).toHaveLength(1);
    // It came back in the answer, as its header and its body, and nothing of it was left.
    expect(answer).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(answer).not.toContain(SECRET);
    expect(answer).not.toContain(Buffer.from(SECRET).toString("base64").slice(0, 12));
    expect(fieldOf(answer, "content-length")).toBe(String(answer.length - answer.indexOf("\r\n\r\n") - 4));
  });

  test("is put nowhere else: not in other headers, the path or the body", async () => {
    const seen: string[] = [];
    const made = await lab(await echo(seen));
    const head = `POST /${PLACEHOLDER} HTTP/1.1\r\nHost: localhost:${made.port}\r\nX-Copy: ${PLACEHOLDER}\r\n`;
    const framing = `Content-Length: ${PLACEHOLDER.length}\r\nConnection: close\r\n\r\n`;
    await ask(made, head + framing + PLACEHOLDER);
    expect(seen[0]).toStartWith(`POST /${PLACEHOLDER} HTTP/1.1\r\n`);
    expect(fieldOf(seen[0], "x-copy")).toBe(PLACEHOLDER);
    expect(seen[0]).toEndWith(`\r\n\r\n${PLACEHOLDER}`);
    expect(seen[0]?.split(SECRET)).toHaveLength(2);
  });

  test("of one of two for a header is chosen by the placeholder; without one, the server's own words stay", async () => {
    const seen: string[] = [];
    const brokers = {
      token: { header: "x-key", value: "first-value-1" },
      other: { header: "X-Key", value: "second-value-2" },
      mark: { header: "x-mark", value: "third-value-3" },
    };
    const made = await lab(await echo(seen), { brokers });
    await ask(made, get(made.port, `X-Key: ${PLACEHOLDER}`));
    await ask(made, get(made.port, "X-Key: own"));
    const sent = seen.map((said) => [fieldOf(said, "x-key"), fieldOf(said, "x-mark")]);
    expect(sent).toEqual([
      ["first-value-1", "third-value-3"],
      ["own", "third-value-3"],
    ]);
  });

  test("of a host that is written in two ways go to the one host, and neither comes back", async () => {
    const seen: string[] = [];
    const brokers = {
      token: { header: "x-one", value: "first-value-1" },
      other: { header: "x-two", value: "second-value-2", host: "LocalHost." },
    };
    const made = await lab(await echo(seen), { brokers });
    const answer = await ask(made, get(made.port));
    expect([fieldOf(seen[0], "x-one"), fieldOf(seen[0], "x-two")]).toEqual([
      "first-value-1",
      "second-value-2",
    ]);
    expect(answer).not.toMatch(/first-value|second-value/);
  });

  test("that begins with its scheme serves those that write the scheme as well", async () => {
    const seen: string[] = [];
    const brokers = { token: { header: "authorization", value: "Bearer tok-en-12345" } };
    const made = await lab(await echo(seen), { brokers });
    await ask(made, get(made.port, `Authorization: bearer ${PLACEHOLDER}`));
    await ask(made, get(made.port));
    expect(seen.map((said) => fieldOf(said, "authorization"))).toEqual([
      "Bearer tok-en-12345",
      "Bearer tok-en-12345",
    ]);
  });

  test("is not printed with what holds it", async () => {
    const { broker } = await lab(await echo());
    expect(Bun.inspect(broker, { depth: 20 })).not.toContain(SECRET);
    expect(JSON.stringify(broker)).not.toContain(SECRET);
  });

  test.each<[string, string, string]>([
    ["too short", "authorization", "short12"],
    ["blank", "authorization", "            "],
    ["for a header that frames the request", "Content-Length", "12345678"],
  ])("cannot be %s", async (_name, header, value) => {
    const authority = new CertificateAuthority("x", ["localhost"]);
    const opening = openBroker({
      server: "lab",
      brokers: { token: { host: "localhost:443", header, value } },
      placeholderFor: () => PLACEHOLDER,
      trust: trustContext([authority.caCertificatePem()]),
    });
    const thrown: unknown = await opening.catch((error: unknown) => error);
    expect(thrown).toMatchObject({ code: "bad-configuration" });
    expect(String(thrown)).not.toContain(value.trim() || "      ");
  });
});

describe("requests", () => {
  test("ask for answers in which a value can be found, and say nothing of the connection of before", async () => {
    const seen: string[] = [];
    const made = await lab(await echo(seen));
    const lines = [
      "Accept-Encoding: gzip, br",
      "Range: bytes=0-9",
      "If-Range: x",
      "TE: trailers",
      "Keep-Alive: 5",
    ];
    await ask(
      made,
      get(made.port, ...lines, "Proxy-Authorization: x", "Connection: authorization", "X-Kept: yes"),
    );
    expect(fieldOf(seen[0], "accept-encoding")).toBe("identity");
    expect(fieldOf(seen[0], "connection")).toBe("close");
    expect(fieldOf(seen[0], "authorization")).toBe(SECRET);
    expect(fieldOf(seen[0], "x-kept")).toBe("yes");
    for (const name of ["range", "if-range", "te", "keep-alive", "proxy-authorization"]) {
      expect(fieldOf(seen[0], name)).toBeUndefined();
    }
  });

  test.each<[string, string, number]>([
    ["another host", "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n", 421],
    ["another port", "GET / HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 421],
    ["a user before the host", "GET / HTTP/1.1\r\nHost: me@localhost\r\n\r\n", 421],
    ["a wildcard", "GET / HTTP/1.1\r\nHost: *.localhost\r\n\r\n", 421],
    ["two Hosts", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: other.test\r\n\r\n", 400],
    [
      "two lengths",
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      400,
    ],
    ["bare LFs", "GET / HTTP/1.1\nHost: localhost\n\n", 400],
    ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 505],
    ["HTTP/2 unasked", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
    ["a head without end", `GET / HTTP/1.1\r\nX: ${"y".repeat(70_000)}`, 431],
    ["no HTTP at all", "\0\0\0\n", 400],
  ])("for %s are refused before anything is dialled", async (_name, said, status) => {
    let dialled = 0;
    const made = await lab(await echo(), { dial: () => (dialled++, Promise.reject(new Error("not now"))) });
    const answer = await ask(made, said);
    expect(answer).toStartWith(`HTTP/1.1 ${status} `);
    expect(fieldOf(answer, "connection")).toBe("close");
    expect(answer.match(/^HTTP/gm)).toHaveLength(1);
    expect(dialled).toBe(0);
  });

  test("go on in one connection, one after the other, also when they come at once", async () => {
    const seen: string[] = [];
    const made = await lab(await echo(seen));
    const one = `GET /1 HTTP/1.1\r\nHost: localhost:${made.port}\r\n\r\n`;
    const answer = await ask(made, one + one.replace("/1", "/2") + get(made.port));
    expect(seen.map((said) => said.slice(0, 7))).toEqual(["GET /1 ", "GET /2 ", "GET /pa"]);
    expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3);
  });

  test("in chunks are put into chunks anew, without extensions and trailers", async () => {
    const seen: string[] = [];
    const host = await scripted((said) => {
      if (!said.endsWith("0\r\n\r\n")) return undefined;
      seen.push(said);
      return "HTTP/1.1 204 No Content\r\n\r\n";
    });
    const made = await lab(host);
    const head = `POST / HTTP/1.1\r\nHost: localhost:${made.port}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`;
    const answer = await ask(made, `${head}3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: y\r\n\r\n`);
    expect(answer).toStartWith("HTTP/1.1 204 ");
    expect(seen[0]).toEndWith("\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  });

  test.each<[string, string]>([
    ["a size that is none", "x\r\n"],
    ["a size with a sign", "-1\r\n"],
    ["a size beyond numbers", "fffffffffffffffff\r\n"],
    ["a size that ends with LF", "3\nabc\r\n"],
    ["more than it said", "3\r\nabcdef\r\n"],
    ["a line without end", "3;".padEnd(2000, "x")],
  ])("with a chunk of %s break off with 400", async (_name, body) => {
    const host = await scripted(() => undefined);
    const made = await lab(host);
    const head = `POST / HTTP/1.1\r\nHost: localhost:${made.port}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    expect(await ask(made, head + body)).toStartWith("HTTP/1.1 400 ");
  });

  test("may wait for 100 Continue", async () => {
    const seen: string[] = [];
    const host = await scripted((said) => {
      seen.push(said);
      return said.includes("100-continue")
        ? "HTTP/1.1 100 Continue\r\n\r\n"
        : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    });
    const made = await lab(host);
    const socket = await made.connect();
    socket.write(
      `PUT / HTTP/1.1\r\nHost: localhost:${made.port}\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n`,
    );
    expect(await hear(socket, (text) => text.endsWith("\r\n\r\n"))).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    socket.write("body");
    expect(await hear(socket, (text) => text.endsWith("ok"))).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(seen[1]).toBe("body");
  });

  test("without TLS are told to use it, and go nowhere", async () => {
    const seen: string[] = [];
    const made = await lab(await echo(seen));
    const socket = connect(made.port, "127.0.0.1");
    socket.write(get(made.port));
    expect(await hear(socket)).toMatch(/^HTTP\/1\.1 403 [^]*https\.\n$/);
    expect(seen).toEqual([]);
  });
});

describe("answers", () => {
  const answering = (answer: string): Promise<Host> =>
    scripted((said) => (said.includes("\r\n\r\n") ? answer : undefined));

  test("in chunks lose the value also where it lies across them", async () => {
    const half = SECRET.length / 2;
    const chunks = [`a${SECRET.slice(0, half)}`, `${SECRET.slice(half)}z`, "end"];
    const body = chunks.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join("");
    const made = await lab(
      await answering(
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}0\r\nX-T: ${SECRET}\r\n\r\n`,
      ),
    );
    const answer = await ask(made, get(made.port));
    expect(answer).not.toContain(SECRET.slice(0, half));
    expect(answer).not.toContain(SECRET.slice(half));
    expect(answer).toEndWith("\r\n0\r\n\r\n");
    const pieces = answer
      .slice(answer.indexOf("\r\n\r\n"))
      .split("\r\n")
      .filter((_, index) => index % 2 === 1);
    expect(pieces.join("")).toBe(`a${"*".repeat(SECRET.length)}zend`);
  });

  test("with the value in their head lose it there", async () => {
    const location = `Location: https://x.test/?key=${encodeURIComponent(SECRET)}&json=${SECRET}`;
    const made = await lab(await answering(`HTTP/1.1 302 Found\r\n${location}\r\nContent-Length: 0\r\n\r\n`));
    const answer = await ask(made, get(made.port));
    expect(fieldOf(answer, "location")).toMatch(/^https:\/\/x\.test\/\?key=\*+&json=\*+$/);
  });

  test("that end with the connection are given an end of their own", async () => {
    const host = await scripted((said, socket) => {
      if (said.includes("\r\n\r\n")) socket.end("HTTP/1.1 200 OK\r\nX: y\r\n\r\nall of it");
      return undefined;
    });
    const made = await lab(host);
    const answer = await ask(made, `GET / HTTP/1.1\r\nHost: localhost:${made.port}\r\n\r\n`);
    expect(fieldOf(answer, "transfer-encoding")).toBe("chunked");
    expect(fieldOf(answer, "connection")).toBe("close");
    expect(answer).toEndWith("\r\n9\r\nall of it\r\n0\r\n\r\n");
  });

  test("that break off are seen to do so", async () => {
    const host = await scripted((said, socket) => {
      if (said.includes("\r\n\r\n"))
        socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
      return undefined;
    });
    const made = await lab(host);
    const answer = await ask(made, get(made.port));
    expect(answer).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(answer).not.toContain("0\r\n\r\n");
  });

  test.each<[string, string, string]>([
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "1000"],
    ["GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", "1000"],
  ])("to %s without a body do not wait for one", async (method, said, length) => {
    const made = await lab(await answering(said));
    const answer = await ask(made, get(made.port).replace("GET", method));
    expect(fieldOf(answer, "content-length")).toBe(length);
    expect(answer).toEndWith("\r\n\r\n");
  });

  test.each<[string, string, RegExp]>([
    ["compressed", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx", /compressed/],
    [
      "framed in two ways",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nxx",
      /one way/,
    ],
    ["no HTTP", "220 mail.test ESMTP\r\n\r\n", /one way/],
    ["those of a switch that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\n\r\n", /asked for/],
    ["endlessly preliminary", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20), /asked for/],
  ])("that are %s become 502", async (_name, said, sentence) => {
    const made = await lab(await answering(said));
    const answer = await ask(made, get(made.port));
    expect(answer).toContain("HTTP/1.1 502 ");
    expect(answer).toMatch(sentence);
    expect(answer).not.toEndWith("xx");
    expect(made.troubles).toHaveLength(1);
  });

  test("that do not come become 502 the first time, and an end of the connection later", async () => {
    let answered = 0;
    const host = await scripted((said, socket) => {
      if (!said.includes("\r\n\r\n")) return undefined;
      if (++answered === 2) socket.end();
      return answered === 1 ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" : undefined;
    });
    const made = await lab(host);
    const socket = await made.connect();
    const request = `GET / HTTP/1.1\r\nHost: localhost:${made.port}\r\n\r\n`;
    socket.write(request);
    await hear(socket, (text) => text.endsWith("\r\n\r\n"));
    socket.write(request);
    expect(await hear(socket)).toBe("");

    const silent = await lab(await scripted((_said, end) => void end.end()));
    expect(await ask(silent, get(silent.port))).toMatch(
      /^HTTP\/1\.1 502 [^]*closed the connection before it answered/,
    );
  });

  test("that nobody asked for are not the answer to the next request", async () => {
    const made = await lab(
      await answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
      ),
    );
    const socket = await made.connect();
    const heard = hear(socket);
    socket.write(`GET / HTTP/1.1\r\nHost: localhost:${made.port}\r\n\r\n`.repeat(2));
    const answer = await heard;
    expect(answer).not.toContain("poison");
    expect(answer.match(/HTTP\/1\.1 200/g)).toHaveLength(1);
  });

  test("that end while the request is still on its way end that too", async () => {
    const host = await scripted((said, socket) => {
      if (!said.includes("\r\n\r\n")) return undefined;
      socket.pause();
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", () => socket.destroy());
      return undefined;
    });
    const made = await lab(host);
    const socket = await made.connect();
    const heard = hear(socket);
    const size = 64 * 1024 * 1024;
    socket.write(`POST / HTTP/1.1\r\nHost: localhost:${made.port}\r\nContent-Length: ${size}\r\n\r\n`);
    const piece = Buffer.alloc(1024 * 1024);
    const more = (): void => {
      while (!socket.destroyed) if (!socket.write(piece)) return void socket.once("drain", more);
    };
    socket.on("error", () => {});
    more();
    expect(await heard).toEndWith("\r\n\r\nok");
  });

  test("may come before the request is complete", async () => {
    const host = await scripted((said, socket) => {
      if (said.includes("\r\n\r\n"))
        socket.end("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      return undefined;
    });
    const made = await lab(host);
    const head = `POST / HTTP/1.1\r\nHost: localhost:${made.port}\r\nContent-Length: 1000000\r\n\r\n`;
    expect(await ask(made, `${head}some`)).toStartWith("HTTP/1.1 413 ");
  });
});

describe("web sockets", () => {
  test("are spliced after 101, uncompressed, and lose the value as well", async () => {
    const seen: string[] = [];
    const host = await scripted((said) => {
      seen.push(said);
      if (said.includes("Upgrade: websocket")) {
        return `HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi`;
      }
      return `<${said}${SECRET}>`;
    });
    const made = await lab(host);
    const socket = await made.connect();
    const upgrade = [
      "Upgrade: websocket",
      "Sec-WebSocket-Key: y",
      "Sec-WebSocket-Extensions: permessage-deflate",
    ];
    const first = hear(socket, (text) => text.endsWith("hi"));
    socket.write(get(made.port, ...upgrade).replace("Connection: close", "Connection: Upgrade"));
    expect(await first).toBe(
      "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi",
    );
    expect(seen[0]).not.toContain("permessage-deflate");
    expect(fieldOf(seen[0], "authorization")).toBe(SECRET);
    const second = hear(socket, (text) => text.endsWith(">"));
    socket.write("some bytes");
    expect(await second).toBe(`<some bytes${"*".repeat(SECRET.length)}>`);
  });
});

describe("the host", () => {
  test("has to prove its name: nothing is sent to one that nobody vouches for", async () => {
    const seen: string[] = [];
    const stranger = new CertificateAuthority("stranger", ["localhost"]);
    const made = await lab(await echo(seen), { trusted: [stranger.caCertificatePem()] });
    const answer = await ask(made, get(made.port));
    expect(answer).toMatch(/^HTTP\/1\.1 502 [^]*certificate[^]*localhost[^]*so nothing was sent/);
    expect(seen).toEqual([]);
    expect(made.troubles).toHaveLength(1);
    expect(answer + made.troubles.join()).not.toContain(SECRET);
  });

  test.each<[string, Error, RegExp]>([
    ["reached", new AppError("unreachable", "It is down."), /^HTTP\/1\.1 502 [^]*\r\n\r\nIt is down\.\n$/],
    [
      "allowed",
      new AppError("denied", "It is not public."),
      /^HTTP\/1\.1 403 [^]*\r\n\r\nIt is not public\.\n$/,
    ],
    ["told about", new Error("inner"), /^HTTP\/1\.1 502 [^]*\r\n\r\nlocalhost could not be reached\.\n$/],
  ])("that cannot be %s is a sentence", async (_name, thrown, expected) => {
    const made = await lab(await echo(), { dial: () => Promise.reject(thrown) });
    expect(await ask(made, get(made.port))).toMatch(expected);
  });

  test("that speaks no TLS is a sentence", async () => {
    const plain = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (socket) => void socket.end("220\r\n") },
    });
    opened.push({ close: async () => plain.stop(true) });
    const made = await lab({ port: plain.port, ca: (await echo()).ca, close: async () => {} });
    expect(await ask(made, get(made.port))).toMatch(/^HTTP\/1\.1 502 /);
  });

  test("is left when the server goes, and the server when the host goes", async () => {
    const host = Promise.withResolvers<void>();
    const gone = await openHost((socket) => {
      socket.resume();
      socket.once("close", () => host.resolve());
    });
    opened.push(gone);
    const made = await lab(gone);
    const socket = await made.connect();
    socket.write(get(made.port));
    await ended(() => made.traffic.up > 0);
    socket.destroy();
    await host.promise;

    const leaving = await lab(
      await scripted((said, end) => {
        if (!said.includes("\r\n\r\n")) return undefined;
        setImmediate(() => end.end());
        return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
      }),
    );
    // Without `Connection: close`: it is the host that ends it.
    expect(await ask(leaving, `GET / HTTP/1.1\r\nHost: localhost:${leaving.port}\r\n\r\n`)).toStartWith(
      "HTTP/1.1 200 OK\r\n",
    );
  });
});

describe("trouble", () => {
  test("is told of a server that does not trust its cage, not of what servers say", async () => {
    const made = await lab(await echo());
    await ask(made, "PRI * HTTP/1.1\r\n\r\n");
    expect(made.troubles).toEqual([]);
    const stranger = connectTls({ port: made.port, host: "127.0.0.1", servername: "localhost" });
    const refused = new Promise<Error>((resolve) => stranger.once("error", resolve));
    await refused;
    await ended(() => made.broker.connections === 0);
    expect(made.troubles).toHaveLength(1);
    expect(made.troubles[0]).toContain("has to trust the certificates of its cage");
  });

  test("is told once in ten seconds", async () => {
    let now = Date.now();
    const dial = (): Promise<Socket> => Promise.reject(new AppError("unreachable", "It is down."));
    const made = await lab(await echo(), { dial, now: () => now });
    for (const wait of [0, 9_999, 1]) {
      now += wait;
      await ask(made, get(made.port));
    }
    expect(made.troubles).toEqual(["It is down.", "It is down."]);
  });
});

describe("bounds", () => {
  const silent = (): Promise<Host> => scripted(() => undefined);

  test.each<[string, LabOptions["limits"], string, RegExp]>([
    ["a head that does not end", { headMs: 60 }, "GET / HT", /^HTTP\/1\.1 408 /],
    ["a server that says nothing", { headMs: 60 }, "", /^$/],
    [
      "a host that does not answer",
      { stallMs: 60 },
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
      /^HTTP\/1\.1 504 /,
    ],
  ])("%s", async (_name, limits, said, expected) => {
    const made = await lab(await silent(), limits === undefined ? {} : { limits });
    expect(await ask(made, said.replace("localhost", `localhost:${made.port}`))).toMatch(expected);
  });

  test("a host that cannot be dialled in time", async () => {
    const made = await lab(await silent(), { limits: { connectMs: 60 }, dial: () => new Promise(() => {}) });
    expect(await ask(made, get(made.port))).toMatch(/^HTTP\/1\.1 504 /);
  });

  test("an idle connection is closed", async () => {
    const made = await lab(await echo(), { limits: { idleMs: 60 } });
    const answer = await ask(made, `GET / HTTP/1.1\r\nHost: localhost:${made.port}\r\n\r\n`);
    expect(answer).toStartWith("HTTP/1.1 200 OK\r\n");
  });

  test("more connections than there may be are closed, the others live", async () => {
    const made = await lab(await echo(), { limits: { connections: 2 } });
    const first = await made.connect();
    await made.connect();
    expect(made.broker.connections).toBe(2);
    expect(made.connect()).rejects.toThrow();
    const answer = hear(first);
    first.write(get(made.port));
    expect(await answer).toStartWith("HTTP/1.1 200 OK\r\n");
  });

  test("a server that reads slowly slows the host down", async () => {
    const total = 64 * 1024 * 1024;
    const piece = Buffer.alloc(64 * 1024);
    const host = await openHost((socket) => {
      let written = 0;
      const more = (): void => {
        while (written < total) {
          written += piece.length;
          if (!socket.write(piece)) return void socket.once("drain", more);
        }
      };
      socket.once("data", () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\nConnection: close\r\n\r\n`);
        more();
      });
    });
    opened.push(host);
    const made = await lab(host);
    const socket = await made.connect();
    let received = 0;
    let lag = 0;
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
      lag = Math.max(lag, made.traffic.down - received);
      socket.pause();
      setImmediate(() => setImmediate(() => socket.resume()));
    });
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.write(get(made.port));
    await closed;
    expect(received).toBeGreaterThan(total);
    // What the kernel keeps for two connections is a few megabytes.
    expect(lag).toBeLessThan(total / 3);
  });

  test("closing ends everything at once", async () => {
    const made = await lab(await silent());
    const socket = await made.connect();
    const end = hear(socket);
    socket.write(get(made.port));
    made.broker.close();
    expect(await end).toBe("");
  });
});
