import { expect, test } from "bun:test";
import { join } from "node:path";
import { failure, type Place, place, server } from "./fixture.ts";

function startWriter(at: Place) {
  return Bun.spawn([process.execPath, join(import.meta.dir, "writer.ts"), at.path], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
}

async function firstLine(child: ReturnType<typeof startWriter>): Promise<string> {
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  return text.trim();
}

test("another process is refused while one has it, and gets it when that one is killed", async () => {
  using at = place();
  const child = startWriter(at);
  try {
    expect(await firstLine(child)).toBe("open");
    const error = failure(() => at.open());
    expect(error).toMatchObject({ code: "conflict", exitCode: 5, details: { path: at.directory } });
    expect(error.message).toStartWith(`Another Toolcrib is running on ${at.directory}: `);
    expect(() => at.open()).toThrow("Another Toolcrib is running");
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
  at.open().insertServer(server("a"));
});

test("in one process too, and being refused ends nobody's lock", async () => {
  using at = place();
  const store = at.open();
  for (let round = 0; round < 3; round++) expect(failure(() => at.open()).code).toBe("conflict");
  const child = startWriter(at);
  expect(await firstLine(child)).toBe("conflict");
  expect(await child.exited).toBe(0);
  store.insertServer(server("a"));

  store.close();
  const next = at.open();
  store.close();
  expect(failure(() => at.open()).code).toBe("conflict");
  expect(next.listServers()).toEqual([server("a")]);
});

test("a store that could not be opened leaves the place free", () => {
  using at = place();
  at.open().close();
  expect(failure(() => at.open({ migrations: [] })).code).toBe("bad-configuration");
  expect(at.open().listServers()).toEqual([]);
});
