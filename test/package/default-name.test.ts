// The names that servers get by themselves, and that every one of them is valid.

import { expect, test } from "bun:test";
import * as v from "valibot";
import { ServerName } from "../../src/model/server-spec.ts";
import { understand } from "../../src/package/command-line.ts";
import { defaultName, defaultNameOfUrl, toServerName } from "../../src/package/default-name.ts";

const COMMANDS = [
  ["npx -y @modelcontextprotocol/server-everything", "everything"],
  ["npx -y @modelcontextprotocol/server-filesystem@2026.8.31 /srv", "filesystem"],
  ["npx server-filesystem", "filesystem"],
  ["npx @playwright/mcp@latest", "playwright"],
  ["npx @acme/mcp-server", "acme"],
  ["npx @foo/bar-mcp-server", "bar"],
  ["npx @upstash/context7-mcp", "context7"],
  ["npx mcp-server-kubernetes", "kubernetes"],
  ["npx mcp", "mcp"],
  ["npx -p @acme/tools tool", "tools"],
  ["uvx mcp-server-fetch", "fetch"],
  ["uvx mcp-server-git@1.2.3", "git"],
  ["uvx --from awslabs.core-mcp-server core", "awslabs-core"],
  ["uvx --from mcp[cli] mcp run x.py", "mcp"],
  ["uv run --with mcp-server-git python -m mcp_server_git", "git"],
  ["uv tool run mcp-server-time==1.2", "time"],
  ["uv --directory /opt/weather run server.py", "server"],
  ["uv run /opt/weather/main.py", "weather"],
  ["pipx run mcp-server-git", "git"],
  ["python3 -m mcp_server_time", "time"],
  ["python3.12 /opt/weather/weather.py", "weather"],
  ["node /opt/my-thing/dist/index.js", "my-thing"],
  ["node", "node"],
  ["docker run -i image", "docker"],
  ["/opt/bin/notes-server.sh", "notes"],
  ["/", "server"],
  ["日本語", "server"],
] as const;

test.each(COMMANDS)("%s → %s", (line, expected) => {
  const [command = "", ...args] = line.split(" ");
  const name = defaultName(understand(command, args));
  expect(name).toBe(expected);
  expect(v.is(ServerName, name)).toBe(true);
});

test.each([
  ["https://mcp.example.com/mcp", "example"],
  ["https://example.com/", "example"],
  ["https://api.githubcopilot.com/mcp/", "githubcopilot"],
  ["https://docs.mcp.cloudflare.com/sse", "cloudflare"],
  ["https://tools.example.co.uk/mcp", "example"],
  ["http://localhost:3000/mcp", "localhost"],
  ["http://127.0.0.1:3000/mcp", "127-0-0-1"],
  ["http://[::1]:3000/mcp", "1"],
  ["https://mcp.dev/", "mcp"],
  ["nonsense", "server"],
] as const)("%s → %s", (url, expected) => {
  expect(defaultNameOfUrl(url)).toBe(expected);
});

test.each([
  ["My Server", "my-server"],
  ["a__b", "a_b"],
  ["-a-", "a"],
  ["", "server"],
  ["__proto__", "proto"],
  ["x".repeat(60), "x".repeat(40)],
  [`${"x".repeat(39)}-y`, "x".repeat(39)],
  ["a-_-b", "a-_-b"],
] as const)("name %j → %s", (text, expected) => {
  expect(toServerName(text)).toBe(expected);
  expect(v.is(ServerName, toServerName(text))).toBe(true);
});
