// One run of uv as data: its arguments, and the little that it may know of the appliance's environment. Called by
// pypi-steps.ts; whoever confines installations wraps what is made here.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { InstallStep } from "./installer-child.ts";
import { indexAddress } from "./pypi-index.ts";

// How to reach an index, who certifies it, and how long to wait for it. Variables that change what is installed are
// not among them, and neither are those that make uv run another program.
const PASSED = (
  "PATH HOME XDG_CONFIG_HOME LANG NETRC " +
  "HTTP_PROXY http_proxy HTTPS_PROXY https_proxy ALL_PROXY all_proxy NO_PROXY no_proxy " +
  "SSL_CERT_FILE SSL_CERT_DIR SSL_CLIENT_CERT UV_INSECURE_HOST UV_HTTP_TIMEOUT UV_HTTP_RETRIES " +
  "UV_PYTHON_INSTALL_MIRROR UV_PYTHON_DOWNLOADS_JSON_URL"
).split(" ");
/** More indices than one: only where nobody named the one to use. */
const MORE_INDICES = ["UV_INDEX", "UV_EXTRA_INDEX_URL"];
const INDEX_CREDENTIALS = /^UV_INDEX_[A-Z0-9_]+_(?:USERNAME|PASSWORD)$/;

/** Where distributions keep the certificates that they trust. */
const TRUST_STORES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

const FILES_OF_PYPI = "https://files.pythonhosted.org/";
const PROXIES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

export interface UvScene {
  /** Absolute. */
  readonly uv: string;
  /** The appliance's own environment; only a list of names passes. */
  readonly host: Readonly<Record<string, string | undefined>>;
  /** Wins over the index of the environment. */
  readonly registry: string | undefined;
  /** What was downloaded stays below it for the next installation; may be emptied at any time. */
  readonly cacheDirectory: string;
  /** Where it works. */
  readonly staging: string;
  /** Addresses that the index is known to send for files to. */
  readonly fileAddresses: readonly string[];
}

/** @param reads paths that it needs beside uv itself, such as an interpreter's home */
export function uvStep(scene: UvScene, args: readonly string[], reads: readonly string[]): InstallStep {
  return {
    argv: [scene.uv, ...args],
    env: uvEnvironment(scene),
    cwd: scene.staging,
    writes: [scene.staging, scene.cacheDirectory],
    reads: [scene.uv, ...reads],
    reaches: indexHosts(scene),
  };
}

function uvEnvironment({
  host,
  registry,
  cacheDirectory,
  staging,
}: UvScene): Readonly<Record<string, string>> {
  const names = [
    ...PASSED,
    ...(registry === undefined ? MORE_INDICES : []),
    ...Object.keys(host).filter((name) => INDEX_CREDENTIALS.test(name)),
  ];
  const passed = names.flatMap((name) => (host[name] ? [[name, host[name]] as const] : []));
  return {
    HOME: homedir(),
    ...Object.fromEntries(passed),
    // NB: an address may hold a password, so it is not an argument.
    UV_DEFAULT_INDEX: indexAddress(host, registry),
    UV_CACHE_DIR: join(cacheDirectory, "uv"),
    // Inside the staging directory, so that what an interrupted run leaves is swept with it.
    TMPDIR: staging,
    UV_PYTHON_DOWNLOADS: "never",
    UV_NO_PROGRESS: "1",
    // A company's own index is often certified by an authority of its own. Older versions know the second name.
    ...(TRUST_STORES.some((path) => existsSync(path)) ? { UV_SYSTEM_CERTS: "1", UV_NATIVE_TLS: "1" } : {}),
    NO_COLOR: "1",
  };
}

/** `host:port` of what an installation has reason to reach. */
function indexHosts({ host, registry, fileAddresses }: UvScene): readonly string[] {
  const more = registry === undefined ? MORE_INDICES.flatMap((name) => (host[name] ?? "").split(/\s+/)) : [];
  const proxies = PROXIES.map((name) => host[name] ?? "");
  const addresses = [indexAddress(host, registry), FILES_OF_PYPI, ...more, ...fileAddresses, ...proxies];
  return [...new Set(addresses.flatMap((address) => hostAndPort(address) ?? []))];
}

function hostAndPort(address: string): string | undefined {
  const url = URL.parse(address.replace(/^[\w.-]+=(?=https?:)/i, ""));
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  return `${url.hostname}:${url.port || (url.protocol === "https:" ? "443" : "80")}`;
}
