// Brings a file of others to disk, bounded, and counts its hash on the way: from an upload, or from an address. Called
// by control/mcpb.ts.

import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { getCACertificates } from "node:tls";
import { AppError, systemErrorCode, toAppError } from "../errors.ts";
import { printable } from "../model/printable.ts";
import { noSpace } from "./install-error.ts";
import { makeStaging, removeStaging } from "./staging.ts";

export interface Spooled {
  /** Absolute. */
  readonly file: string;
  /** Hex. */
  readonly sha256: string;
}

const MAX_BYTES = 1024 ** 3;
const MAX_REDIRECTS = 5;
/** For all of a download. */
const DOWNLOAD_MS = 10 * 60_000;

/** Lends the file to `act`, and removes it. @throws AppError `too-large`, `no-space`, `interrupted` */
export async function withSpooled<T>(
  vaultDirectory: string,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  act: (spooled: Spooled) => Promise<T>,
): Promise<T> {
  const staging = await makeStaging(vaultDirectory);
  try {
    const file = join(staging, "file");
    const hasher = new Bun.CryptoHasher("sha256");
    await pipeline(counted(content, hasher), createWriteStream(file, { mode: 0o600 }), { signal });
    return await act({ file, sha256: hasher.digest("hex") });
  } catch (thrown) {
    if (signal.aborted)
      throw new AppError("interrupted", "The transfer was interrupted: nothing of it is left.");
    const known = toAppError(thrown);
    throw known.code === "no-space" ? noSpace(thrown) : known;
  } finally {
    await removeStaging(staging);
  }
}

async function* counted(
  content: AsyncIterable<Uint8Array>,
  hasher: Bun.CryptoHasher,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new AppError("too-large", `The file has more than ${MAX_BYTES} bytes.`);
    hasher.update(chunk);
    yield chunk;
  }
}

/**
 * What is at an address. Only https:// is asked, and http:// on this host itself; redirects lead nowhere else.
 * @throws AppError `usage` for another address, `install-failed` for what does not come
 */
export async function* download(address: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(DOWNLOAD_MS)]);
  const tls = { ca: [...getCACertificates("default"), ...getCACertificates("system")] };
  let url = checkAddress(address);
  try {
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const response = await fetch(url.href, { redirect: "manual", signal: deadline, tls });
      const location = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || location === null) {
        if (!response.ok) throw failed(url, `answers HTTP ${response.status}`);
        for await (const chunk of response.body ?? []) yield chunk;
        return;
      }
      await response.body?.cancel();
      url = checkAddress(new URL(location, url).href);
    }
  } catch (thrown) {
    if (thrown instanceof AppError || signal.aborted) throw thrown;
    throw failed(url, `cannot be reached (${systemErrorCode(thrown) ?? "it takes too long"})`);
  }
  throw failed(url, "redirects without an end");
}

function checkAddress(address: string): URL {
  const url = URL.parse(address);
  const isOwn = /^(?:127(?:\.\d+){3}|localhost|\[::1\])$/.test(url?.hostname ?? "");
  if (url?.protocol === "https:" || (url?.protocol === "http:" && isOwn)) {
    if (url.username === "" && url.password === "") return url;
  }
  throw new AppError(
    "usage",
    "A bundle is fetched from an https:// address without a user name or password.",
  );
}

function failed(url: URL, what: string): AppError {
  return new AppError("install-failed", `${printable(url.host, 100)} ${what}: the bundle was not fetched.`);
}
