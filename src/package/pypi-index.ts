// The Python package index that is configured, and what the appliance itself fetches from it: lists of files (PEP 691,
// or HTML as in PEP 503) and files. Called by uv-wheel.ts; uv, which fetches all other packages, gets the same address
// from uv-step.ts.

import { readFile } from "node:fs/promises";
import { getCACertificates } from "node:tls";
import * as v from "valibot";
import { AppError, systemErrorCode } from "../errors.ts";
import { printable, quoted } from "../model/printable.ts";

const PYPI = "https://pypi.org/simple/";
/** In the order in which they count: uv's own, then pip's. */
const VARIABLES = ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"];

const DEADLINE_MS = 5 * 60_000;
const MAX_LIST_BYTES = 64 * 1024 * 1024;
const MAX_REDIRECTS = 5;
const ACCEPT =
  "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1, */*;q=0.01";

export interface IndexFile {
  readonly name: string;
  /** Absolute. */
  readonly url: string;
}

export interface IndexClient {
  /** Ends with a slash; holds the credentials, so it is for a child's environment and for nothing that is shown. */
  readonly address: string;
  /** How to reach it, without credentials: for sentences. */
  readonly host: string;
  /** Of the authorities that this host trusts, PEM. */
  readonly certificates: readonly string[];
  /** Of who asked. */
  readonly signal: AbortSignal;
  /** Of everything that is fetched with it. */
  readonly deadline: AbortSignal;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The index's address as it was configured, credentials included. @param registry wins over the environment */
export function indexAddress(host: Environment, registry: string | undefined): string {
  const configured =
    registry ?? VARIABLES.map((name) => host[name] ?? "").find((value) => value !== "") ?? PYPI;
  // uv lets an index have a name: `internal=https://…`.
  const address = configured.replace(/^[\w.-]+=(?=https?:)/i, "");
  return address.endsWith("/") ? address : `${address}/`;
}

/** @throws AppError `bad-configuration` for an address that is none */
export async function openIndex(
  host: Environment,
  registry: string | undefined,
  signal: AbortSignal,
): Promise<IndexClient> {
  const address = indexAddress(host, registry);
  const url = URL.parse(address);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new AppError(
      "bad-configuration",
      `The Python index that is configured (${VARIABLES.join(", ")}) is not an http:// or https:// address.`,
    );
  }
  return {
    address,
    host: url.host,
    certificates: await readCertificates(host),
    signal,
    deadline: AbortSignal.timeout(DEADLINE_MS),
  };
}

/** The files of `project`, in the index's order. @throws AppError `install-failed` */
export async function listFiles(client: IndexClient, project: string): Promise<readonly IndexFile[]> {
  const url = new URL(`${project}/`, client.address);
  const { response, from } = await get(client, url, ACCEPT);
  const body = Buffer.from(await readBounded(client, response, MAX_LIST_BYTES)).toString("utf8");
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  const found = isJson ? filesInJson(body) : filesInHtml(body);
  if (found === undefined) throw failed(client, "answers with something that is no list of files");
  return found.flatMap(({ name, url: href }) => {
    const absolute = URL.parse(href, from);
    return absolute === null ? [] : [{ name, url: absolute.href }];
  });
}

/** Where the index sends for the files of `project`: not always to itself. Empty where it does not tell. */
export async function fileOrigins(client: IndexClient, project: string): Promise<readonly string[]> {
  const files = await listFiles(client, project).catch(() => []);
  return [...new Set(files.map(({ url }) => new URL(url).origin))];
}

/** @throws AppError `install-failed` when it is larger than `maxBytes`, or does not come */
export async function download(
  client: IndexClient,
  file: IndexFile,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { response } = await get(client, new URL(file.url), "*/*");
  return readBounded(client, response, maxBytes);
}

const JsonList = v.object({ files: v.array(v.object({ filename: v.string(), url: v.string() })) });

function filesInJson(body: string): readonly IndexFile[] | undefined {
  try {
    const { files } = v.parse(JsonList, JSON.parse(body));
    return files.map(({ filename, url }) => ({ name: filename, url }));
  } catch {
    return undefined;
  }
}

const LINK = /<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')[^>]*>([^<]*)<\/a>/gi;

function filesInHtml(body: string): readonly IndexFile[] {
  return Array.from(body.matchAll(LINK), ([, double, single, name = ""]) => ({
    name: name.trim(),
    url: (double ?? single ?? "").replaceAll("&amp;", "&"),
  }));
}

interface Got {
  readonly response: Response;
  /** Where it came from in the end, without credentials. */
  readonly from: string;
}

async function get(client: IndexClient, first: URL, accept: string): Promise<Got> {
  const home = new URL(client.address);
  let url = first;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    // NB: the credentials are the index's own: nobody else gets them, whatever a redirect or a link says.
    const authorization = url.origin === home.origin ? basic(home) : undefined;
    url.username = url.password = "";
    const response = await request(client, url, {
      accept,
      ...(authorization === undefined ? {} : { authorization }),
    });
    const location = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || location === null) {
      if (response.ok) return { response, from: url.href };
      await response.body?.cancel();
      throw failed(client, `answers HTTP ${response.status}`);
    }
    await response.body?.cancel();
    const next = URL.parse(location, url.href);
    if (next === null || !/^https?:$/.test(next.protocol)) break;
    url = next;
  }
  throw failed(client, "redirects without an end");
}

async function request(client: IndexClient, url: URL, headers: Record<string, string>): Promise<Response> {
  const tls = { ca: [...client.certificates] };
  const signal = AbortSignal.any([client.signal, client.deadline]);
  try {
    return await fetch(url.href, { headers, redirect: "manual", signal, tls });
  } catch (thrown) {
    throw unreachable(client, thrown);
  }
}

function basic(home: URL): string | undefined {
  if (home.username === "" && home.password === "") return undefined;
  const pair = `${decodeURIComponent(home.username)}:${decodeURIComponent(home.password)}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}

async function readBounded(
  client: IndexClient,
  response: Response,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) break;
      chunks.push(chunk);
    }
  } catch (thrown) {
    throw unreachable(client, thrown);
  }
  if (bytes > maxBytes) throw failed(client, `answers with more than ${maxBytes} bytes`);
  return new Uint8Array(Buffer.concat(chunks));
}

/** A company's own index is often certified by an authority of its own. SSL_CERT_FILE names all that count. */
async function readCertificates(host: Environment): Promise<readonly string[]> {
  const file = host["SSL_CERT_FILE"];
  if (file === undefined || file === "")
    return [...getCACertificates("default"), ...getCACertificates("system")];
  try {
    return [await readFile(file, "utf8")];
  } catch (thrown) {
    const sentence = `SSL_CERT_FILE names ${quoted(file)}, which cannot be read: correct it in the appliance's environment.`;
    throw new AppError("bad-configuration", sentence, { cause: thrown });
  }
}

function unreachable(client: IndexClient, thrown: unknown): AppError {
  if (client.signal.aborted)
    return new AppError("interrupted", "The download was interrupted.", { cause: thrown });
  const code = client.deadline.aborted ? "it took too long" : systemErrorCode(thrown);
  return new AppError(
    "install-failed",
    `The Python index ${client.host} cannot be reached${code === undefined ? "" : ` (${printable(code)})`}: check the ` +
      "network and the proxy settings, or name another index in UV_DEFAULT_INDEX, then try again.",
    { cause: thrown },
  );
}

function failed(client: IndexClient, what: string): AppError {
  return new AppError(
    "install-failed",
    `The Python index ${client.host} ${what}: check the index that is configured, then try again.`,
  );
}
