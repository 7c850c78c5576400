// The official clients as they behave by themselves: each revision that they can speak, the stream that they open again
// when it breaks, sessions that end, notifications, progress and cancelling.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { type Appliance, Crib } from "./appliance.ts";
import { sdk, small } from "./servers.ts";
import { serverOf, textOf } from "./views.ts";
import { until, within } from "./wait.ts";

setDefaultTimeout(60_000);

const INFO = { name: "official", version: "1.0.0" };
const FAST = {
  initialReconnectionDelay: 20,
  maxReconnectionDelay: 100,
  reconnectionDelayGrowFactor: 1,
  maxRetries: 50,
};
const REVISIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] as const;

let crib: Crib;
let appliance: Appliance;
let token: string;
/** Every client of a test; closed after all. */
const opened: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await crib.serve();
  await crib.ok("add", "--yes", "--name", "sdk", ...sdk());
  token = (await crib.ok("token", "create", "agent")).trim();
});
afterAll(async () => {
  await Promise.all(opened.map((client) => client.close()));
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
});

type Fetch = (input: string | URL, init?: RequestInit) => Promise<Response>;

function headers() {
  return { headers: { authorization: `Bearer ${token}` } };
}

/** A client of the 1.x line that asks for `revision`: it knows only how to ask for the newest. */
async function openV1(
  options: { url?: URL; revision?: string; fetch?: Fetch; onToolsChanged?: () => void } = {},
) {
  const { url = appliance.mcp(), revision, fetch: own = fetch } = options;
  const asking: Fetch = (input, init) => {
    const { body } = init ?? {};
    if (revision === undefined || typeof body !== "string") return own(input, init);
    const asked = body.replace(/("method":"initialize".*"protocolVersion":")[^"]*/, `$1${revision}`);
    return own(input, { ...init, body: asked });
  };
  const transport = new TransportV1(url, {
    requestInit: headers(),
    fetch: asking,
    reconnectionOptions: FAST,
  });
  const client = new ClientV1(INFO, listening(options.onToolsChanged));
  await client.connect(transport);
  opened.push(client);
  return { client, transport };
}

type Mode = "legacy" | "auto" | { pin: string };

async function openV2(mode: Mode, onToolsChanged?: () => void) {
  const transport = new TransportV2(appliance.mcp(), { requestInit: headers(), reconnectionOptions: FAST });
  const client = new ClientV2(INFO, { versionNegotiation: { mode }, ...listening(onToolsChanged) });
  await client.connect(transport);
  opened.push(client);
  return { client, transport };
}

function listening(onChanged: (() => void) | undefined) {
  if (onChanged === undefined) return {};
  return { listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged } } };
}

/** What every client can do, whatever it speaks. */
async function tryAll(client: ClientV1 | ClientV2): Promise<void> {
  expect((await client.listTools()).tools.map(({ name }) => name)).toContain("sdk__structured");
  const { structuredContent } = await client.callTool({ name: "sdk__structured", arguments: { text: "é" } });
  expect(structuredContent).toEqual({ text: "é", length: 1 });
  const failed = await client.callTool({ name: "sdk__fail", arguments: { message: "no" } });
  expect(failed).toMatchObject({ isError: true, content: [{ text: "no" }] });
  expect((await client.listPrompts()).prompts).toHaveLength(2);
  const prompt = await client.getPrompt({ name: "sdk__greeting", arguments: { who: "Ann" } });
  expect(prompt.messages).toMatchObject([{ content: { text: "Say hello to Ann." } }]);
  expect((await client.listResources()).resources).toHaveLength(2);
  expect((await client.listResourceTemplates()).resourceTemplates).toHaveLength(1);
  const read = await client.readResource({ uri: "test://item/7" });
  expect(read.contents).toMatchObject([{ text: "item 7" }]);
  await expect(client.callTool({ name: "sdk__none", arguments: {} })).rejects.toMatchObject({ code: -32602 });
}

describe("every revision", () => {
  test.each(REVISIONS)("%s with the 1.x client", async (revision) => {
    const { client, transport } = await openV1({ revision });
    expect(transport.protocolVersion).toBe(revision);
    expect(client.getServerVersion()?.name).toBe("toolcrib");
    expect(await client.ping()).toEqual({});
    await tryAll(client);
    await expect(client.readResource({ uri: "none://" })).rejects.toMatchObject({ code: -32002 });
  });

  const MODES: readonly (readonly [Mode, string])[] = [
    ["legacy", "2025-11-25"],
    ["auto", "2026-07-28"],
    [{ pin: "2026-07-28" }, "2026-07-28"],
  ];
  test.each(MODES)("with the 2.x client, %p: %s", async (mode, revision) => {
    const { client } = await openV2(mode);
    expect(client.getNegotiatedProtocolVersion()).toBe(revision);
    await tryAll(client);
    // The server's own words; its code is that of a session, which the other revision has not.
    const missing = revision === "2026-07-28" ? -32602 : -32002;
    await expect(client.readResource({ uri: "test://item/$" })).rejects.toMatchObject({ code: missing });
  });

  test("and a client that is closed leaves no session", async () => {
    for (const { client, transport } of [await openV1(), await openV2("legacy")]) {
      const { sessionId = "" } = transport;
      await transport.terminateSession();
      await client.close();
      const answer = await fetch(appliance.mcp(), {
        method: "DELETE",
        headers: { ...headers().headers, "mcp-session-id": sessionId },
      });
      expect(answer.status).toBe(404);
    }
  });
});

describe("a handler of list_changed is called", () => {
  const CLIENTS: readonly (readonly [string, (onChanged: () => void) => Promise<unknown>])[] = [
    ["1.x client", (onToolsChanged) => openV1({ onToolsChanged })],
    ["2.x client", (onToolsChanged) => openV2("legacy", onToolsChanged)],
  ];
  test.each(CLIENTS)("of the %s", async (name, open) => {
    let calls = 0;
    await open(() => calls++);
    const server = `other_${name.slice(0, 1)}`;
    const steps = [
      ["add", "--yes", "--name", server, ...small()],
      ["disable", server],
      ["enable", server],
      ["rm", server],
      ["call", "sdk__add_tool", JSON.stringify({ name: `late_${server}` })],
    ];
    for (const words of steps) {
      const before = calls;
      await crib.ok(...words);
      await until(`the handler is called after ${words[0]}`, () => calls > before);
    }
  });

  test("also when the change came while its stream was broken", async () => {
    let calls = 0;
    const streams: AbortController[] = [];
    let mayConnect = true;
    const { client } = await openV1({
      onToolsChanged: () => calls++,
      // The network between: a GET can be cut, and kept from coming back.
      async fetch(input, init) {
        if (init?.method !== "GET") return fetch(input, init);
        if (!mayConnect) throw new TypeError("no network");
        const cut = new AbortController();
        const response = await fetch(input, {
          ...init,
          signal: AbortSignal.any([cut.signal, init.signal ?? cut.signal]),
        });
        streams.push(cut);
        return response;
      },
    });
    await until("the stream is open", () => streams.length === 1);
    for (const round of [1, 2]) {
      const before = calls;
      mayConnect = false;
      streams.at(-1)?.abort();
      await crib.ok("call", "sdk__add_tool", JSON.stringify({ name: `unheard_${round}` }));
      await until("the tool is listed", async () =>
        (await client.listTools()).tools.some(({ name }) => name === `sdk__unheard_${round}`),
      );
      expect(calls).toBe(before);
      mayConnect = true;
      await until("the stream is open again", () => streams.length === round + 1);
      await until("the handler is called", () => calls > before);
    }
  });
});

describe("a long call", () => {
  const MODES: readonly (readonly [string, () => Promise<{ client: ClientV1 | ClientV2 }>])[] = [
    ["1.x", () => openV1()],
    ["2.x, legacy", () => openV2("legacy")],
    ["2.x, pinned", () => openV2({ pin: "2026-07-28" })],
  ];

  test.each(MODES)("goes on as long as there is progress (%s)", async (_name, open) => {
    const { client } = await open();
    const seen: number[] = [];
    const options = {
      timeout: 1_500,
      resetTimeoutOnProgress: true,
      onprogress: ({ progress }: { progress: number }) => seen.push(progress),
    };
    expect(textOf(await callSlow(client, 2_400, options))).toBe("done");
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  test.each(MODES)("is cancelled, before its first progress and after it (%s)", async (_name, open) => {
    const { client } = await open();
    for (const ms of [600_000, 4_000]) {
      const cancelled = await cancellations();
      const abort = new AbortController();
      const progress = Promise.withResolvers<void>();
      const pending = callSlow(client, ms, { signal: abort.signal, onprogress: () => progress.resolve() });
      const outcome = pending.then(
        () => "answered",
        () => "rejected",
      );
      if (ms === 4_000) await within("progress", progress.promise);
      else await until("the call is at the server", async () => (await serverOf(crib, "sdk")).inFlight === 1);
      abort.abort("enough");
      expect(await within("the call ends", outcome)).toBe("rejected");
      await until("the server has heard of it", async () => (await cancellations()) === cancelled + 1);
      expect((await serverOf(crib, "sdk")).inFlight).toBe(0);
      expect(textOf(await client.callTool({ name: "sdk__echo", arguments: { text: "still here" } }))).toBe(
        "still here",
      );
    }
  });
});

/** Last, because it takes the sessions of all others. */
test("after a restart of the appliance a client is told 404, and a new session works", async () => {
  const [v1, v2, modern] = [await openV1(), await openV2("legacy"), await openV2({ pin: "2026-07-28" })];
  const port = new URL(appliance.url).port;
  await appliance.stop("SIGKILL");
  appliance = await crib.serve({ args: ["--listen", `127.0.0.1:${port}`] });
  for (const { client } of [v1, v2]) {
    const lost: unknown = await client.listTools().catch((error: unknown) => error);
    expect(String(lost)).toMatch(/404|begin again with initialize/);
  }
  // Without a session there is none to lose.
  await tryAll(modern.client);
  await tryAll((await openV1()).client);
  await tryAll((await openV2("legacy")).client);
});

function callSlow(client: ClientV1 | ClientV2, ms: number, options: object): Promise<unknown> {
  const params = { name: "sdk__slow", arguments: { ms } };
  return client instanceof ClientV1
    ? client.callTool(params, undefined, options)
    : client.callTool(params, options);
}

/** How often the server heard that nobody waits any more. */
async function cancellations(): Promise<number> {
  return (await crib.ok("logs", "sdk")).split("slow: cancelled").length - 1;
}
