// A child of the tests: an appliance's store in a process of its own. Arguments: the path of the database, and how
// many changes to write. Prints `open`, then the number of each change when it is acknowledged; then waits to be killed.

import { writeSync } from "node:fs";
import { toAppError } from "../../src/errors.ts";
import { openStore } from "../../src/store/store.ts";
import { CHANGE, offer, server, token } from "./fixture.ts";

const [, , path = "", limit = "0"] = process.argv;

try {
  const store = openStore(path);
  writeSync(1, "open\n");
  const first = store.listServers().length;
  for (let index = first; index < first + Number(limit); index++) {
    const name = `s${String(index).padStart(5, "0")}`;
    store.transaction(() => {
      store.insertServer(server(name));
      store.insertToken(token(name));
      store.saveOffer(name, server(name).specHash, offer());
      return store.recordChange({ ...CHANGE, subject: name });
    });
    writeSync(1, `${index}\n`);
  }
  // Ends with its parent: stdin is a pipe that nobody writes to.
  await Bun.stdin.text();
} catch (thrown) {
  writeSync(1, `${toAppError(thrown).code}\n`);
}
