// Command lines of the servers that end-to-end tests add: hand-written ones and the packages of the development
// dependencies, each run as a plain program, so that no registry is asked.

import { join } from "node:path";

const RAW = join(import.meta.dir, "../servers/raw.ts");
const SMALL = join(import.meta.dir, "servers/small.sh");
const MODULES = join(import.meta.dir, "../../node_modules/@modelcontextprotocol");

/** A behaviour of test/servers/raw.ts. */
export function raw(behaviour: string, ...args: readonly string[]): readonly string[] {
  return [process.execPath, RAW, behaviour, ...args];
}

/** Tool `echo` returns its text, of up to 64 MiB. */
export function bigEcho(): readonly string[] {
  return [process.execPath, join(import.meta.dir, "../servers/bench-echo.ts")];
}

/** One tool, `pong`; starts in a millisecond. */
export function small(...args: readonly string[]): readonly string[] {
  return ["/bin/sh", SMALL, ...args];
}

/** The same behind a shell that does not replace itself. A cage shows what is named in a script by grant only. */
export function smallInShell(): readonly string[] {
  return ["--read", SMALL, "/bin/sh", "-c", `/bin/sh ${SMALL}; true`];
}

export function everything(): readonly string[] {
  return [process.execPath, join(MODULES, "server-everything/dist/index.js")];
}

export function filesystem(directory: string): readonly string[] {
  return [process.execPath, join(MODULES, "server-filesystem/dist/index.js"), directory];
}

/** `small` that neither signals nor the end of stdin end, with a lost grandchild: `sleep 600`. */
export function stray(): readonly string[] {
  return ["/bin/sh", join(import.meta.dir, "servers/stray.sh")];
}

/** The good server of the 1.x SDK with a tool for everything: see test/servers/sdk-tools.ts. */
export function sdk(): readonly string[] {
  return [process.execPath, join(import.meta.dir, "../servers/sdk-stdio.ts")];
}

/** The same offer over Streamable HTTP, as a program that prints `listening <url>`. */
export function sdkHttp(...args: readonly string[]): readonly string[] {
  return [process.execPath, join(import.meta.dir, "../servers/sdk-http.ts"), ...args];
}

/** `small` that holds so many MiB of memory. */
export function heavy(mebibytes: number): readonly string[] {
  return ["/bin/sh", join(import.meta.dir, "servers/heavy.sh"), String(mebibytes)];
}
