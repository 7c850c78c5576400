// How strong the cage of a start will be: the strongest that the host has, never less than the server's minimum.

import { AppError } from "../errors.ts";
import type { Cage, CageLevel } from "../model/cage.ts";

/** Why the host cannot give a level; undefined where it can. */
export interface Obstacles {
  readonly isolated: string | undefined;
  readonly confined: string | undefined;
}

/** @throws AppError `blocked` with what is missing and what mends it */
export function chooseLevel(cage: Pick<Cage, "mode" | "minimum">, obstacles: Obstacles): CageLevel {
  if (cage.mode === "off") return "off";
  if (obstacles.isolated === undefined) return "isolated";
  if (cage.minimum === "confined" && obstacles.confined === undefined) return "confined";
  const got = obstacles.confined === undefined ? '"confined" at most' : "no cage at all";
  const also =
    cage.minimum === "confined" && obstacles.confined !== undefined ? ` and ${obstacles.confined}` : "";
  const less =
    cage.minimum !== "confined" && obstacles.confined === undefined
      ? ", or accept less with --minimum confined"
      : "";
  throw new AppError(
    "blocked",
    `It must run ${cage.minimum === "confined" ? "confined" : "isolated"} and this host gives ${got}: ` +
      `${obstacles.isolated}${also}. \`toolcrib doctor\` says what mends it${less}.`,
  );
}
