// What goes through the executable comes out as it went in: on a server's own endpoint byte for byte, on the merged one
// but for the names, in the modern era but for what the revision adds and takes away. For every kind of message that is
// forwarded, to a server on stdio and to one behind a URL.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type HttpFace, openHttpFace } from "../contract/http-face.ts";
import { ODD_RESULT } from "../servers/raw/answers.ts";
import {
  MIRROR_TOOLS,
  ODD_ERROR,
  ODD_PROGRESS,
  ODD_PROMPT,
  ODD_RESOURCE,
  ODD_TEMPLATE,
  ODD_TOOL,
  ODD_VALUE,
} from "../servers/raw/mirror.ts";
import { ACCEPT_BOTH, Agent } from "./agent.ts";
import { type Appliance, Crib } from "./appliance.ts";
import { raw } from "./servers.ts";

setDefaultTimeout(60_000);

const MODERN = "2026-07-28";
const META = "io.modelcontextprotocol";

let crib: Crib;
let appliance: Appliance;
let token: string;
let face: HttpFace;
/** By endpoint. */
const sessions = new Map<string, Agent>();

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await crib.serve();
  face = openHttpFace(raw("mirror"));
  await crib.ok("add", "--yes", "--name", "here", ...raw("mirror"));
  await crib.ok("add", "--yes", "--name", "there", face.url);
  token = (await crib.ok("token", "create", "agent")).trim();
  for (const name of [undefined, "here", "there"]) {
    sessions.set(name ?? "", await Agent.open(appliance.mcp(name), token));
  }
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await face.close();
  await crib.remove();
});

/** Where a message goes in, and under which names the server's own are known there. */
interface Way {
  readonly server: "here" | "there";
  /** The server's own endpoint. */
  readonly own: boolean;
}
const WAYS: readonly Way[] = (["here", "there"] as const).flatMap((server) =>
  [true, false].map((own) => ({ server, own })),
);
const nameOn = ({ server, own }: Way, name: string): string => (own ? name : `${server}__${name}`);

/** The text of each message that comes back, in order. */
async function exchange(
  way: Way,
  message: string,
  headers: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const response = await fetch(appliance.mcp(way.own ? way.server : undefined), {
    method: "POST",
    headers: { "content-type": "application/json", accept: ACCEPT_BOTH, ...headers },
    body: message,
  });
  const text = await response.text();
  if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) return [text];
  return text.split("\n\n").flatMap((event) => /^data: (.*)$/m.exec(event)?.[1] ?? []);
}

function legacy(way: Way, message: string, accept = ACCEPT_BOTH): Promise<readonly string[]> {
  const session = sessions.get(way.own ? way.server : "");
  if (session === undefined) throw new Error("no session");
  return exchange(way, message, { ...session.headers, accept });
}

function modern(way: Way, method: string, name: string, message: string): Promise<readonly string[]> {
  return exchange(way, message, {
    authorization: `Bearer ${token}`,
    "mcp-protocol-version": MODERN,
    "mcp-method": method,
    "mcp-name": name,
  });
}

/** A request in an order and with spaces of its own. */
const request = (id: string, method: string, params: string): string =>
  ` { "params":${params} , "id" : ${id} ,"method":"${method}","jsonrpc":"2.0","vendor":1.0}`;
const answer = (id: string, result: string): string => `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
const reflected = (params: string): string => `{"params":${params} ,"content":[]}`;

interface Forwarded {
  readonly method: string;
  /** What `Mcp-Name` says of the request. */
  readonly named: (way: Way) => string;
  /** Params with this `_meta`; `name` is `raw` as the addressee knows it. */
  readonly params: (name: string, meta: string) => string;
  /** Only on a server's own endpoint. */
  readonly ownOnly?: true;
}

const FORWARDED: readonly Forwarded[] = [
  {
    method: "tools/call",
    named: (way) => nameOn(way, "raw"),
    params: (name, meta) => `{"arguments":${ODD_VALUE} , "name":"${name}" ,"_meta":${meta},"vendor":1.0}`,
  },
  {
    method: "prompts/get",
    named: (way) => nameOn(way, "raw"),
    params: (name, meta) => `{"_meta" : ${meta}, "arguments":${ODD_VALUE},"name" :"${name}"}`,
  },
  {
    method: "resources/read",
    named: () => "mirror://a",
    params: (_name, meta) => `{"vendor":${ODD_VALUE},"uri":"mirror:\\/\\/\\u0061","_meta":${meta} }`,
  },
  {
    method: "resources/read",
    named: () => "mirror://t/é",
    params: (_name, meta) => `{"uri" : "mirror://t/\\u00e9","_meta":${meta}}`,
  },
  {
    method: "completion/complete",
    named: () => "",
    params: (_name, meta) => `{"ref":${ODD_VALUE},"_meta":${meta},"argument":{"name":"a","value":"é"}}`,
    ownOnly: true,
  },
];
const VENDOR: Forwarded = {
  method: "vendor/\\u00e9",
  named: () => "",
  params: (_name, meta) => `{"any":${ODD_VALUE},"_meta":${meta}}`,
  ownOnly: true,
};

const OWN_META = `"traceparent":"00-x" , "vendor/x":${ODD_VALUE}`;
const ENVELOPE = `"${META}/protocolVersion":"${MODERN}","${META}/clientCapabilities":{}`;

describe.each(WAYS.map((way) => [`${way.own ? "its own endpoint" : "/mcp"} of ${way.server}`, way] as const))(
  "on %s",
  (_about, way) => {
    const forwarded = (kinds: readonly Forwarded[]): readonly Forwarded[] =>
      kinds.filter(({ ownOnly }) => way.own || ownOnly !== true);

    test("params and results of a session are the same bytes, whatever it can read", async () => {
      for (const accept of [ACCEPT_BOTH, "application/json", "text/event-stream"]) {
        for (const { method, params } of forwarded([...FORWARDED, VENDOR])) {
          const sent = request('"é"', method, params(nameOn(way, "raw"), `{${OWN_META}}`));
          const arrived = params("raw", `{${OWN_META}}`);
          expect(await legacy(way, sent, accept)).toEqual([answer('"é"', reflected(arrived))]);
        }
      }
    });

    test("those of a modern request too, but for its envelope and the stamps", async () => {
      for (const { method, named, params } of forwarded(FORWARDED)) {
        const sent = request("7", method, params(nameOn(way, "raw"), `{${ENVELOPE},${OWN_META}}`));
        const arrived = params("raw", `{${OWN_META.replace(" , ", ",")}}`);
        const name = `=?base64?${Buffer.from(named(way)).toString("base64")}?=`;
        const [message = ""] = await modern(way, method, name, sent);
        expect(message).toStartWith(`{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete",`);
        expect(message).toEndWith(`,${reflected(arrived).slice(1)}}`);
        const stamps = message.slice(0, -reflected(arrived).length - 1);
        expect(Object.keys(JSON.parse(`${stamps}}}`).result)).toEqual(
          method === "resources/read"
            ? ["resultType", "ttlMs", "cacheScope", "_meta"]
            : ["resultType", "_meta"],
        );
      }
    });

    test("ids of all kinds come back as they were sent", async () => {
      const name = nameOn(way, "raw");
      const ids = [
        "0",
        "-1",
        "1.50",
        "1e3",
        "9007199254740993",
        '""',
        '"7"',
        '"\\u00e9\\ud83d\\ude00 \\/"',
        '"é😀"',
      ];
      for (const id of ids) {
        const sent = request(id, "tools/call", `{"name":"${name}"}`);
        expect(await legacy(way, sent)).toEqual([answer(id, reflected('{"name":"raw"}'))]);
      }
      const all = ids.map((id) =>
        legacy(way, request(id, "tools/call", `{"name":"${name}","arguments":{"of":${id}}}`)),
      );
      for (const [index, messages] of (await Promise.all(all)).entries()) {
        const id = ids[index] ?? "";
        expect(messages).toEqual([answer(id, reflected(`{"name":"raw","arguments":{"of":${id}}}`))]);
      }
    });

    test("odd results and errors are the same bytes", async () => {
      expect(await legacy(way, request("1", "tools/call", `{"name":"${nameOn(way, "odd")}"}`))).toEqual([
        answer("1", ODD_RESULT),
      ]);
      expect(await legacy(way, request("1", "tools/call", `{"name":"${nameOn(way, "error")}"}`))).toEqual([
        `{"jsonrpc":"2.0","id":1,"error":${ODD_ERROR}}`,
      ]);
      const modernError = request(
        "1",
        "tools/call",
        `{"name":"${nameOn(way, "error")}","_meta":{${ENVELOPE}}}`,
      );
      expect(await modern(way, "tools/call", nameOn(way, "error"), modernError)).toEqual([
        `{"jsonrpc":"2.0","id":1,"error":${ODD_ERROR}}`,
      ]);
    });

    test("progress has the caller's own token, and all else of it is the server's", async () => {
      for (const mark of [
        '"text"',
        '"\\u00e9é"',
        '""',
        "7",
        "0",
        "-1",
        "1.50",
        "1e400",
        "9007199254740993",
      ]) {
        const told = `{"jsonrpc":"2.0","method":"notifications/progress","params":${ODD_PROGRESS(mark)}}`;
        const params = (name: string, own = mark): string =>
          `{"_meta":{"a":1, "progressToken" : ${own} ,"b":2},"name":"${name}"}`;
        const sent = request("1", "tools/call", params(nameOn(way, "progress")));
        const [progress, result, ...more] = await legacy(way, sent);
        expect(progress).toBe(told);
        // The server got a token of the appliance's own, and nothing else of the params is another.
        const own = /"progressToken" : (\d+) /.exec(result ?? "")?.[1] ?? "";
        expect(result).toBe(answer("1", reflected(params("progress", own))));
        expect(more).toEqual([]);
        expect(await legacy(way, sent, "application/json")).toHaveLength(1);
      }
      // What is no token is none, and goes through.
      const none = (name: string): string => `{"_meta":{"progressToken":{"a":1.0}},"name":"${name}"}`;
      expect(await legacy(way, request("1", "tools/call", none(nameOn(way, "raw"))))).toEqual([
        answer("1", reflected(none("raw"))),
      ]);
    });

    test("lists have the server's bytes", async () => {
      const lists = [
        ["tools/list", "tools", MIRROR_TOOLS.map((name) => ODD_TOOL(nameOn(way, name)))],
        ["prompts/list", "prompts", [ODD_PROMPT(nameOn(way, "raw"))]],
        ["resources/list", "resources", [ODD_RESOURCE]],
        ["resources/templates/list", "resourceTemplates", [ODD_TEMPLATE]],
      ] as const;
      for (const [method, member, elements] of lists) {
        const [ofSession = ""] = await legacy(way, request("1", method, "{}"));
        const modernRequest = request("1", method, `{"_meta":{${ENVELOPE}}}`);
        const [ofRequest = ""] = await modern(way, method, "", modernRequest);
        for (const element of elements) {
          expect(ofSession).toContain(element);
          expect(ofRequest).toContain(element);
        }
        if (!way.own) continue;
        expect(ofSession).toBe(answer("1", `{"${member}":[${elements.join()}]}`));
        expect(ofRequest).toEndWith(`,"${member}":[${elements.join()}]}}`);
      }
    });

    test("line breaks become spaces, for stdio has a message a line; nothing else does", async () => {
      const pretty = (name: string): string =>
        `{\r\n\t"name": "${name}",\n\n  "arguments": { "a":\r"b\\n" }\n}`;
      const arrived = pretty("raw").replaceAll(/[\r\n]/g, " ");
      expect(await legacy(way, request("1", "tools/call", pretty(nameOn(way, "raw"))))).toEqual([
        answer("1", reflected(arrived)),
      ]);
    });
  },
);
