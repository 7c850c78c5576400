// The uv that the vault brings along: which wheels of which version, by hash, and how one becomes a program. Called by
// uv.ts where the host has no uv.

import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import { AppError } from "../errors.ts";
import { download, type IndexClient, listFiles } from "./pypi-index.ts";

export const UV_VERSION = "0.13.9";

export interface UvWheel {
  readonly name: string;
  /** SHA-256, hex, of the archive. */
  readonly sha256: string;
  /** SHA-256, hex, of the program in it. */
  readonly program: string;
}

/** Linked statically, so that they run on every Linux and in a cage that shows no libraries. */
const WHEELS: Readonly<Record<string, UvWheel>> = {
  x64: {
    name: `uv-${UV_VERSION}-py3-none-musllinux_1_1_x86_64.whl`,
    sha256: "2c45530751517d6c3bbc69a19473f6effe47cce047bede01ffd8af7ea7b36b25",
    program: "edbfb9a3d00dc84148e6691cd8740781fdc32db6505d7ef88ba6c3e569d5bec9",
  },
  arm64: {
    name: `uv-${UV_VERSION}-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl`,
    sha256: "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
    program: "bbecb5ac518030bb5e84f1999c577228460192832ac24a92bd772735682979f4",
  },
};

/** Twice what they have. */
const MAX_WHEEL_BYTES = 48 * 1024 * 1024;
const MAX_PROGRAM_BYTES = 96 * 1024 * 1024;

/** Undefined for a processor that no wheel is known for. */
export function uvWheel(arch: string): UvWheel | undefined {
  return WHEELS[arch];
}

/** The program, verified. @throws AppError `install-failed`, `interrupted` */
export async function fetchUv(client: IndexClient, wheel: UvWheel): Promise<Uint8Array<ArrayBuffer>> {
  const file = (await listFiles(client, "uv")).find(({ name }) => name === wheel.name);
  if (file === undefined) {
    throw new AppError(
      "install-failed",
      `The Python index ${client.host} does not have ${wheel.name}: install uv on this host with "pip install uv".`,
    );
  }
  const archive = await download(client, file, MAX_WHEEL_BYTES);
  if ((await sha256(archive)) !== wheel.sha256) throw notTheOne(client, wheel);
  const program = await readMember(archive, /\/scripts\/uv$/);
  if (program === undefined || (await sha256(program)) !== wheel.program) throw notTheOne(client, wheel);
  return program;
}

function notTheOne(client: IndexClient, wheel: UvWheel): AppError {
  return new AppError(
    "install-failed",
    `${wheel.name} of the Python index ${client.host} is not the file that is known under this name (its hash ` +
      'differs): nothing was installed; ask who runs the index, or install uv on this host with "pip install uv".',
  );
}

/** NB: not on the only thread, which others wait for: it is 50 MB. */
async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("hex");
}

const inflate = promisify<Uint8Array, { maxOutputLength: number }, Uint8Array>(inflateRaw);
const END_BYTES = 22;
const ENTRY_BYTES = 46;

/** One file of a zip archive, whose hash was checked: nothing in it is hostile. */
async function readMember(
  archive: Uint8Array<ArrayBuffer>,
  name: RegExp,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  const end = bytes.lastIndexOf("PK\x05\x06", bytes.length - END_BYTES, "latin1");
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    const nameEnd = at + ENTRY_BYTES + bytes.readUInt16LE(at + 28);
    if (name.test(bytes.toString("utf8", at + ENTRY_BYTES, nameEnd))) return unpack(bytes, at);
    at = nameEnd + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return undefined;
}

/** @param at where its entry in the archive's directory begins */
async function unpack(bytes: Buffer, at: number): Promise<Uint8Array<ArrayBuffer>> {
  const local = bytes.readUInt32LE(at + 42);
  const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
  const packed = bytes.subarray(start, start + bytes.readUInt32LE(at + 20));
  const isStored = bytes.readUInt16LE(at + 10) === 0;
  return new Uint8Array(isStored ? packed : await inflate(packed, { maxOutputLength: MAX_PROGRAM_BYTES }));
}
