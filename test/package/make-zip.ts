// Zip archives as a test wants them, wrong ones included: written by hand, because no library writes what must be
// refused.

import { crc32, deflateRawSync } from "node:zlib";

export interface ZipPart {
  readonly name: string;
  readonly content?: string | Uint8Array;
  /** Unix mode with the file type; 0 for an archive of another system. */
  readonly mode?: number;
  readonly store?: boolean;
  /** What the archive claims instead of the truth. */
  readonly claims?: Partial<{
    crc: number;
    bytes: number;
    packedBytes: number;
    method: number;
    flags: number;
  }>;
  /** The bytes of this earlier part are its content, too. */
  readonly sameAs?: number;
}

export function makeZip(parts: readonly ZipPart[], comment = ""): Buffer {
  const pieces: Buffer[] = [];
  const offsets: number[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [index, part] of parts.entries()) {
    const content = Buffer.from(part.content ?? "");
    const packed = part.store === true ? content : deflateRawSync(content, { level: 9 });
    const claims = {
      crc: crc32(content),
      bytes: content.length,
      packedBytes: packed.length,
      method: part.store === true ? 0 : 8,
      flags: 0x800,
      ...part.claims,
    };
    const name = Buffer.from(part.name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(claims.flags, 2);
    common.writeUInt16LE(claims.method, 4);
    common.writeUInt32LE(claims.crc, 10);
    common.writeUInt32LE(claims.packedBytes, 14);
    common.writeUInt32LE(claims.bytes, 18);
    common.writeUInt16LE(name.length, 22);
    offsets[index] = part.sameAs === undefined ? at : (offsets[part.sameAs] ?? 0);
    if (part.sameAs === undefined) {
      pieces.push(Buffer.from("PK\x03\x04", "latin1"), common, name, packed);
      at += 30 + name.length + packed.length;
    }
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(((part.mode ?? 0o100644) << 16) >>> 0, 6);
    rest.writeUInt32LE(offsets[index] ?? 0, 10);
    directory.push(Buffer.from("PK\x01\x02\x14\x03", "latin1"), common, rest, name);
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(parts.length, 4);
  end.writeUInt16LE(parts.length, 6);
  end.writeUInt32LE(list.length, 8);
  end.writeUInt32LE(at, 12);
  end.writeUInt16LE(comment.length, 16);
  return Buffer.concat([
    ...pieces,
    list,
    Buffer.from("PK\x05\x06", "latin1"),
    end,
    Buffer.from(comment, "latin1"),
  ]);
}
