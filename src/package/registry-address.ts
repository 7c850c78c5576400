// The address of a registry as it stands on a command line. Pure. Called by what understands command lines of package
// runners.

import { AppError } from "../errors.ts";

/**
 * @param option how it was given, such as `--registry`
 * @param elsewhere where an address with credentials belongs
 * @throws AppError `usage`; the sentence holds nothing of the address
 */
export function checkRegistry(option: string, value: string, elsewhere: string): string {
  const url = URL.parse(value);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new AppError("usage", `The value of ${option} is not an http:// or https:// address.`);
  }
  if (url.username === "" && url.password === "") return value;
  throw new AppError("usage", `The address in ${option} holds a user name or password: put ${elsewhere}.`);
}
