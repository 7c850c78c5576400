import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { AppError } from "../src/errors.ts";
import { Secret } from "../src/secret.ts";
import { readTable } from "../src/setting-sources.ts";
import { readSettings, SETTING_NAMES } from "../src/settings.ts";

const directory = mkdtempSync(join(tmpdir(), "settings-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}
const none = join(directory, "none.toml");

function read(given: { flags?: Record<string, string>; env?: Record<string, string>; toml?: string }) {
  const settingsFile = given.toml === undefined ? none : file("toolcrib.toml", given.toml);
  return readSettings({ flags: given.flags ?? {}, env: given.env ?? {}, settingsFile });
}

function failure(act: () => unknown): AppError {
  try {
    act();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

test("defaults", () => {
  expect(read({}).settings).toEqual({
    listen: { host: "127.0.0.1", port: 7700 },
    logLevel: "info",
    maxBodyBytes: 64 * 1024 * 1024,
    maxLineBytes: 64 * 1024 * 1024,
    maxQueuedBytes: 80 * 1024 * 1024,
    startTimeoutMs: 60_000,
    callTimeoutMs: 600_000,
    parallelStarts: 4,
    idleStopMs: 900_000,
    hostMemoryBytes: "auto",
    hostProcesses: 16_384,
    maxInstancesPerServer: 64,
    maxInstances: 500,
    vaultMaxBytes: 20 * 1024 ** 3,
    cageWithout: [],
    maxSessions: 10_000,
    sessionIdleMs: 8 * 3_600_000,
    allowedHosts: [],
    allowedOrigins: [],
  });
});

test("the names follow from the key", () => {
  expect(SETTING_NAMES.find(({ key }) => key === "maxBodyBytes")).toEqual({
    key: "maxBodyBytes",
    flag: "--max-body-bytes",
    env: "TOOLCRIB_MAX_BODY_BYTES",
    fileKey: "max_body_bytes",
    fallback: "64MiB",
    help: "Largest request body of an agent",
  });
  expect(SETTING_NAMES.filter(({ help }) => help === "")).toEqual([]);
});

describe("precedence", () => {
  const toml = "log_level = 'error' # quiet";
  const twin = { TOOLCRIB_LOG_LEVEL_FILE: file("level", "warn\n") };
  const variable = { ...twin, TOOLCRIB_LOG_LEVEL: "debug" };
  const rows: [string, Parameters<typeof read>[0], string, string][] = [
    ["default", {}, "info", "default"],
    ["file", { toml }, "error", join(directory, "toolcrib.toml")],
    ["_FILE", { toml, env: twin }, "warn", `TOOLCRIB_LOG_LEVEL_FILE (${join(directory, "level")})`],
    ["variable", { toml, env: variable }, "debug", "TOOLCRIB_LOG_LEVEL"],
    ["flag", { toml, env: variable, flags: { logLevel: "info" } }, "info", "--log-level"],
    ["an empty variable is not set", { env: { TOOLCRIB_LOG_LEVEL: "" } }, "info", "default"],
  ];
  test.each(rows)("%s", (_, given, value, source) => {
    const { settings, views } = read(given);
    expect(String(settings.logLevel)).toBe(value);
    expect(views.find(({ key }) => key === "log_level")).toMatchObject({ value, source });
  });
});

describe("values that are understood", () => {
  const rows: [string, Record<string, string>, Record<string, unknown>][] = [
    ["IPv6", { listen: "[::1]:7700" }, { listen: { host: "::1", port: 7700 } }],
    ["any port", { listen: "localhost:0" }, { listen: { host: "localhost", port: 0 } }],
    ["a size", { maxLineBytes: "2 KiB" }, { maxLineBytes: 2048 }],
    ["a plain size", { maxLineBytes: "4096" }, { maxLineBytes: 4096 }],
    ["a duration", { callTimeoutMs: "90s" }, { callTimeoutMs: 90_000 }],
    ["milliseconds", { callTimeoutMs: "250ms" }, { callTimeoutMs: 250 }],
    [
      "a list",
      { allowedHosts: "Tools.example.com, 10.0.0.5:80,," },
      { allowedHosts: ["tools.example.com", "10.0.0.5:80"] },
    ],
    ["an origin", { allowedOrigins: "https://a.example" }, { allowedOrigins: ["https://a.example"] }],
    ["a public URL", { publicUrl: "https://Tools.example.com/" }, { publicUrl: "https://tools.example.com" }],
  ];
  test.each(rows)("%s", (_, flags, expected) => {
    expect(read({ flags }).settings).toMatchObject(expected);
  });

  test("in the file: numbers, text and arrays", () => {
    const toml =
      'max_body_bytes = 1_048_576\nstart_timeout_ms = "2m"\nallowed_hosts = [\n  "a.example",\n  "b.example",\n]';
    const { settings, views } = read({ toml });
    expect(settings).toMatchObject({
      maxBodyBytes: 1_048_576,
      startTimeoutMs: 120_000,
      allowedHosts: ["a.example", "b.example"],
    });
    expect(views.find(({ key }) => key === "allowed_hosts")?.value).toBe("a.example, b.example");
  });
});

describe("values that are refused, without being repeated", () => {
  const rows: [string, string][] = [
    ["listen", "7700"],
    ["listen", "::1:7700"],
    ["listen", "[zz]:1"],
    ["listen", "127.0.0.300:80"],
    ["listen", "host:65536"],
    ["listen", "host:-1"],
    ["listen", ""],
    ["maxBodyBytes", "0"],
    ["maxBodyBytes", "-5"],
    ["maxBodyBytes", "1.5MiB"],
    ["maxBodyBytes", "9999999999999999999"],
    ["maxBodyBytes", "10m"],
    ["callTimeoutMs", "5MiB"],
    ["callTimeoutMs", "25h"],
    ["parallelStarts", "many"],
    ["logLevel", "verbose"],
    ["publicUrl", "tools.example.com"],
    ["publicUrl", "ftp://tools.example.com"],
    ["publicUrl", "https://user:hunter2@tools.example.com"],
    ["publicUrl", "https://tools.example.com/path?x"],
    ["allowedHosts", "http://tools.example.com"],
    ["allowedOrigins", "tools.example.com"],
    ["allowedHosts", Array.from({ length: 65 }, (_, index) => `h${index}`).join()],
  ];
  test.each(rows)("%s = %s", (key, value) => {
    const name = SETTING_NAMES.find((candidate) => candidate.key === key);
    if (name === undefined) throw new Error(key);

    const flag = failure(() => read({ flags: { [key]: value } }));
    expect(flag).toMatchObject({
      code: "usage",
      exitCode: 2,
      details: { source: name.flag, key: name.fileKey },
    });
    expect(flag.message).toStartWith(`${name.flag}: ${name.fileKey} `);
    expect(flag.message).not.toContain("hunter2");
    if (value === "") return;

    const variable = failure(() => read({ env: { [name.env]: value } }));
    expect(variable).toMatchObject({
      code: "bad-configuration",
      exitCode: 78,
      details: { source: name.env },
    });
  });

  test("a queue smaller than the largest body", () => {
    const error = failure(() => read({ flags: { maxQueuedBytes: "1MiB" } }));
    expect(error.message).toContain("max_queued_bytes must not be less than max_body_bytes");
    expect(failure(() => read({ flags: { maxBodyBytes: "1GiB" } })).code).toBe("bad-configuration");
    expect(read({ flags: { maxBodyBytes: "1KiB", maxQueuedBytes: "1KiB" } }).settings.maxQueuedBytes).toBe(
      1024,
    );
  });
});

describe("a bad toolcrib.toml", () => {
  const path = join(directory, "toolcrib.toml");
  const rows: [string, string, number | undefined, string][] = [
    ["unknown key", "# c\n\nlistn = 'x'", 3, 'no setting is called "listn"; did you mean "listen"?'],
    ["unknown key, nothing near", "zebra_crossing = 1", 1, 'no setting is called "zebra_crossing".'],
    ["swapped letters", '"max_boyd_bytes" = 1', 1, 'did you mean "max_body_bytes"?'],
    ["a table", "log_level='info'\n[server]\nlisten = 'x'", 2, 'no setting is called "server"'],
    ["home, which cannot stand here", "home = '/x'", 1, 'no setting is called "home"'],
    ["a prototype's name", "constructor = 1", 1, 'no setting is called "constructor"'],
    ["wrong value", "\nlog_level = 'loud'", 2, "log_level must be debug, info, warn or error."],
    ["wrong type", "log_level = true", 1, "log_level must be debug, info, warn or error."],
    ["wrong type for a list", "allowed_hosts = [1, 2]", 1, "allowed_hosts must be names"],
    ["a date", "listen = 1979-05-27", 1, "listen must be text"],
    ["an infinite number", "max_sessions = inf", 1, "max_sessions must be a whole number"],
    ["not TOML", "log_level = 'info'\nlisten = \nmax_sessions = 1", 2, "this is not TOML: "],
    ["an open array", "log_level = 'info'\n# hosts\nallowed_hosts = ['a',\n'b'", 3, "this is not TOML: "],
    ["a key twice", "log_level = 'info'\n\nlog_level = 'info'", 3, "this is not TOML: "],
    ["binary", "\u0000\u0001", 1, "this is not TOML: "],
    ["a mistake in a very long file", `${"#\n".repeat(1100)}=`, undefined, "this is not TOML: "],
    ["too large", "#".repeat(70_000), undefined, "is larger than 65536 bytes"],
  ];
  test.each(rows)("%s", (_, toml, line, sentence) => {
    const error = failure(() => read({ toml }));
    expect(error).toMatchObject({ code: "bad-configuration", exitCode: 78 });
    expect(error.message).toStartWith(line === undefined ? path : `${path}:${line}: `);
    expect(error.message).toContain(sentence);
    expect(error.details?.["line"]).toBe(line);
  });

  test("a directory in its place", () => {
    const error = failure(() => readSettings({ flags: {}, env: {}, settingsFile: directory }));
    expect(error).toMatchObject({ code: "bad-configuration" });
    expect(error.message).toBe(`${directory} cannot be read (EISDIR).`);
  });
});

describe("a bad _FILE", () => {
  test("missing", () => {
    const error = failure(() => read({ env: { TOOLCRIB_LISTEN_FILE: none } }));
    expect(error.message).toBe(`TOOLCRIB_LISTEN_FILE names ${none}, and there is no such file.`);
    expect(error.exitCode).toBe(78);
  });

  test("wrong contents are not repeated", () => {
    const path = file("wrong", "hunter2");
    const error = failure(() => read({ env: { TOOLCRIB_LISTEN_FILE: path } }));
    expect(error.message).toStartWith(`TOOLCRIB_LISTEN_FILE (${path}): listen must be host:port`);
    expect(JSON.stringify([error.message, error.details])).not.toContain("hunter2");
  });

  test("home has none: it says where files are", () => {
    expect(read({ env: { TOOLCRIB_HOME_FILE: file("home", "/x") } }).settings.home).toBeUndefined();
    expect(read({ env: { TOOLCRIB_HOME: "/x" } }).settings.home).toBe("/x");
  });
});

test("a secret setting is shown as [secret]", () => {
  const table = v.object({
    apiKey: v.pipe(
      v.optional(
        v.pipe(
          v.string(),
          v.transform((text) => new Secret(text)),
        ),
      ),
      v.description("A key"),
    ),
  });
  const given = { flags: {}, env: { TOOLCRIB_API_KEY: "hunter2" }, settingsFile: none };
  const { settings, views } = readTable(table, given);
  expect(settings.apiKey?.expose()).toBe("hunter2");
  expect(views).toEqual([{ key: "api_key", value: "[secret]", source: "TOOLCRIB_API_KEY", help: "A key" }]);
  expect(readTable(table, { ...given, env: {} }).views).toMatchObject([{ value: "", source: "default" }]);
});
