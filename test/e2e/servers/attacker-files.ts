// What the attacker tries on files. Opens them the way it would to steal or to spoil, and then does neither.

import {
  chmodSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Attempt, refusal } from "./attacker-attempt.ts";
import { truncate, watch } from "./attacker-libc.ts";

function open(path: string, flags: number): string {
  closeSync(openSync(path, flags | constants.O_NOCTTY | constants.O_NONBLOCK));
  return "";
}

/** Where it may make the file at all, it is gone again at once. */
function madeIn(directory: string): string {
  const path = join(directory, `attack-${process.pid}`);
  writeFileSync(path, "", { flag: "wx" });
  unlinkSync(path);
  return "";
}

/** The path, seen from a link in its own directory. */
function throughLink(path: string, look: (link: string) => string): string {
  const link = `link-${process.pid}`;
  symlinkSync(path, link);
  try {
    return look(link);
  } finally {
    unlinkSync(link);
  }
}

export const ON_FILES: Readonly<Record<string, Attempt>> = {
  open: ([path = ""]) => open(path, constants.O_RDONLY),
  write: ([path = ""]) => open(path, constants.O_WRONLY | constants.O_APPEND),
  "make-in": ([directory = ""]) => madeIn(directory),
  list: ([path = ""]) => String(readdirSync(path).length),
  find: ([directory = "", name = ""]) => {
    if (readdirSync(directory).includes(name)) return "";
    throw refusal("absent");
  },
  names: ([path = ""]) => readdirSync(path).toSorted().join(" "),
  stat: ([path = ""]) => String(statSync(path).size),
  owner: ([path = ""]) => `${lstatSync(path).uid} ${(lstatSync(path).mode & 0o7777).toString(8)}`,
  cat: ([path = ""]) => readFileSync(path, "utf8").trim(),
  "open-through-link": ([path = ""]) => throughLink(path, (link) => open(link, constants.O_RDONLY)),
  "hard-link": ([path = ""]) => {
    const name = `hard-${process.pid}`;
    linkSync(path, name);
    unlinkSync(name);
    return "";
  },
  symlink: ([to = "", path = ""]) => {
    rmSync(path, { recursive: true, force: true });
    symlinkSync(to, path);
    return "";
  },
  remove: ([path = ""]) => {
    rmSync(path, { recursive: true });
    return "";
  },
  make: ([path = "", mode = "644"]) => {
    writeFileSync(path, "made by the server\n", { flag: "wx", mode: Number.parseInt(mode, 8) });
    return "";
  },
  mkdir: ([path = ""]) => {
    mkdirSync(path);
    return "";
  },
  chmod: ([path = "", mode = "644"]) => {
    chmodSync(path, Number.parseInt(mode, 8));
    return "";
  },
  touch: ([path = ""]) => {
    utimesSync(path, new Date(), new Date());
    return "";
  },
  truncate: ([path = "", size = "0"]) => truncate(path, Number(size)),
  watch: ([path = ""]) => watch(path),
  /** More than a /tmp of its own holds. */
  fill: ([directory = "", mebibytes = "1"]) => {
    const path = join(directory, `fill-${process.pid}`);
    try {
      for (let done = 0; done < Number(mebibytes); done++)
        writeFileSync(path, Buffer.alloc(1 << 20, 1), { flag: "a" });
      return "";
    } finally {
      rmSync(path, { force: true });
    }
  },
};
