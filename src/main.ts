// argv → exit code: the start of the program and its only process.exit.

import { run } from "./cli/run.ts";

process.exit(await run(process.argv.slice(2)));
