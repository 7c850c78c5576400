import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createClient, pathOf } from "../../src/cli/client.ts";
import { paths } from "../../src/paths.ts";

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

function home(): string {
  const directory = mkdtempSync(join(tmpdir(), "client-"));
  ends.push(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, "run"));
  return directory;
}

function client(directory: string, signal = new AbortController().signal) {
  return createClient({ paths: paths({}, 1000, directory), uid: 1000, signal });
}

/** Answers each request with these bytes, and hangs up. */
function answering(directory: string, bytes: string) {
  const listener = Bun.listen({
    unix: join(directory, "run", "admin.sock"),
    socket: {
      data(socket) {
        socket.end(bytes);
      },
    },
  });
  ends.push(() => listener.stop(true));
}

describe("an appliance that is not there", () => {
  const told = { code: "unreachable", message: expect.stringContaining("toolcrib serve --home ") };

  test("no socket", async () => {
    await expect(client(home()).json("GET", "/servers")).rejects.toMatchObject(told);
  });

  test("no directory", async () => {
    await expect(client(join(home(), "absent")).json("GET", "/servers")).rejects.toMatchObject(told);
  });

  test("something else in its place", async () => {
    const directory = home();
    writeFileSync(join(directory, "run", "admin.sock"), "");
    await expect(client(directory).json("GET", "/servers")).rejects.toMatchObject(told);
  });

  test("a socket that nobody listens on any more", async () => {
    const directory = home();
    const socket = join(directory, "run", "admin.sock");
    const script = `Bun.listen({ unix: ${JSON.stringify(socket)}, socket: { data() {} } }); process.kill(process.pid, "SIGKILL")`;
    await Bun.spawn([process.execPath, "-e", script], { stdout: "ignore", stderr: "ignore" }).exited;
    await expect(client(directory).json("GET", "/servers")).rejects.toMatchObject(told);
  });

  test("a service is started by its unit or by hand", async () => {
    const where = { ...paths({}, 1000, home()), layout: "service" as const };
    const service = createClient({ paths: where, uid: 0, signal: new AbortController().signal });
    const start = expect.stringMatching(/start it with "(toolcrib serve|systemctl start toolcrib)"/);
    await expect(service.json("GET", "/servers")).rejects.toMatchObject({
      code: "unreachable",
      message: start,
    });
  });
});

test("a socket that this user may not use", async () => {
  const directory = home();
  answering(directory, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
  chmodSync(join(directory, "run"), 0o000);
  ends.push(() => chmodSync(join(directory, "run"), 0o700));
  // Root may do all, so that a child gives its rights up first.
  const script = `
    const { createClient } = await import(${JSON.stringify(resolve(import.meta.dir, "../../src/cli/client.ts"))});
    const { paths } = await import(${JSON.stringify(resolve(import.meta.dir, "../../src/paths.ts"))});
    if (process.getuid() === 0) { process.setgroups([]); process.setgid(65534); process.setuid(65534); }
    const uid = process.getuid();
    const client = createClient({ paths: paths({}, uid, ${JSON.stringify(directory)}), uid, signal: new AbortController().signal });
    await client.json("GET", "/servers").catch((error) => console.log(error.code, error.exitCode, error.message));`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  expect(await new Response(child.stdout).text()).toMatch(
    /^denied 4 uid \d+ may not use .* run this as root or as the user/,
  );
});

describe("answers that are none", () => {
  test("another program", async () => {
    const directory = home();
    answering(directory, "HTTP/1.1 500 No\r\ncontent-length: 5\r\n\r\nhello");
    await expect(client(directory).json("GET", "/servers")).rejects.toMatchObject({ code: "internal" });
  });

  test("one that is cut off", async () => {
    const directory = home();
    answering(directory, "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{");
    await expect(client(directory).json("GET", "/servers")).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("went away"),
    });
  });

  test("a problem with a code that is not known here", async () => {
    const directory = home();
    const body = '{"code":"brand-new","detail":"x"}';
    answering(directory, `HTTP/1.1 400 No\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await expect(client(directory).json("GET", "/servers")).rejects.toMatchObject({ code: "internal" });
  });
});

test("what is interrupted says so", async () => {
  const directory = home();
  const listener = Bun.listen({ unix: join(directory, "run", "admin.sock"), socket: { data() {} } });
  ends.push(() => listener.stop(true));
  const interruption = new AbortController();
  const answer = client(directory, interruption.signal).json("GET", "/servers");
  interruption.abort();
  await expect(answer).rejects.toMatchObject({ code: "interrupted", exitCode: 130 });
});

test("names become one part of a path", () => {
  expect(pathOf`/tokens/${"a/b ?#ü%"}`).toBe("/tokens/a%2Fb%20%3F%23%C3%BC%25");
});
