// Installs the launcher and prints where it is, or why it is not: what a test runs in a namespace of its own.

import { installLauncher } from "../../src/cage/launcher.ts";
import { toAppError } from "../../src/errors.ts";

try {
  console.log(await installLauncher(process.argv[2] ?? "."));
} catch (error) {
  const { code, message } = toAppError(error);
  console.log(`${code}: ${message}`);
}
