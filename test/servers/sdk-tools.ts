// What the SDK test servers offer: tools, prompts and resources as plain data and functions, without any SDK.
// sdk-v1.ts and sdk-v2.ts put it on the wire; both face tests that expect equal answers.

import { writeSync } from "node:fs";

/** What a running call may do beside answering. */
export interface CallContext {
  readonly signal: AbortSignal;
  progress(progress: number, total: number, message: string): Promise<void>;
}

export interface ToolDefinition {
  readonly name: string;
  readonly title?: string;
  readonly description: string;
  readonly inputSchema: ObjectSchema;
  readonly outputSchema?: ObjectSchema;
  readonly annotations?: { readOnlyHint: boolean };
}

/** A type, not an interface: both SDKs want an index signature. */
type ObjectSchema = {
  type: "object";
  properties?: Record<string, { type: string }>;
  required?: string[];
};

export interface ToolResult {
  content: { type: "text"; text: string }[];
  structuredContent?: Record<string, unknown>;
  isError?: boolean;
  readonly [key: string]: unknown;
}

/** The offer of one process; sessions share it. */
export interface Offer {
  readonly tools: readonly ToolDefinition[];
  /** Undefined for a tool that is not there. */
  call(name: string, args: Arguments, context: CallContext): Promise<ToolResult> | undefined;
  /** Called after a tool was added. Returns the function that ends it. */
  onToolsChanged(listener: () => void): () => void;
}

export type Arguments = Readonly<Record<string, unknown>>;
type Run = (args: Arguments, context: CallContext) => ToolResult | Promise<ToolResult>;

const MAX_ADDED_TOOLS = 1000;
/** Above any message that a test sends. */
export const MAX_MESSAGE_BYTES = 128 * 1024 * 1024;
export const INSTRUCTIONS = "A test server. Tool names say what they do.";

export function createOffer(): Offer {
  const listeners = new Set<() => void>();
  const tools = new Map<string, { definition: ToolDefinition; run: Run }>();

  const define = (
    name: string,
    description: string,
    properties: Record<string, { type: string }>,
    run: Run,
  ): void => {
    const inputSchema: ObjectSchema = { type: "object", properties, required: Object.keys(properties) };
    tools.set(name, { definition: { name, description, inputSchema }, run });
  };

  define("echo", "Returns its text.", { text: STRING }, ({ text: given }) => text(String(given)));
  define("add", "Adds two numbers.", { a: NUMBER, b: NUMBER }, ({ a, b }) =>
    text(String(Number(a) + Number(b))),
  );
  define("slow", "Takes its time, with four progress notifications.", { ms: NUMBER }, slow);
  define("big", "Returns a text of so many bytes.", { bytes: NUMBER }, ({ bytes }) =>
    text("x".repeat(Number(bytes))),
  );
  define("size", "Returns the length of its text.", { text: STRING }, (args) =>
    text(String(args["text"]).length + ""),
  );
  define("fail", "Fails as a tool, not as a protocol.", { message: STRING }, ({ message }) => ({
    ...text(String(message)),
    isError: true,
  }));
  define("env", "Returns a variable of its environment, or unset.", { name: STRING }, ({ name }) =>
    text(process.env[String(name)] ?? "unset"),
  );
  define("pid", "Returns its process id.", {}, () => text(String(process.pid)));
  define("crash", "Ends the process.", { message: STRING }, ({ message }) => crash(String(message)));
  define("add_tool", "Adds a tool that answers its own name.", { name: STRING }, ({ name }) => {
    if (tools.size >= MAX_ADDED_TOOLS) return { ...text("too many tools"), isError: true };
    define(String(name), "Added later.", {}, () => text(String(name)));
    for (const listener of listeners) listener();
    return text("added");
  });
  tools.set("structured", { definition: STRUCTURED, run: structured });

  return {
    get tools() {
      return [...tools.values()].map(({ definition }) => definition);
    },
    call(name, args, context) {
      const run = tools.get(name)?.run;
      return run === undefined ? undefined : Promise.resolve(run(args, context));
    },
    onToolsChanged(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export const PROMPTS = [
  { name: "greeting", description: "Greets somebody.", arguments: [{ name: "who", required: true }] },
  { name: "plain", title: "Plain prompt", description: "Always the same." },
];

/** Undefined for a prompt that is not there. */
export function promptText(name: string, args: Arguments | undefined): string | undefined {
  if (name === "greeting") return `Say hello to ${String(args?.["who"])}.`;
  return name === "plain" ? "Say something plain." : undefined;
}

export const RESOURCES = [
  { uri: "test://readme", name: "readme", mimeType: "text/plain" },
  { uri: "test://pixel", name: "pixel", mimeType: "image/gif" },
];
export const RESOURCE_TEMPLATES = [{ uriTemplate: "test://item/{id}", name: "item", mimeType: "text/plain" }];

/** Undefined for a resource that is not there. */
export function resourceContents(
  uri: string,
): { uri: string; mimeType: string; text: string } | Blob64 | undefined {
  if (uri === "test://readme") return { uri, mimeType: "text/plain", text: "Read me: ünïcode too." };
  if (uri === "test://pixel") return { uri, mimeType: "image/gif", blob: "R0lGODlhAQABAAAAACwAAAAAAQABAAA=" };
  const id = /^test:\/\/item\/(\w+)$/.exec(uri)?.[1];
  return id === undefined ? undefined : { uri, mimeType: "text/plain", text: `item ${id}` };
}

interface Blob64 {
  readonly uri: string;
  readonly mimeType: string;
  readonly blob: string;
}

const STRING = { type: "string" };
const NUMBER = { type: "number" };

const STRUCTURED: ToolDefinition = {
  name: "structured",
  title: "Structured",
  description: "Returns its text as structured content.",
  inputSchema: { type: "object", properties: { text: STRING }, required: ["text"] },
  outputSchema: {
    type: "object",
    properties: { text: STRING, length: NUMBER },
    required: ["text", "length"],
  },
  annotations: { readOnlyHint: true },
};

function structured(args: Arguments): ToolResult {
  const structuredContent = { text: String(args["text"]), length: String(args["text"]).length };
  return { ...text(JSON.stringify(structuredContent)), structuredContent };
}

/** Says on stderr when it is cancelled, so that a test can see the cancellation arrive. */
async function slow(args: Arguments, { signal, progress }: CallContext): Promise<ToolResult> {
  const steps = 4;
  for (let step = 1; step <= steps && !signal.aborted; step++) {
    await pause(Number(args["ms"]) / steps, signal);
    if (!signal.aborted) await progress(step, steps, `step ${step}`);
  }
  if (!signal.aborted) return text("done");
  process.stderr.write("slow: cancelled\n");
  return text("cancelled");
}

function crash(message: string): never {
  writeSync(2, `crash: ${message}\n`);
  process.exit(3);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(() => clearTimeout(timer));
}

function text(value: string): ToolResult {
  return { content: [{ type: "text", text: value }] };
}
