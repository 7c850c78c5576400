// Wheels and source archives, made in memory: what a test needs of a Python package and no more. Called by the fake
// index and by tests that need a broken archive.

import { crc32, deflateRawSync } from "node:zlib";

export interface FakeDistribution {
  readonly name: string;
  readonly version: string;
  /** `py3-none-any` unless said otherwise. */
  readonly tag?: string;
  readonly requires?: readonly string[];
  readonly requiresPython?: string;
  /** `[console_scripts]`: name of the program → `module:function`. */
  readonly scripts?: Readonly<Record<string, string>>;
  /** Paths in site-packages, or below `<name>-<version>.data/`. */
  readonly files?: Readonly<Record<string, string>>;
  readonly extras?: readonly string[];
}

/** `mcp_tool-1.0-py3-none-any.whl` */
export function wheelName(made: FakeDistribution): string {
  return `${stem(made)}-${made.tag ?? "py3-none-any"}.whl`;
}

export function makeWheel(made: FakeDistribution): Uint8Array<ArrayBuffer> {
  const info = `${stem(made)}.dist-info`;
  const tags = expandTag(made.tag ?? "py3-none-any").map((tag) => `Tag: ${tag}\n`);
  const entries = Object.entries(made.scripts ?? {}).map(([name, target]) => `${name} = ${target}\n`);
  const files: Record<string, string> = {
    ...made.files,
    [`${info}/METADATA`]: metadata(made),
    [`${info}/WHEEL`]: `Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n${tags.join("")}`,
    ...(entries.length === 0
      ? {}
      : { [`${info}/entry_points.txt`]: `[console_scripts]\n${entries.join("")}` }),
  };
  const record = Object.entries(files).map(
    ([path, text]) => `${path},sha256=${digest(text)},${text.length}\n`,
  );
  return zip({ ...files, [`${info}/RECORD`]: `${record.join("")}${info}/RECORD,,\n` });
}

/** A source archive that writes a file when it is built, wherever that happens. */
export async function makeSource(made: FakeDistribution, mark: string): Promise<Uint8Array<ArrayBuffer>> {
  const setup = `open(${JSON.stringify(mark)}, "w").close()\nfrom setuptools import setup\nsetup()\n`;
  const files = { "PKG-INFO": metadata(made), "setup.py": setup };
  const entries = Object.entries(files).map(([path, text]) => [`${stem(made)}/${path}`, text] as const);
  return new Uint8Array(await new Bun.Archive(Object.fromEntries(entries), { compress: "gzip" }).bytes());
}

/** A zip archive; every other file is compressed. */
export function zip(files: Readonly<Record<string, string | Uint8Array>>): Uint8Array<ArrayBuffer> {
  const bodies: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [at, [path, content]] of Object.entries(files).entries()) {
    const name = Buffer.from(path);
    const plain = Buffer.from(content);
    const packed = at % 2 === 0 ? plain : deflateRawSync(plain);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(at % 2 === 0 ? 0 : 8, 4);
    common.writeUInt32LE(crc32(plain), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(plain.length, 18);
    common.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((0o100644 << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    bodies.push(Buffer.from("PK\x03\x04", "latin1"), common, name, packed);
    directory.push(Buffer.from("PK\x01\x02\x14\x03", "latin1"), common, tail, name);
    offset += 30 + name.length + packed.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(Object.keys(files).length, 8);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return new Uint8Array(Buffer.concat([...bodies, central, end]));
}

export function metadata(made: FakeDistribution): string {
  const lines = [
    "Metadata-Version: 2.1",
    `Name: ${made.name}`,
    `Version: ${made.version}`,
    ...(made.requiresPython === undefined ? [] : [`Requires-Python: ${made.requiresPython}`]),
    ...(made.extras ?? []).map((extra) => `Provides-Extra: ${extra}`),
    ...(made.requires ?? []).map((requirement) => `Requires-Dist: ${requirement}`),
  ];
  return `${lines.join("\n")}\n`;
}

function stem(made: FakeDistribution): string {
  return `${made.name.replace(/[-_.]+/g, "_").toLowerCase()}-${made.version}`;
}

function expandTag(tag: string): readonly string[] {
  const [pythons = "", abis = "", platforms = ""] = tag.split("-");
  return pythons
    .split(".")
    .flatMap((python) =>
      abis
        .split(".")
        .flatMap((abi) => platforms.split(".").map((platform) => `${python}-${abi}-${platform}`)),
    );
}

function digest(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("base64url");
}
