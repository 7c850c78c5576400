// A child of the tests, on a small file system of its own. Arguments: its mount point. Fills it, tries to write,
// makes room, and prints as JSON what it saw.

import { closeSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { AppError, systemErrorCode } from "../../src/errors.ts";
import { openDatabase } from "../../src/store/database.ts";
import { MIGRATIONS } from "../../src/store/migrations.ts";
import { openStore, type Store } from "../../src/store/store.ts";
import { CHANGE, offer, server } from "./fixture.ts";

const [, , directory = ""] = process.argv;
const path = join(directory, "toolcrib.db");
const filler = join(directory, "filler");

const options = { busyTimeoutMs: 1, migrations: MIGRATIONS, now: Date.now };

fill();
const lock = outcome(() => openStore(path).close());
const create = outcome(() => openDatabase(path, options).close(true));
const afterCreate = readdirSync(directory)
  .filter((name) => name.startsWith("toolcrib"))
  .toSorted();
rmSync(filler);

const store = openStore(path);
let acknowledged = 0;
const add = (into: Store) =>
  into.transaction(() => {
    const name = `s${String(acknowledged).padStart(4, "0")}`;
    into.insertServer(server(name));
    into.saveOffer(name, server(name).specHash, offer({ tools: new Uint8Array(8000) }));
    into.recordChange({ ...CHANGE, subject: name });
  });
for (; acknowledged < 10; acknowledged++) add(store);
fill();
let write = "";
for (; acknowledged < 1000; acknowledged++) {
  write = outcome(() => add(store));
  if (write !== "ok") break;
}
const whileFull = count(store);
const atFull = acknowledged;
rmSync(filler);
add(store);
acknowledged++;
const afterRoom = count(store);
store.close();
fill();
const restart = outcome(() => openDatabase(path, options).close(true));
rmSync(filler);
const reopened = openStore(path);
const afterRestart = count(reopened);
reopened.close();
process.stdout.write(
  JSON.stringify({
    lock,
    create,
    afterCreate,
    write,
    atFull,
    whileFull,
    acknowledged,
    afterRoom,
    restart,
    afterRestart,
  }),
);

function count(of: Store): number[] {
  return [of.listServers().length, of.loadOffers().size];
}

function outcome(act: () => void): string {
  try {
    act();
    return "ok";
  } catch (error) {
    return error instanceof AppError ? `${error.code}: ${error.message}` : String(error);
  }
}

/** To the last byte. */
function fill(): void {
  const file = openSync(filler, "w");
  try {
    for (let size = 65_536; size >= 1;) {
      try {
        writeSync(file, Buffer.alloc(size));
      } catch (error) {
        if (systemErrorCode(error) !== "ENOSPC") throw error;
        size = Math.floor(size / 2);
      }
    }
  } finally {
    closeSync(file);
  }
}
