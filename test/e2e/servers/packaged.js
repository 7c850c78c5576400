#!/usr/bin/env node
// The program of a package in the loopback registry: one tool, `greet`, on plain Node built-ins.
import { createInterface } from "node:readline";

const results = {
  initialize: {
    protocolVersion: "2025-11-25",
    capabilities: { tools: {} },
    serverInfo: { name: "packaged", version: "1.0.0" },
  },
  "tools/list": { tools: [{ name: "greet", inputSchema: { type: "object" } }] },
  "tools/call": { content: [{ type: "text", text: "hello from the package" }] },
  ping: {},
};

console.error("packaged server starts");
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method } = JSON.parse(line);
  if (id === undefined) return;
  const result = results[method];
  const answer = result === undefined ? { error: { code: -32601, message: "no such method" } } : { result };
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, ...answer })}\n`);
});
