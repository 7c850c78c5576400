import { describe, expect, test } from "bun:test";
import { childEnvironment, RESERVED_VARIABLES } from "../../src/cage/environment.ts";

const WORK = "/srv/work/files";
const OWN_PLACES = {
  HOME: WORK,
  TMPDIR: `${WORK}/tmp`,
  XDG_CACHE_HOME: `${WORK}/.cache`,
  XDG_CONFIG_HOME: `${WORK}/.config`,
  XDG_DATA_HOME: `${WORK}/.local/share`,
  XDG_STATE_HOME: `${WORK}/.local/state`,
};
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

test("an empty host still gives a working environment", () => {
  expect(childEnvironment({}, {}, WORK)).toEqual({ ...OWN_PLACES, LANG: "C.UTF-8", PATH: DEFAULT_PATH });
});

describe("from the host", () => {
  const passes = {
    LANG: "de_DE.UTF-8",
    LANGUAGE: "de:en",
    LC_ALL: "de_DE.UTF-8",
    LC_CTYPE: "C.UTF-8",
    TZ: "Europe/Berlin",
    SSL_CERT_FILE: "/etc/ssl/company.pem",
    SSL_CERT_DIR: "/etc/ssl/certs",
    NODE_EXTRA_CA_CERTS: "/etc/ssl/company.pem",
    REQUESTS_CA_BUNDLE: "/etc/ssl/company.pem",
    CURL_CA_BUNDLE: "/etc/ssl/company.pem",
  };
  test.each(Object.entries(passes))("%s passes", (name, value) => {
    expect(childEnvironment({ [name]: value }, {}, WORK)).toHaveProperty(name, value);
  });

  const stays = `
    BUN_BE_BUN BUN_OPTIONS BUN_INSTALL BUN_CONFIG_TOKEN NODE_OPTIONS NODE_PATH NODE_ENV
    LD_PRELOAD LD_LIBRARY_PATH PYTHONPATH PYTHONSTARTUP ENV BASH_ENV IFS
    TOOLCRIB_HOME TOOLCRIB_SECRET_KEY CREDENTIALS_DIRECTORY NOTIFY_SOCKET LISTEN_FDS
    AWS_SECRET_ACCESS_KEY GITHUB_TOKEN NPM_TOKEN npm_config__auth SSH_AUTH_SOCK
    HTTP_PROXY https_proxy TERM COLORTERM USER LOGNAME SHELL DISPLAY
    XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS PWD OLDPWD LC_ LC_lower XLC_ALL __proto__`;
  test.each(stays.trim().split(/\s+/))("%s does not", (name) => {
    const host = Object.fromEntries([[name, "from the host"]]);
    const env = childEnvironment(host, {}, WORK);
    expect(Object.keys(env)).not.toContain(name);
    expect(Object.values(env)).not.toContain("from the host");
  });

  test("not its home and its directories", () => {
    const host = { HOME: "/root", TMPDIR: "/tmp", XDG_CONFIG_HOME: "/root/.config" };
    expect(childEnvironment(host, {}, WORK)).toMatchObject(OWN_PLACES);
  });

  test.each([
    { path: "/opt/bin:/usr/bin", found: "/opt/bin:/usr/bin" },
    { path: ":/usr/bin::.:bin:./x:/bin:", found: "/usr/bin:/bin" },
    { path: "", found: DEFAULT_PATH },
    { path: ".:", found: DEFAULT_PATH },
    { path: undefined, found: DEFAULT_PATH },
  ])("PATH $path becomes $found: nothing is looked up in the current directory", ({ path, found }) => {
    expect(childEnvironment({ PATH: path }, {}, WORK)["PATH"]).toBe(found);
  });
});

describe("from the specification", () => {
  test("anything wins over the host and the defaults", () => {
    const given = {
      PATH: "bin",
      HOME: "/home/x",
      TMPDIR: "/tmp",
      LANG: "C",
      NODE_OPTIONS: "--inspect",
      EMPTY: "",
    };
    expect(childEnvironment({ PATH: "/usr/bin", LANG: "fr" }, given, WORK)).toMatchObject(given);
  });

  test("except what would turn a program into another one", () => {
    const given = {
      BUN_BE_BUN: "1",
      BUN_OPTIONS: "--preload /tmp/x.js",
      BUN_CONFIG_REGISTRY: "https://r.example",
    };
    const env = childEnvironment({}, given, WORK);
    for (const name of RESERVED_VARIABLES) expect(env).not.toHaveProperty(name);
    expect(env).toHaveProperty("BUN_CONFIG_REGISTRY", "https://r.example");
  });

  test("is not changed by the call", () => {
    const given = Object.freeze({ BUN_OPTIONS: "x" });
    childEnvironment(Object.freeze({}), given, WORK);
    expect(given).toEqual({ BUN_OPTIONS: "x" });
  });
});
