// The way out of a cage: what is let through, what is refused, what is remembered of it. On loopback, without a cage.

import { afterEach, describe, expect, jest, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { Socket } from "node:net";
import { AppError } from "../../../src/errors.ts";
import { Egress } from "../../../src/cage/egress/egress.ts";
import { nullLog } from "../../../src/log.ts";
import { dnsQuery, readAnswer } from "./dns-queries.ts";
import { openListener } from "./descriptors.ts";
import { hello } from "./hellos.ts";
import {
  ending,
  hostRule,
  knocked,
  received,
  standIn,
  type StandIn,
  type StandInOptions,
  until,
} from "./stand-in.ts";

const open: StandIn[] = [];
async function cage(options: StandInOptions): Promise<StandIn> {
  const one = await standIn(options);
  open.push(one);
  return one;
}
afterEach(async () => {
  jest.useRealTimers();
  await Promise.all(open.splice(0).map((one) => one.close()));
});

const PUBLIC = "93.184.215.14";
const HELLO = hello("api.example.com");
const request = (host: string): string => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const echo = (socket: Socket): void => void socket.pipe(socket);
const refusals = ({ egress }: StandIn): readonly object[] =>
  egress.refused().map(({ what, reason, grant }) => ({ what, reason, grant }));

describe("a name", () => {
  test("that a rule allows is reached: looked up once, at the checked address, both ways", async () => {
    const one = await cage({ rules: ["api.example.com:443"], hosts: { "api.example.com": [PUBLIC] } });
    const got: Buffer[] = [];
    await one.serve(PUBLIC, 443, (socket) => {
      socket.on("data", (chunk: Buffer) => got.push(chunk));
      socket.on("end", () => socket.end("bye"));
    });
    const socket = await one.connect("api.example.com", 443);
    socket.write(HELLO);
    await until(() => Buffer.concat(got).equals(HELLO));
    socket.end("more");
    expect(await ending(socket)).toEqual({ bytes: Buffer.from("bye"), how: "end" });
    expect(Buffer.concat(got).equals(Buffer.concat([HELLO, Buffer.from("more")]))).toBe(true);
    expect(one.lookedUp).toEqual(["api.example.com"]);
    expect(one.dialled).toEqual([`${PUBLIC}:443`]);
    expect(one.egress.refused()).toEqual([]);
    await until(() => one.egress.traffic()[0]?.open === 0);
    expect(one.egress.traffic()).toEqual([
      { rule: "api.example.com:443", open: 0, connections: 1, bytesUp: HELLO.length + 4, bytesDown: 3 },
    ]);
  });

  test("below a wildcard is reached, and counts for it", async () => {
    const one = await cage({ rules: ["*.example.com:80"], hosts: { "a.b.example.com": [PUBLIC] } });
    await one.serve(PUBLIC, 80, echo);
    const socket = await one.connect("A.b.Example.com", 80);
    socket.write(request("a.b.example.com"));
    expect((await received(socket)).toString()).toBe(request("a.b.example.com"));
    expect(one.egress.traffic()).toMatchObject([{ rule: "*.example.com:80", open: 1, connections: 1 }]);
  });

  test("that no rule allows is not there, and what was asked is known", async () => {
    const one = await cage({ rules: ["api.example.com:443"] });
    const answer = await one.ask("evil.test");
    expect(answer).toMatchObject({ rcode: 3, addresses: [] });
    const reason =
      "it was looked up, and no grant covers this name; the port is not known yet, 443 is a guess";
    expect(refusals(one)).toEqual([{ what: "evil.test", reason, grant: "evil.test:443" }]);
    expect(one.announced).toEqual([
      { at: one.clock.now, count: 1, what: "evil.test", reason, grant: "evil.test:443" },
    ]);
    expect(one.lookedUp).toEqual([]);
    expect(one.logLines.filter((line) => line.includes("evil.test"))).toHaveLength(1);
  });

  test("on a port that no rule allows is refused by both", async () => {
    const one = await cage({ rules: ["api.example.com:443", "db.example.com:5432"] });
    const socket = await one.connect("api.example.com", 5432);
    expect(await knocked(socket)).toEqual({ bytes: Buffer.alloc(0), how: "reset" });
    const reason = "granted on port 443 only";
    expect(refusals(one)).toEqual([{ what: "api.example.com:5432", reason, grant: "api.example.com:5432" }]);
    expect(one.lookedUp).toEqual([]);
    expect(one.dialled).toEqual([]);
  });

  test("that means this host is answered without being asked about", async () => {
    const one = await cage({});
    expect((await one.ask("localhost")).addresses).toEqual(["127.0.0.1"]);
    expect((await one.ask("foo.localhost")).addresses).toEqual(["127.0.0.1"]);
    expect((await one.ask("1.0.18.198.in-addr.arpa", { type: 12 })).rcode).toBe(3);
    expect(one.egress.refused()).toEqual([]);
  });

  test("that cannot be looked up, or answers nothing, is a reset and no refusal", async () => {
    const one = await cage({ rules: ["api.example.com:22"] });
    expect((await knocked(await one.connect("api.example.com", 22))).how).toBe("reset");
    const two = await cage({ rules: ["api.example.com:22"], hosts: { "api.example.com": [PUBLIC] } });
    expect((await knocked(await two.connect("api.example.com", 22))).how).toBe("reset");
    const three = await cage({ rules: ["api.example.com:22"], hosts: { "api.example.com": [] } });
    expect((await knocked(await three.connect("api.example.com", 22))).how).toBe("reset");
    for (const each of [one, two, three]) expect(each.egress.refused()).toEqual([]);
    expect(two.dialled).toEqual([`${PUBLIC}:22`]);
    expect(one.logLines.join("")).toContain("api.example.com could not be looked up (ENOTFOUND)");
    expect(two.logLines.join("")).toContain("api.example.com:22 could not be reached (ECONNREFUSED)");
  });
});

describe("where an allowed name leads", () => {
  const cases: readonly [address: string, word: string][] = [
    ["127.0.0.1", "a loopback address"],
    ["::1", "a loopback address"],
    ["10.1.2.3", "an address of a private network"],
    ["::ffff:10.1.2.3", "an address of a private network"],
    ["100.64.0.1", "an address of a private network"],
    ["169.254.1.1", "a link-local address"],
    ["8.8.4.4", "an address of this host"],
  ];
  test.each(cases)(
    "%s is reached by a rule that names the host, never by a wildcard",
    async (address, word) => {
      const rules = ["db.example.com:5432", "*.example.com:5432"];
      const hosts = { "db.example.com": [address], "other.example.com": [address] };
      const one = await cage({ rules, hosts });
      await one.serve(address, 5432, echo);
      const good = await one.connect("db.example.com", 5432);
      good.write("\0hello");
      expect((await received(good)).toString()).toBe("\0hello");
      expect((await knocked(await one.connect("other.example.com", 5432))).how).toBe("reset");
      const reason = `it leads to ${word}, and only a grant of other.example.com itself opens it`;
      expect(refusals(one)).toEqual([
        { what: "other.example.com:5432", reason, grant: "other.example.com:5432" },
      ]);
      expect(one.dialled).toEqual([`${address}:5432`]);
    },
  );

  const never: readonly [address: string, reason: string][] = [
    [
      "169.254.169.254",
      "it leads to a cloud metadata address, which hands out credentials, and only a grant of that address itself opens it",
    ],
    [
      "::ffff:a9fe:a9fe",
      "it leads to a cloud metadata address, which hands out credentials, and only a grant of that address itself opens it",
    ],
    ["0.0.0.0", "it leads to an address that belongs to nobody"],
    ["::", "it leads to an address that belongs to nobody"],
    ["224.0.0.1", "it leads to a multicast address"],
  ];
  test.each(never)("%s is not reached by any name", async (address, reason) => {
    const one = await cage({ rules: ["db.example.com:5432"], hosts: { "db.example.com": [address] } });
    expect((await knocked(await one.connect("db.example.com", 5432))).how).toBe("reset");
    expect(refusals(one)).toEqual([{ what: "db.example.com:5432", reason, grant: undefined }]);
    expect(one.dialled).toEqual([]);
  });

  test("of several addresses, those that may be are tried in order", async () => {
    const addresses = ["127.0.0.1", "2606:4700::1111", "10.0.0.1", PUBLIC, "not an address"];
    const one = await cage({ rules: ["*.example.com:22"], hosts: { "a.example.com": addresses } });
    await one.serve(PUBLIC, 22, (socket) => socket.end("SSH-2.0-test\r\n"));
    expect((await ending(await one.connect("a.example.com", 22))).bytes.toString()).toBe("SSH-2.0-test\r\n");
    expect(one.dialled).toEqual(["2606:4700::1111:22", `${PUBLIC}:22`]);
    expect(one.egress.refused()).toEqual([]);
  });
});

describe("an address", () => {
  test("is reached by a rule for it, whatever it is and whatever is said", async () => {
    const one = await cage({ rules: ["127.9.9.9:443", "127.9.9.8:80"] });
    await one.serve("127.9.9.9", 443, echo);
    const socket = await one.connect("127.9.9.9", 443);
    socket.write(hello("any.test"));
    expect(await received(socket)).toEqual(hello("any.test"));
    expect(one.lookedUp).toEqual([]);
    expect(one.egress.traffic()[0]).toMatchObject({ rule: "127.9.9.9:443", open: 1 });
  });

  test("without a rule for it is refused", async () => {
    const one = await cage({ rules: ["127.9.9.9:443"] });
    expect((await knocked(await one.connect("127.9.9.8", 443))).how).toBe("reset");
    expect((await knocked(await one.connect("127.9.9.9", 80))).how).toBe("reset");
    expect(refusals(one)).toEqual([
      { what: "127.9.9.8:443", reason: "no grant names this address", grant: "127.9.9.8:443" },
      { what: "127.9.9.9:80", reason: "granted on port 443 only", grant: "127.9.9.9:80" },
    ]);
    expect(one.dialled).toEqual([]);
  });

  test("of loopback goes by the name localhost as well", async () => {
    const one = await cage({ rules: ["localhost:5432"], hosts: { localhost: ["127.0.0.1"] } });
    await one.serve("127.0.0.1", 5432, echo);
    for (const host of ["127.0.0.1", "localhost"]) {
      const socket = await one.connect(host, 5432);
      socket.write("\0");
      expect(await received(socket)).toEqual(Buffer.from("\0"));
    }
    expect(one.egress.traffic()).toMatchObject([{ rule: "localhost:5432", connections: 2 }]);
    expect(one.dialled).toEqual(["127.0.0.1:5432", "127.0.0.1:5432"]);
  });

  test("that stood for a name and was forgotten reaches nothing", async () => {
    const one = await cage({ rules: ["api.example.com:443"], hosts: { "api.example.com": [PUBLIC] } });
    expect((await knocked(await one.connect("127.64.200.200", 443))).how).toBe("reset");
    const reason = "it stood for a name that was forgotten and has to be looked up again";
    expect(refusals(one)).toEqual([{ what: "127.64.200.200:443", reason, grant: undefined }]);
  });
});

describe("the first bytes", () => {
  const rules = ["api.example.com:443", "api.example.com:80", "api.example.com:22"];
  const hosts = { "api.example.com": [PUBLIC] };

  test("that ask for another name inside of TLS do not leave", async () => {
    const one = await cage({ rules, hosts });
    const socket = await one.connect("api.example.com", 443);
    socket.write(hello("evil.test"));
    expect((await ending(socket)).how).toBe("reset");
    const reason = "asked for evil.test inside a connection to api.example.com";
    expect(refusals(one)).toEqual([{ what: "evil.test:443", reason, grant: "evil.test:443" }]);
    // Not even the look-up.
    expect(one.lookedUp).toEqual([]);
  });

  test("that ask for another name by HTTP do not leave", async () => {
    const one = await cage({ rules, hosts });
    const got: Buffer[] = [];
    await one.serve(PUBLIC, 80, (socket) => void socket.on("data", (chunk: Buffer) => got.push(chunk)));
    const socket = await one.connect("api.example.com", 80);
    socket.write(request("evil.test"));
    expect((await ending(socket)).how).toBe("reset");
    const reason = "asked for evil.test inside a connection to api.example.com";
    expect(refusals(one)).toEqual([{ what: "evil.test:80", reason, grant: "evil.test:80" }]);
    expect(got).toEqual([]);
  });

  test("are checked however they are cut", async () => {
    const one = await cage({ rules, hosts });
    await one.serve(PUBLIC, 443, echo);
    const socket = await one.connect("api.example.com", 443);
    socket.setNoDelay(true);
    for (const byte of HELLO) {
      socket.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await received(socket, HELLO.length)).toEqual(HELLO);
  });

  test("are waited for without keeping a host that speaks first", async () => {
    const one = await cage({ rules, hosts });
    const got: Buffer[] = [];
    await one.serve(PUBLIC, 22, (socket) => {
      socket.write("SSH-2.0-host\r\n");
      socket.on("data", (chunk: Buffer) => got.push(chunk));
    });
    const socket = await one.connect("api.example.com", 22);
    expect((await received(socket)).toString()).toBe("SSH-2.0-host\r\n");
    // And a greeting does not make what comes then go by unread.
    socket.write(hello("evil.test"));
    expect((await ending(socket)).how).toBe("reset");
    expect(refusals(one)).toMatchObject([{ what: "evil.test:22" }]);
    expect(got).toEqual([]);
  });

  test("may never come, where the host says it all", async () => {
    const one = await cage({ rules, hosts });
    await one.serve(PUBLIC, 22, (socket) => socket.end("the time"));
    expect(await ending(await one.connect("api.example.com", 22))).toEqual({
      bytes: Buffer.from("the time"),
      how: "end",
    });
  });

  test("may be none at all", async () => {
    const one = await cage({ rules, hosts });
    await one.serve(PUBLIC, 22, (socket) => socket.on("end", () => socket.end("nothing?")).resume());
    const socket = await one.connect("api.example.com", 22);
    socket.end();
    expect((await ending(socket)).bytes.toString()).toBe("nothing?");
  });

  test("that stop halfway do not leave", async () => {
    const one = await cage({ rules, hosts });
    const got: Buffer[] = [];
    await one.serve(PUBLIC, 80, (socket) => void socket.on("data", (chunk: Buffer) => got.push(chunk)));
    const socket = await one.connect("api.example.com", 80);
    socket.end("GET / HTTP/1.1\r\nHost: evil");
    expect((await ending(socket)).how).toBe("reset");
    expect(got).toEqual([]);
  });

  test("have ten seconds where TLS has to begin with them", async () => {
    const one = await cage({ rules, hosts });
    jest.useFakeTimers();
    const socket = await one.connect("api.example.com", 443);
    await until(() => jest.getTimerCount() > 0);
    const over = ending(socket);
    jest.advanceTimersByTime(9999);
    expect(one.egress.refused()).toEqual([]);
    jest.advanceTimersByTime(1);
    expect((await over).how).toBe("reset");
    const reason = "nothing that names the host was said within 10 seconds";
    expect(refusals(one)).toEqual([{ what: "api.example.com:443", reason, grant: undefined }]);
  });
});

test("a connection that is never answered is given up after ten seconds", async () => {
  const hosts = { "api.example.com": [PUBLIC] };
  let given: AbortSignal | undefined;
  const lookup = (_: string, signal: AbortSignal): Promise<never> => {
    given = signal;
    return new Promise(() => {});
  };
  const one = await cage({ rules: ["api.example.com:22"], hosts, lookup });
  jest.useFakeTimers();
  const socket = await one.connect("api.example.com", 22);
  await until(() => given !== undefined);
  const over = knocked(socket);
  jest.advanceTimersByTime(10_000);
  expect((await over).how).toBe("reset");
  expect(given?.aborted).toBe(true);
});

test("what is looked up for a client that left is not dialled", async () => {
  const { promise, resolve } = Promise.withResolvers<readonly string[]>();
  let given: AbortSignal | undefined;
  const lookup = (_: string, signal: AbortSignal): Promise<readonly string[]> => {
    given = signal;
    return promise;
  };
  const one = await cage({ rules: ["api.example.com:22"], lookup });
  const socket = await one.connect("api.example.com", 22);
  await until(() => given !== undefined);
  socket.resetAndDestroy();
  await until(() => given?.aborted === true);
  resolve([PUBLIC]);
  await new Promise((done) => setImmediate(done));
  expect(one.dialled).toEqual([]);
  expect(one.egress.traffic()[0]?.connections).toBe(0);
});

describe("what leads nowhere", () => {
  test("hears of it when it speaks, not before", async () => {
    const one = await cage({ rules: ["api.example.com:22"] });
    jest.useFakeTimers();
    for (const [host, port] of [
      ["127.9.9.9", 443],
      ["api.example.com", 22],
    ] as const) {
      const socket = await one.connect(host, port);
      let over = false;
      const reset = ending(socket).finally(() => (over = true));
      jest.advanceTimersByTime(999);
      await new Promise((resolve) => setImmediate(resolve));
      expect(over).toBe(false);
      socket.write("\0");
      expect((await reset).how).toBe("reset");
    }
  });

  test("hears of it after a second when it does not speak", async () => {
    const one = await cage({});
    jest.useFakeTimers();
    const socket = await one.connect("127.9.9.9", 443);
    await until(() => one.egress.refused().length === 1);
    const reset = ending(socket);
    jest.advanceTimersByTime(1000);
    expect((await reset).how).toBe("reset");
    expect(jest.getTimerCount()).toBe(0);
  });

  test("waits in small numbers only, and keeps nobody out", async () => {
    const one = await cage({ rules: ["127.9.9.8:443"] });
    await one.serve("127.9.9.8", 443, (socket) => void socket.write("!"));
    let gone = 0;
    for (let index = 0; index < 100; index++) {
      const socket = await one.connect("127.9.9.9", 443);
      void ending(socket).then(() => gone++);
    }
    await until(() => gone >= 30);
    expect((await received(await one.connect("127.9.9.8", 443))).toString()).toBe("!");
    expect(gone).toBeLessThan(100);
  });
});

describe("learning", () => {
  test("lets public hosts through on the ports it listens on, and writes them down", async () => {
    const hosts = { "api.example.com": [PUBLIC], "ssh.example.org": [PUBLIC] };
    const one = await cage({ rules: ["api.example.com:80"], hosts, learn: true });
    await one.serve(PUBLIC, 443, echo);
    await one.serve(PUBLIC, 22, echo);
    const tls = await one.connect("api.example.com", 443);
    tls.write(HELLO);
    await received(tls, HELLO.length);
    const ssh = await one.connect("ssh.example.org", 22);
    ssh.write("SSH-2.0-x\r\n");
    await received(ssh);
    expect(one.egress.learned()).toEqual(["api.example.com:443", "ssh.example.org:22"]);
    expect(one.egress.traffic().map(({ rule, connections }) => ({ rule, connections }))).toEqual([
      { rule: "api.example.com:80", connections: 0 },
      { rule: "api.example.com:443", connections: 1 },
      { rule: "ssh.example.org:22", connections: 1 },
    ]);
    expect(one.egress.refused()).toEqual([]);
  });

  test("does not write down what a rule allows, or what cannot be reached by anybody", async () => {
    const one = await cage({
      rules: ["api.example.com:22"],
      hosts: { "api.example.com": [PUBLIC] },
      learn: true,
    });
    await one.serve(PUBLIC, 22, (socket) => socket.end("hello"));
    await ending(await one.connect("api.example.com", 22));
    await knocked(await one.connect("nowhere.test", 22));
    expect(one.egress.learned()).toEqual([]);
    expect(one.egress.refused()).toEqual([]);
  });

  test("keeps hosts, private networks and metadata out", async () => {
    const hosts = { "a.test": ["127.0.0.1"], "b.test": ["10.0.0.1"], "c.test": ["169.254.169.254"] };
    const one = await cage({ hosts, learn: true });
    for (const host of [...Object.keys(hosts), "127.0.0.9"]) {
      expect((await knocked(await one.connect(host, 22))).how).toBe("reset");
    }
    expect(one.dialled).toEqual([]);
    expect(one.egress.learned()).toEqual([]);
    expect(one.egress.refused().map(({ what, grant }) => [what, grant])).toEqual([
      ["a.test:22", "a.test:22"],
      ["b.test:22", "b.test:22"],
      ["c.test:22", undefined],
      ["127.0.0.9:22", "127.0.0.9:22"],
    ]);
  });

  test("checks the name in TLS like any other", async () => {
    const one = await cage({ hosts: { "a.test": [PUBLIC] }, learn: true });
    const socket = await one.connect("a.test", 443);
    socket.write(hello("b.test"));
    expect((await ending(socket)).how).toBe("reset");
    expect(one.egress.learned()).toEqual([]);
  });
});

describe("limits", () => {
  test("256 connections, of which each one that ends makes room", async () => {
    const one = await cage({ rules: ["127.9.9.9:443"] });
    await one.serve("127.9.9.9", 443, (socket) => {
      socket.write("!");
      socket.once("end", () => socket.end()).resume();
    });
    const sockets: Socket[] = [];
    for (let index = 0; index < 256; index++) sockets.push(await one.connect("127.9.9.9", 443));
    await Promise.all(sockets.map((socket) => received(socket)));
    expect(one.egress.traffic()[0]?.open).toBe(256);
    expect((await knocked(await one.connect("127.9.9.9", 443))).how).toBe("reset");
    expect(refusals(one)).toEqual([
      { what: "another connection", reason: "a cage has at most 256 connections at once", grant: undefined },
    ]);
    sockets[0]?.destroy();
    await until(() => one.egress.traffic()[0]?.open === 255);
    expect((await received(await one.connect("127.9.9.9", 443))).toString()).toBe("!");
  });

  test("too many ports are refused when it is made", () => {
    const rules = Array.from({ length: 201 }, (_, index) => hostRule(`a.test:${index + 1000}`));
    const make = (): Egress =>
      new Egress({ server: "a", rules, learn: false, onRefused: () => {}, log: nullLog, now: () => 0 });
    expect(make).toThrow(AppError);
    expect(make).toThrow("at most 200 different ports");
  });

  test("the descriptors fit into one message", () => {
    const rules = Array.from({ length: 200 }, (_, index) => hostRule(`a.test:${index + 10_000}`));
    const egress = new Egress({
      server: "a",
      rules,
      learn: true,
      onRefused: () => {},
      log: nullLog,
      now: () => 0,
    });
    expect(egress.listeners().length).toBeLessThanOrEqual(253);
  });
});

describe("listeners", () => {
  const listenersOf = (rules: readonly string[], learn = false): readonly string[] =>
    new Egress({
      server: "a",
      rules: rules.map(hostRule),
      learn,
      onRefused: () => {},
      log: nullLog,
      now: () => 0,
    })
      .listeners()
      .map(({ protocol, address, port }) => `${protocol} ${address}:${port}`);
  const inner = ["udp 127.0.0.1:53", "tcp 127.0.0.1:53", "tcp 127.0.0.1:3128"];

  test("are those of the rules and of the web", () => {
    expect(listenersOf([])).toEqual([...inner, "tcp 0.0.0.0:80", "tcp 0.0.0.0:443"]);
    expect(listenersOf(["a.test:5432", "b.test:443", "c.test:22"])).toEqual([
      ...inner,
      "tcp 0.0.0.0:22",
      "tcp 0.0.0.0:80",
      "tcp 0.0.0.0:443",
      "tcp 0.0.0.0:5432",
    ]);
  });

  test("are more while learning, each port once", () => {
    const learning = listenersOf(["a.test:5432"], true);
    expect(learning).toContain("tcp 0.0.0.0:22");
    expect(new Set(learning).size).toBe(learning.length);
  });

  test("share a port that the cage itself needs", async () => {
    expect(listenersOf(["proxy.test:3128", "9.9.9.9:53"])).toEqual([
      "udp 127.0.0.1:53",
      "tcp 0.0.0.0:53",
      "tcp 0.0.0.0:3128",
      "tcp 0.0.0.0:80",
      "tcp 0.0.0.0:443",
    ]);
    const one = await cage({ rules: ["proxy.test:3128"], hosts: { "proxy.test": [PUBLIC] } });
    await one.serve(PUBLIC, 3128, (socket) => socket.end("the other proxy"));
    expect((await ending(await one.connect("proxy.test", 3128))).bytes.toString()).toBe("the other proxy");
    const own = await one.connect("127.0.0.1", 3128);
    own.write("GET / HTTP/1.1\r\n\r\n");
    expect((await ending(own)).bytes.toString()).toStartWith("HTTP/1.1 405 ");
  });
});

describe("DNS", () => {
  test("over TCP answers one query after the other", async () => {
    const one = await cage({ rules: ["api.example.com:443"] });
    const socket = await one.connect("127.0.0.1", 53);
    const [good, bad] = [dnsQuery("api.example.com", { id: 1 }), dnsQuery("evil.test", { id: 2 })];
    const framed = Buffer.concat([good, bad].flatMap((query) => [Buffer.from([0, query.length]), query]));
    socket.write(framed.subarray(0, 20));
    await new Promise((resolve) => setImmediate(resolve));
    socket.end(framed.subarray(20));
    const { bytes, how } = await ending(socket);
    expect(how).toBe("end");
    const first = bytes.readUInt16BE(0);
    expect(readAnswer(bytes.subarray(2, 2 + first))).toMatchObject({ id: 1, addresses: ["127.64.0.1"] });
    expect(readAnswer(bytes.subarray(4 + first))).toMatchObject({ id: 2, rcode: 3 });
  });

  const broken: readonly [what: string, bytes: Buffer][] = [
    ["a message that is too long", Buffer.from([0x20, 0])],
    ["something that gets no answer", Buffer.from([0, 1, 0])],
    [
      "hundreds at once",
      Buffer.concat(Array(200).fill(Buffer.concat([Buffer.from([0, 19]), dnsQuery("a.b")]))),
    ],
  ];
  test.each(broken)("over TCP ends %s", async (_, bytes) => {
    const one = await cage({});
    const socket = await one.connect("127.0.0.1", 53);
    socket.write(bytes);
    await ending(socket);
  });

  test("over TCP ends who says nothing", async () => {
    const one = await cage({});
    jest.useFakeTimers();
    const socket = await one.connect("127.0.0.1", 53);
    await until(() => jest.getTimerCount() > 0);
    const over = ending(socket);
    jest.advanceTimersByTime(10_000);
    await over;
  });

  test("survives what is no query", async () => {
    const one = await cage({ rules: ["api.example.com:443"] });
    const { createSocket } = await import("node:dgram");
    const client = createSocket("udp4");
    for (const junk of ["", "x", "\0".repeat(12), "\xff".repeat(5000)]) {
      client.send(Buffer.from(junk, "latin1"), one.realPort("udp", 53), "127.0.0.1");
    }
    expect((await one.ask("api.example.com")).addresses).toEqual(["127.64.0.1"]);
    client.close();
  });
});

describe("what is told", () => {
  test("is what was refused since a moment", async () => {
    const one = await cage({});
    await one.ask("a.test");
    one.clock.now += 1000;
    await one.ask("b.test");
    expect(one.egress.refusedSince(one.clock.now).map(({ what }) => what)).toEqual(["b.test"]);
    expect(one.egress.refusedSince(one.clock.now + 1)).toEqual([]);
    one.clock.now += 1000;
    await one.ask("a.test");
    expect(one.egress.refusedSince(one.clock.now)).toMatchObject([{ what: "a.test", count: 2 }]);
  });

  test("is told once in ten seconds, whatever a server does", async () => {
    const one = await cage({});
    for (let index = 0; index < 50; index++) {
      await one.ask("a.test");
      await knocked(await one.connect("127.9.9.9", 443));
    }
    expect(one.announced).toHaveLength(2);
    expect(one.logLines.filter((line) => line.includes("refused"))).toHaveLength(2);
    expect(one.egress.refused().map(({ count }) => count)).toEqual([50, 50]);
  });
});

describe("closing", () => {
  test("ends every connection and frees every descriptor", async () => {
    const before = readdirSync("/proc/self/fd").length;
    const one = await standIn({ rules: ["api.example.com:22"], hosts: { "api.example.com": [PUBLIC] } });
    await one.egress.listenProxy();
    await one.serve(PUBLIC, 22, (socket) => void socket.write("hi"));
    const socket = await one.connect("api.example.com", 22);
    await received(socket);
    const idle = await one.connect("api.example.com", 443);
    const both = Promise.all([ending(socket), ending(idle)]);
    await one.egress.close();
    expect((await both).map(({ how }) => how)).toEqual(["reset", "reset"]);
    await until(() => one.egress.traffic()[0]?.open === 0);
    await one.close();
    await until(() => readdirSync("/proc/self/fd").length <= before);
    // A second time it means nothing.
    await one.egress.close();
  });

  test("while it takes listeners over leaves none", async () => {
    const before = readdirSync("/proc/self/fd").length;
    const one = await standIn({ adopt: false });
    const fds = one.egress.listeners().map(({ protocol, address }) => openListener(protocol, address).fd);
    const adopted = one.egress.adopt(fds);
    await one.egress.close();
    await adopted;
    await one.close();
    await until(() => readdirSync("/proc/self/fd").length <= before);
  });

  test("descriptors that do not fit are closed", async () => {
    const before = readdirSync("/proc/self/fd").length;
    const one = await standIn({ adopt: false });
    const fds = [openListener("udp", "127.0.0.1").fd, openListener("tcp", "127.0.0.1").fd];
    expect(one.egress.adopt(fds)).rejects.toThrow("has 5 listeners, and 2 came out of it");
    const wrong = one.egress.listeners().map(() => openListener("udp", "127.0.0.1").fd);
    expect(one.egress.adopt(wrong)).rejects.toThrow("could not take over a socket");
    await until(() => readdirSync("/proc/self/fd").length <= before);
    await one.close();
  });
});
