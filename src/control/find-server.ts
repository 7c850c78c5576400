// A configured server by its name, or the error that says which was meant. Called by whatever takes a server's name.

import { AppError } from "../errors.ts";
import type { ConfiguredServer } from "../model/server-spec.ts";
import { nearest } from "../nearest.ts";

/** @throws AppError `not-found`, with the nearest name */
export function findServer(servers: readonly ConfiguredServer[], name: string): ConfiguredServer {
  const found = servers.find((server) => server.name === name);
  if (found !== undefined) return found;
  const near = nearest(
    name,
    servers.map((server) => server.name),
  );
  const hint = near === undefined ? "`toolcrib ls` lists those that are" : `did you mean ${near}?`;
  throw new AppError("not-found", `There is no server ${name.slice(0, 80)}; ${hint}`);
}
