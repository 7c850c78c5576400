import { expect, test } from "bun:test";
import { describeServer } from "../../src/cli/server-facts.ts";
import { SERVER_STATES } from "../../src/model/server-state.ts";
import { fakeServer } from "../http/api/fake-admin.ts";

test("all that is known is said", () => {
  const text = describeServer(
    fakeServer("files", {
      state: "crash-loop",
      reason: "It exits with code 1: no such directory",
      pid: 4711,
      exits: 6,
      nextStartAt: "2026-11-22T10:05:00.123Z",
      inFlight: 2,
      package: { name: "@a/b", version: "1.2.3", integrity: "sha512-xyz" },
      env: ["API_KEY"],
      read: ["/srv/a", "/srv/b"],
      write: ["/srv/c"],
      network: ["example.com:443"],
      unknownKeys: ["autoApprove"],
      revision: "2025-06-18",
      serverInfo: { name: "b", version: "1" },
      lastCrash: "first\nlast\n",
    }),
  );
  for (const part of [
    "crash-loop since 2026-11-22 10:00:00Z, pid 4711",
    "It exits with code 1: no such directory",
    "toolcrib restart files",
    "@a/b@1.2.3",
    "sha512-xyz",
    "/srv/b",
    "example.com:443",
    "API_KEY",
    "autoApprove (not acted on)",
    "b 1",
    "2 tools, 0 prompts",
    "6 unexpected",
    "2026-11-22 10:05:00Z",
    "The end of its stderr at the last crash:\n  first\n  last\n",
  ]) {
    expect(text).toContain(part);
  }
});

test("what a server says of itself cannot steer the terminal", () => {
  const evil = "\x1b[2Jevil\x07\u202e";
  const text = describeServer(
    fakeServer("a", {
      reason: evil,
      runs: evil,
      serverInfo: { name: evil },
      toolNames: [evil],
      lastCrash: `${evil}\r\n`,
    }),
  );
  expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
});

test.each(SERVER_STATES)("%s is said, and what to do next where there is something to do", (state) => {
  const text = describeServer(fakeServer("files", { state }));
  expect(text).toContain(`state`);
  expect(text.includes("next ")).toBe(!["ready", "starting", "stopped"].includes(state));
});
