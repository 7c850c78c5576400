// What a run of uv is told and may reach: a table, from environments to steps.

import { expect, test } from "bun:test";
import { type UvScene, uvStep } from "../../src/package/uv-step.ts";

const SCENE: UvScene = {
  uv: "/vault/tools/uv-1/uv",
  host: {},
  registry: undefined,
  cacheDirectory: "/cache",
  staging: "/vault/.staging-x",
  fileAddresses: [],
};

function step(more: Partial<UvScene>) {
  return uvStep({ ...SCENE, ...more }, ["pip", "compile"], ["/opt/python"]);
}

test("is complete, and knows nothing of the appliance that it does not need", () => {
  const host = {
    PATH: "/usr/bin",
    HOME: "/home/joe",
    SSL_CERT_FILE: "/etc/own.pem",
    HTTPS_PROXY: "http://proxy.example.com:3128",
    UV_INDEX_INTERNAL_USERNAME: "joe",
    UV_INDEX_INTERNAL_PASSWORD: "sekret",
    UV_INDEX: "internal=https://internal.example.com/simple",
    UV_EXTRA_INDEX_URL: "http://a.example.com:8080/simple https://b.example.com/simple",
    TOOLCRIB_TOKEN: "sekret",
    AWS_SECRET_ACCESS_KEY: "sekret",
    UV_CONFIG_FILE: "/evil.toml",
    UV_PYTHON: "/evil",
    UV_CACHE_DIR: "/evil",
    UV_NO_VERIFY_HASHES: "1",
    UV_NO_BINARY: "1",
    UV_OVERRIDE: "/evil.txt",
    VIRTUAL_ENV: "/evil",
    PYTHONPATH: "/evil",
    PYTHONSTARTUP: "/evil",
    LD_PRELOAD: "/evil.so",
    BUN_OPTIONS: "--preload=/evil",
  };
  const { argv, cwd, writes, reads, reaches, env } = step({ host });
  expect({ argv, cwd, writes, reads }).toEqual({
    argv: ["/vault/tools/uv-1/uv", "pip", "compile"],
    cwd: "/vault/.staging-x",
    writes: ["/vault/.staging-x", "/cache"],
    reads: ["/vault/tools/uv-1/uv", "/opt/python"],
  });
  expect(reaches).toEqual([
    "pypi.org:443",
    "files.pythonhosted.org:443",
    "internal.example.com:443",
    "a.example.com:8080",
    "b.example.com:443",
    "proxy.example.com:3128",
  ]);
  const { UV_SYSTEM_CERTS: _, UV_NATIVE_TLS: __, ...rest } = env;
  expect(rest).toEqual({
    PATH: "/usr/bin",
    HOME: "/home/joe",
    SSL_CERT_FILE: "/etc/own.pem",
    HTTPS_PROXY: "http://proxy.example.com:3128",
    UV_INDEX_INTERNAL_USERNAME: "joe",
    UV_INDEX_INTERNAL_PASSWORD: "sekret",
    UV_INDEX: "internal=https://internal.example.com/simple",
    UV_EXTRA_INDEX_URL: "http://a.example.com:8080/simple https://b.example.com/simple",
    UV_DEFAULT_INDEX: "https://pypi.org/simple/",
    UV_CACHE_DIR: "/cache/uv",
    TMPDIR: "/vault/.staging-x",
    UV_PYTHON_DOWNLOADS: "never",
    UV_NO_PROGRESS: "1",
    NO_COLOR: "1",
  });
});

test("the index that was named is the only one, and its password is no argument", () => {
  const registry = "https://joe:sekret@mirror.example.com:8443/simple";
  const host = { UV_INDEX: "https://other.example.com/", UV_DEFAULT_INDEX: "https://usual.example.com/" };
  const { argv, env, reaches } = step({ registry, host, fileAddresses: ["https://files.example.com"] });
  expect(env["UV_DEFAULT_INDEX"]).toBe(`${registry}/`);
  expect(env["UV_INDEX"]).toBeUndefined();
  expect(reaches).toEqual(["mirror.example.com:8443", "files.pythonhosted.org:443", "files.example.com:443"]);
  expect(argv.join(" ")).not.toContain("sekret");
});

test.each([
  [{ UV_DEFAULT_INDEX: "https://a/", UV_INDEX_URL: "https://b/", PIP_INDEX_URL: "https://c/" }, "https://a/"],
  [{ UV_INDEX_URL: "https://b/", PIP_INDEX_URL: "https://c/" }, "https://b/"],
  [{ PIP_INDEX_URL: "https://c/simple" }, "https://c/simple/"],
  [{ UV_DEFAULT_INDEX: "" }, "https://pypi.org/simple/"],
])("%j", (host, expected) => {
  expect(step({ host }).env["UV_DEFAULT_INDEX"]).toBe(expected);
});
