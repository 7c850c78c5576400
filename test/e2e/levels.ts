// The cages that a test about the life of processes goes through, and which of them this host can have. Asked once,
// before the tests are named: one that cannot run says why in its name.

import * as v from "valibot";
import { Crib } from "./appliance.ts";

export type Level = "isolated" | "confined" | "off";

export interface LevelCase {
  readonly title: string;
  readonly level: Level;
  /** Of the appliance. */
  readonly env: Readonly<Record<string, string>>;
  /** Of `add`. */
  readonly options: readonly string[];
  /** Who runs the appliance; undefined for whoever runs the tests. */
  readonly uid: number | undefined;
  /** Why it cannot be on this host. */
  readonly missing: string | undefined;
}

/** Has no rights at all, and owns nothing. */
const NOBODY = 65_534;
const CONFINED = { TOOLCRIB_CAGE_WITHOUT: "namespaces" };

const Doctor = v.object({
  findings: v.array(v.looseObject({ name: v.string(), state: v.string(), detail: v.string() })),
});

/** Three levels for whoever runs the tests, and the strongest for an ordinary user where that is root. */
export async function levelCases(): Promise<readonly LevelCase[]> {
  const isRoot = process.getuid?.() === 0;
  const own = await obstacles(undefined);
  const cases: readonly LevelCase[] = [
    { title: "isolated", level: "isolated", env: {}, options: [], uid: undefined, missing: own.isolated },
    {
      title: "confined",
      level: "confined",
      env: CONFINED,
      options: ["--minimum", "confined"],
      uid: undefined,
      missing: own.confined,
    },
    { title: "off", level: "off", env: {}, options: ["--cage", "off"], uid: undefined, missing: undefined },
  ];
  if (!isRoot) return cases;
  const { isolated } = await obstacles(NOBODY);
  const title = "isolated, of an ordinary user";
  return [...cases, { title, level: "isolated", env: {}, options: [], uid: NOBODY, missing: isolated }];
}

/** For the name of a test or a group of them. */
export function titleOf({ title, missing }: LevelCase): string {
  return missing === undefined ? title : `${title} (not on this host: ${missing})`;
}

async function obstacles(uid: number | undefined): Promise<Partial<Record<Level, string>>> {
  const crib = await Crib.create(uid === undefined ? {} : { uid });
  try {
    const { stdout, stderr } = await crib.run(["doctor", "--json"]);
    const { findings } = v.parse(Doctor, JSON.parse(stdout), { message: stderr });
    const finding = (name: string) => findings.find((each) => each.name === name);
    const cages = finding("cages")?.detail ?? "the doctor does not say";
    const weaker = ["landlock", "seccomp"].find((name) => finding(name)?.state !== "ok");
    return {
      ...(cages.startsWith("isolated") ? {} : { isolated: cages }),
      ...(weaker === undefined ? {} : { confined: finding(weaker)?.detail ?? `no ${weaker}` }),
    };
  } finally {
    await crib.remove();
  }
}
